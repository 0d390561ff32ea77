// What a network is fed: checked here, because C++ does not look again.
import type { Node } from '../graph/graph.js';
import { sizeOf } from '../graph/graph.js';
import { losses } from '../graph/losses.js';
import { inputsPicked } from '../graph/made-nodes.js';
import { native } from '../native/addon.js';
import type { Plan } from '../native/plan.js';
import type { NativeFeatureStore, NativeInput } from '../native/types.js';
import { checkInteger, checkObject, checkOptions } from '../util/arguments.js';
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
  checkObject('inputs', inputs);
  const known = nodes.filter((n) => n.op === 'input').map((n) => n.name);
  const wrong = Object.keys(inputs).find((name) => !known.includes(name));
  if (wrong) throw argumentError('inputs', `named as the graph's: ${known.join(', ')}`, wrong);
  const source = (label: string, { store = usual.store, mean, std }: Partial<InputSource>): Source => {
    if (store !== undefined) checkStore(`store${label}`, store);
    for (const [key, values] of Object.entries({ mean, std })) {
      if (values === undefined || values instanceof Float32Array) continue;
      throw argumentError(`${key}${label}`, 'a Float32Array', values);
    }
    return { store, mean, inverseStd: std?.map((s) => 1 / s) };
  };
  const own = Object.entries(inputs).map(([name, given]) => {
    checkObject(`source of ${name}`, given);
    return [name, source(` of ${name}`, given)] as const;
  });
  return { all: source('', usual), own: new Map(own) };
}

/** Frames must be where the source says that they are. */
function checkStore(name: string, store: FrameSource): void {
  checkObject(name, store);
  checkInteger(`${name}.frames`, store.frames, 0, Number.MAX_SAFE_INTEGER);
  const { native: from } = store;
  if (!(from instanceof Float32Array || from instanceof native.FeatureStore)) {
    throw argumentError(`${name}.native`, 'a Float32Array or that of a feature store', from);
  }
}

/** Throws `ERR_ARGUMENT` unless a batch has the members that it must have. */
export function checkBatch(batch: Batch, mostExamples: number): void {
  checkOptions('batch', batch, ['examples', 'inputs', 'scalars']);
  checkInteger('batch.examples', batch.examples, 1, mostExamples);
  checkObject('batch.inputs', batch.inputs);
  if (batch.scalars !== undefined) checkObject('batch.scalars', batch.scalars);
}

/** The inputs of a plan as the addon takes them. Throws `ERR_ARGUMENT` unless every one is there, of the right size and
 * inside the store. */
export function nativeInputs(nodes: readonly Node[], plan: Plan, batch: Batch, from: Gathering): NativeInput[] {
  return Object.entries(plan.inputs).map(([name, tensor]) => {
    const node = nodes.find((n) => n.name === name)!;
    if (!Object.hasOwn(batch.inputs, name)) {
      throw argumentError('batch.inputs', `given for ${name}`, Object.keys(batch.inputs).join(', '));
    }
    const input = batch.inputs[name]!;
    checkObject(`batch.inputs.${name}`, input);
    const slices = node.rows * (node.shape.length === 3 ? node.shape[2] : 1) * batch.examples;
    if ('values' in input) {
      const want = batch.examples * node.rows * sizeOf(node.shape);
      if (!(input.values instanceof Float32Array) || input.values.length !== want) {
        throw argumentError(`batch.inputs.${name}.values`, `a Float32Array of ${want}`, lengthOf(input.values));
      }
      checkIndices(nodes, name, input.values);
      return { tensor, values: input.values };
    }
    const { store: usual, mean, inverseStd } = from.own.get(name) ?? from.all;
    const store = input.store ?? usual;
    if (!store || !mean || !inverseStd) throw argumentError('store, mean and std', 'given to feed frames', 'nothing');
    if (node.shape.length !== 3) throw argumentError(`batch.inputs.${name}`, 'values, as it is a vector', 'frames');
    if (input.store !== undefined) checkStore(`batch.inputs.${name}.store`, input.store);
    checkBands(name, node.shape[1], store, mean, inverseStd);
    if (!(input.frames instanceof Float64Array) || input.frames.length !== slices) {
      throw argumentError(`batch.inputs.${name}.frames`, `a Float64Array of ${slices}`, lengthOf(input.frames));
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

/** For a message: what is too long or short, or is no such array. */
function lengthOf(values: unknown): unknown {
  return values instanceof Float32Array || values instanceof Float64Array
    ? `a ${values.constructor.name} of ${values.length}`
    : values;
}

/** Frames of a source have as many values as the input has bands; so have their statistics. */
function checkBands(name: string, bands: number, store: FrameSource, ...statistics: Float32Array[]): void {
  for (const has of [store.bands ?? store.width ?? bands, ...statistics.map((s) => s.length)]) {
    if (has !== bands) throw argumentError(`source of ${name}`, `frames of ${bands} bands and their statistics`, has);
  }
  const there =
    store.native instanceof Float32Array ? store.native.length : (store.native as NativeFeatureStore).values;
  if (there < store.frames * bands) {
    const got = there === 0 ? 'one that has been closed' : `${there} values`;
    throw argumentError(`source of ${name}`, `open, with ${store.frames} frames of ${bands} bands`, got);
  }
}

/** Inputs that are indices must be whole numbers in range: classes, frames, candidates. */
function checkIndices(nodes: readonly Node[], name: string, values: Float32Array): void {
  for (const node of nodes) {
    const limits = indexLimits(nodes, node);
    if (!limits || !inputsPicked(nodes, node.inputs[limits.operand]!)?.includes(name)) continue;
    const [least, most] = limits.range;
    for (const v of values) {
      if (!(Number.isInteger(v) && v >= least && v <= most)) {
        throw argumentError(`batch.inputs.${name}.values`, `${limits.what} from ${least} to ${most}`, v);
      }
    }
  }
}

interface IndexLimits {
  operand: number;
  what: string;
  range: readonly [number, number];
}

function indexLimits(nodes: readonly Node[], node: Node): IndexLimits | undefined {
  const operands = () => node.inputs.map((input) => nodes.find((n) => n.name === input)!);
  if (node.op === 'gather') return { operand: 1, what: 'frame indices', range: [0, operands()[0]!.shape[0] - 1] };
  const indices = node.op === 'loss' ? losses[node.loss].indices : undefined;
  return indices && { ...indices, range: indices.range(operands()) };
}
