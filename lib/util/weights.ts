// Weights by name in a safetensors file, with what they mean in its metadata: what clients and a server pass around.
import { checkObject } from './arguments.js';
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
  if (!(weights instanceof Map)) throw argumentError('weights', 'a Map of arrays by name', weights);
  if (!Array.isArray(parameters as unknown))
    throw argumentError('parameters', 'a list of names and shapes', parameters);
  for (const given of parameters as readonly { name: unknown; shape: unknown }[]) {
    const isShape = Array.isArray(given?.shape) && given.shape.every((n) => Number.isInteger(n) && n >= 0);
    if (typeof given?.name !== 'string' || !isShape) throw argumentError('parameters', 'of names and shapes', given);
  }
  const shapes = new Map(parameters.map(({ name, shape }) => [name, shape]));
  const tensors = new Map<string, Tensor>();
  for (const [name, data] of weights) {
    if (!(data instanceof Float32Array || data instanceof Float64Array)) {
      throw argumentError(`weights of ${name}`, 'a Float32Array or Float64Array', data);
    }
    const shape = shapes.get(name);
    const size = shape?.reduce((a, b) => a * b, 1);
    if (!shape || data.length !== size) {
      throw argumentError(`weights of ${name}`, shape ? `${size} values` : 'among the parameters', data.length);
    }
    tensors.set(name, { shape, data: data instanceof Float32Array ? data : Float32Array.from(data) });
  }
  checkObject('about', about);
  const metadata = Object.entries(about).map(([key, value]) => {
    try {
      return [key, JSON.stringify(value)];
    } catch (cause) {
      throw argumentError(`about.${key}`, `of what JSON can hold (${(cause as Error).message})`, typeof value);
    }
  });
  await writeSafetensors(file, tensors, Object.fromEntries(metadata));
}

/** The float32 arrays of any safetensors file: of {@link writeWeights}, of an encoder, of a checkpoint (whose parameters
 * are named `params/…`, Adam's moments `m/…` and `v/…`). Throws `ERR_FILE`, `ERR_MODEL_FORMAT`. */
export async function readWeights(file: string): Promise<WeightFile> {
  if (typeof file !== 'string') throw argumentError('file', 'a path', file);
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
