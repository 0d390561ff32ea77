// Weights by name in a safetensors file, with what they mean in its metadata: what clients and a server pass around.
import { Audio2VecError, argumentError } from './errors.js';
import { readSafetensors, type Tensor, writeSafetensors } from './safetensors.js';

/** Weights by name, and texts about them. */
export interface WeightFile {
  weights: Map<string, Float32Array>;
  /** Shape of each array. */
  shapes: Map<string, readonly number[]>;
  /** JSON or plain text by key. */
  metadata: Record<string, string>;
}

/** Writes arrays by name (atomic). Give `about` whatever must travel with them (configuration, front end,
 * normalisation): each value is stored as JSON. Arrays of doubles are stored in single precision. Throws `ERR_ARGUMENT`
 * where a shape and its array disagree. */
export async function writeWeights(
  file: string,
  weights: ReadonlyMap<string, Float32Array | Float64Array>,
  parameters: readonly { name: string; shape: readonly number[] }[],
  about: Record<string, unknown> = {},
): Promise<void> {
  const shapes = new Map(parameters.map(({ name, shape }) => [name, shape]));
  const tensors = new Map<string, Tensor>();
  for (const [name, data] of weights) {
    const shape = shapes.get(name);
    const size = shape?.reduce((a, b) => a * b, 1);
    if (!shape || data.length !== size) {
      throw argumentError(`weights of ${name}`, shape ? `${size} values` : 'among the parameters', data.length);
    }
    tensors.set(name, { shape, data: data instanceof Float32Array ? data : Float32Array.from(data) });
  }
  const metadata = Object.entries(about).map(([key, value]) => [key, JSON.stringify(value)]);
  await writeSafetensors(file, tensors, Object.fromEntries(metadata));
}

/** The float32 arrays of any safetensors file: of {@link writeWeights}, of an encoder, of a checkpoint (whose parameters
 * are named `params/…`, Adam's moments `m/…` and `v/…`). Throws `ERR_FILE`, `ERR_MODEL_FORMAT`. */
export async function readWeights(file: string): Promise<WeightFile> {
  const { tensors, metadata } = await readSafetensors(file);
  const weights = new Map<string, Float32Array>();
  const shapes = new Map<string, readonly number[]>();
  for (const [name, { data, shape }] of tensors) {
    if (!(data instanceof Float32Array)) continue;
    weights.set(name, data);
    shapes.set(name, shape);
  }
  if (weights.size === 0) {
    throw new Audio2VecError('ERR_MODEL_FORMAT', `${file} holds no arrays of type F32.`);
  }
  return { weights, shapes, metadata };
}
