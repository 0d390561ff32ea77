// What a network is fed: checked here, because C++ does not look again.
import type { Node } from '../graph/graph.js';
import { sizeOf } from '../graph/graph.js';
import type { Plan } from '../native/plan.js';
import type { NativeInput } from '../native/types.js';
import { argumentError } from '../util/errors.js';
import { type Augmentation, nativeAugmentation } from './augmentation.js';

/** Frames that slices are gathered from: a feature store, or an array in memory (`native`). */
export interface FrameSource {
  readonly frames: number;
  /** Values in a frame, as a feature store or one of its columns says it. */
  readonly bands?: number;
  readonly width?: number;
  readonly native: object;
}

/** What one input node of the graph is fed, `rows` values for each example, example-major. */
export type BatchInput =
  /** Slices by the index of their first frame in the feature store (the network's, unless another is given); gathered
   * and normalised natively. An input of C channels takes C slices a row. */
  | { frames: Float64Array; store?: FrameSource; augment?: Augmentation }
  /** Values as they are (already normalised slices, TemporalGap's δ, class indices): `[examples, rows, ...shape]`. */
  | { values: Float32Array };

/** One batch: the number of examples and what each input node is fed, by its name. */
export interface Batch {
  examples: number;
  inputs: Record<string, BatchInput>;
  /** Run-time scalars of the graph that differ from their defaults. */
  scalars?: Record<string, number>;
}

/** What an input is gathered from: a column of a feature store has all three. */
export interface InputSource {
  store?: FrameSource;
  /** One value for each band. */
  mean: Float32Array;
  std: Float32Array;
}

/** Where `frames` inputs are gathered from, and how bands are normalised on the way: (x - mean) / std. */
export interface Sources extends Partial<InputSource> {
  /** Where that differs for some inputs, by their names: other columns, with statistics of their own. */
  inputs?: Readonly<Record<string, InputSource>>;
}

interface Source {
  store?: FrameSource;
  mean?: Float32Array;
  inverseStd?: Float32Array;
}

/** The source of each input that has one of its own, and of all others. */
export interface Gathering {
  all: Source;
  own: ReadonlyMap<string, Source>;
}

export function gatheringOf(nodes: readonly Node[], { inputs = {}, ...usual }: Sources): Gathering {
  const known = nodes.filter((n) => n.op === 'input').map((n) => n.name);
  const wrong = Object.keys(inputs).find((name) => !known.includes(name));
  if (wrong) throw argumentError('inputs', `named as the graph's: ${known.join(', ')}`, wrong);
  const source = ({ store = usual.store, mean, std }: Partial<InputSource>): Source => ({
    store,
    mean,
    inverseStd: std?.map((s) => 1 / s),
  });
  return { all: source(usual), own: new Map(Object.entries(inputs).map(([name, own]) => [name, source(own)])) };
}

/** The inputs of a plan as the addon takes them. Throws `ERR_ARGUMENT` unless every one is there, of the right size and
 * inside the store. */
export function nativeInputs(nodes: readonly Node[], plan: Plan, batch: Batch, from: Gathering): NativeInput[] {
  return Object.entries(plan.inputs).map(([name, tensor]) => {
    const node = nodes.find((n) => n.name === name)!;
    const input = batch.inputs[name];
    if (!input) throw argumentError('batch.inputs', `given for ${name}`, Object.keys(batch.inputs).join(', '));
    const slices = node.rows * (node.shape.length === 3 ? node.shape[2] : 1) * batch.examples;
    if ('values' in input) {
      const want = batch.examples * node.rows * sizeOf(node.shape);
      if (!(input.values instanceof Float32Array) || input.values.length !== want) {
        throw argumentError(`batch.inputs.${name}.values`, `a Float32Array of ${want}`, input.values?.length);
      }
      checkIndices(nodes, name, input.values);
      return { tensor, values: input.values };
    }
    const { store: usual, mean, inverseStd } = from.own.get(name) ?? from.all;
    const store = input.store ?? usual;
    if (!store || !mean || !inverseStd) throw argumentError('store, mean and std', 'given to feed frames', 'nothing');
    if (node.shape.length !== 3) throw argumentError(`batch.inputs.${name}`, 'values, as it is a vector', 'frames');
    checkBands(name, node.shape[1], store, mean, inverseStd);
    if (!(input.frames instanceof Float64Array) || input.frames.length !== slices) {
      throw argumentError(`batch.inputs.${name}.frames`, `a Float64Array of ${slices}`, input.frames?.length);
    }
    const last = store.frames - node.shape[0];
    for (const start of input.frames) {
      if (!(start >= 0 && start <= last && Number.isInteger(start))) {
        throw argumentError(`batch.inputs.${name}.frames`, `frame indices from 0 to ${last}`, start);
      }
    }
    const gathered = { tensor, frames: node.shape[0], starts: input.frames, store: store.native, mean, inverseStd };
    if (!input.augment) return gathered;
    const size = [node.shape[0], node.shape[1]] as const;
    return { ...gathered, augment: nativeAugmentation(name, input.augment, slices, size, last) };
  });
}

/** Frames of a source have as many values as the input has bands; so have their statistics. */
function checkBands(name: string, bands: number, store: FrameSource, ...statistics: Float32Array[]): void {
  for (const has of [store.bands ?? store.width ?? bands, ...statistics.map((s) => s.length)]) {
    if (has !== bands) throw argumentError(`source of ${name}`, `frames of ${bands} bands and their statistics`, has);
  }
}

/** Inputs that are indices must be whole numbers in range: classes, frames, candidates. */
function checkIndices(nodes: readonly Node[], name: string, values: Float32Array): void {
  for (const node of nodes) {
    const operand = node.inputs.indexOf(name);
    const limits = operand > 0 ? indexLimits(nodes, node, operand) : undefined;
    if (!limits) continue;
    const [least, most, what] = limits;
    for (const v of values) {
      if (!(Number.isInteger(v) && v >= least && v <= most)) {
        throw argumentError(`batch.inputs.${name}.values`, `${what} from ${least} to ${most}`, v);
      }
    }
  }
}

function indexLimits(nodes: readonly Node[], node: Node, operand: number): [number, number, string] | undefined {
  const { shape } = nodes.find((n) => n.name === node.inputs[0])!;
  if (node.op === 'gather' && operand === 1) return [0, shape[0] - 1, 'frame indices'];
  if (node.op !== 'loss') return undefined;
  if (node.loss === 'softmax' && operand === 1) return [0, shape[shape.length - 1]! - 1, 'class indices'];
  // A negative candidate leaves its position out.
  if (node.loss === 'contrastive-index' && operand === 2) return [-1, positions(shape) - 1, 'positions'];
  return undefined;
}

function positions(shape: readonly number[]): number {
  return sizeOf(shape) / shape[shape.length - 1]!;
}
