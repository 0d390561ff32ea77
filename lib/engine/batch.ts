// What a network is fed: checked here, because C++ does not look again.
import type { Node } from '../graph/graph.js';
import { sizeOf } from '../graph/graph.js';
import { losses } from '../graph/losses.js';
import { inputsPicked } from '../graph/made-nodes.js';
import { factsOf } from '../graph/operators/index.js';
import { native } from '../native/addon.js';
import type { Plan } from '../native/plan.js';
import type { NativeFeatureStore, NativeFrames, NativeInput } from '../native/types.js';
import { checkFinite, checkInteger, checkObject, checkOptions, lengthOf } from '../util/arguments.js';
import { argumentError } from '../util/errors.js';
import { type Augmentation, nativeAugmentation } from './augmentation.js';
import type { NumberArray, Staging } from './staging.js';

/** Frames that slices are gathered from: a feature store, or an array in memory (`native`). */
export interface FrameSource {
  readonly frames: number;
  /** Values in a frame, as a feature store or one of its columns says it. */
  readonly bands?: number;
  readonly width?: number;
  readonly native: object;
}

interface FramesInput {
  frames: Float64Array;
  store?: FrameSource;
  augment?: Augmentation;
}

/** What one input node of the graph is fed, `rows` values for each example, example-major. */
export type BatchInput =
  /** Slices by the index of their first frame in the feature store (the network's, unless another is given); gathered
   * and normalised natively. An input of C channels takes C slices a row. */
  | FramesInput
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
  /** Inputs that hold indices, and what each may be. */
  indices: ReadonlyMap<string, readonly IndexLimits[]>;
}

export function gatheringOf(nodes: readonly Node[], { inputs = {}, ...usual }: Sources): Gathering {
  checkObject('inputs', inputs);
  const known = nodes.filter((n) => n.op === 'input').map((n) => n.name);
  const wrong = Object.keys(inputs).find((name) => !known.includes(name));
  if (wrong) throw argumentError('inputs', `named as the graph's: ${known.join(', ')}`, wrong);
  const source = (label: string, { store = usual.store, mean, std }: Partial<InputSource>): Source => {
    if (store !== undefined) checkStore(`store${label}`, store);
    for (const [key, values] of Object.entries({ mean, std })) {
      if (values === undefined) continue;
      if (!(values instanceof Float32Array && lengthOf(values) > 0)) {
        throw argumentError(`${key}${label}`, 'a Float32Array with a value for each band', values);
      }
      checkFinite(`${key}${label}`, values);
    }
    const flat = std?.findIndex((s) => !(s > 0)) ?? -1;
    if (flat >= 0) throw argumentError(`std${label}[${flat}]`, 'positive', std![flat]);
    return { store, mean: mean?.slice(), inverseStd: std?.map((s) => 1 / s) };
  };
  const own = Object.entries(inputs).map(([name, given]) => {
    checkObject(`source of ${name}`, given);
    return [name, source(` of ${name}`, given)] as const;
  });
  const indices = new Map(known.map((name) => [name, limitsOfIndices(nodes, name)]));
  return { all: source('', usual), own: new Map(own), indices };
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

/** The members of a batch. Throws `ERR_ARGUMENT` unless it has those that it must have, and no others. */
export function checkedBatch(batch: Batch, mostExamples: number): Batch {
  checkOptions('batch', batch, ['examples', 'inputs', 'scalars']);
  const { examples, inputs, scalars } = batch; // read once: they might be computed
  checkInteger('batch.examples', examples, 1, mostExamples);
  checkObject('batch.inputs', inputs);
  if (scalars !== undefined) {
    checkObject('batch.scalars', scalars);
    if (Symbol.iterator in scalars) throw argumentError('batch.scalars', 'an object of numbers by name', scalars);
  }
  return { examples, inputs, scalars };
}

/** An input of a plan as the addon takes it. */
export interface FedInput {
  native: NativeInput;
  /** Checks again what the caller may have changed in arrays that are read in place: indices, starts, the store. Throws
   * `ERR_ARGUMENT`: C++ does not look. */
  check(): void;
}

/** The inputs of a plan, checked. Throws `ERR_ARGUMENT` unless every one is there, of the right size and inside the
 * store.
 * @param staging where the arrays are copied to; default: they are read in place */
export function fedInputs(
  nodes: readonly Node[],
  plan: Plan,
  batch: Batch,
  from: Gathering,
  staging?: Staging,
): FedInput[] {
  for (const name of Object.keys(batch.inputs)) {
    if (!from.indices.has(name)) {
      throw argumentError('batch.inputs', `named as the graph's: ${[...from.indices.keys()].join(', ')}`, name);
    }
  }
  return Object.entries(plan.inputs).map(([name, tensor]) => {
    const node = nodes.find((n) => n.name === name)!;
    if (!Object.hasOwn(batch.inputs, name)) {
      throw argumentError('batch.inputs', `given for ${name}`, Object.keys(batch.inputs).join(', '));
    }
    const input = batch.inputs[name]!;
    const label = `batch.inputs.${name}`;
    checkObject(label, input);
    if ('values' in input) {
      checkOptions(label, input, ['values']);
      return fedValues(node, tensor, batch.examples, input.values, from, staging);
    }
    checkOptions(label, input, ['frames', 'store', 'augment']);
    return fedFrames(node, tensor, batch.examples, input, from, staging);
  });
}

function fedValues(
  { name, rows, shape }: Node,
  tensor: number,
  examples: number,
  given: Float32Array,
  { indices }: Gathering,
  staging?: Staging,
): FedInput {
  const want = examples * rows * sizeOf(shape);
  if (!(given instanceof Float32Array) || lengthOf(given) !== want) {
    throw argumentError(`batch.inputs.${name}.values`, `a Float32Array of ${want}`, described(given));
  }
  const values = staging ? staging.copy(given) : given;
  const check = () => checkIndices(name, values, indices.get(name)!);
  check();
  return { native: { tensor, values }, check };
}

function fedFrames(
  { name, rows, shape }: Node,
  tensor: number,
  examples: number,
  given: FramesInput,
  from: Gathering,
  staging?: Staging,
): FedInput {
  const { store: usual, mean, inverseStd } = from.own.get(name) ?? from.all;
  const store = given.store ?? usual;
  if (!store || !mean || !inverseStd) throw argumentError('store, mean and std', 'given to feed frames', 'nothing');
  if (shape.length !== 3) throw argumentError(`batch.inputs.${name}`, 'values, as it is a vector', 'frames');
  if (from.indices.get(name)!.length > 0) {
    throw argumentError(`batch.inputs.${name}`, 'values, as it holds indices', 'frames');
  }
  if (given.store !== undefined) checkStore(`batch.inputs.${name}.store`, given.store);
  const [frames, bands, channels] = shape;
  checkBands(name, bands, store, mean, inverseStd);
  const slices = rows * channels * examples;
  if (!(given.frames instanceof Float64Array) || lengthOf(given.frames) !== slices) {
    throw argumentError(`batch.inputs.${name}.frames`, `a Float64Array of ${slices}`, described(given.frames));
  }
  const last = store.frames - frames;
  const starts = staging ? staging.copy(given.frames) : given.frames;
  checkStarts(name, starts, last);
  const own = staging && (<T extends NumberArray>(array: T) => staging.copy(array));
  const augment =
    given.augment !== undefined && nativeAugmentation(name, given.augment, slices, [frames, bands], last, own);
  const native = { tensor, frames, starts, store: store.native, mean, inverseStd, ...(augment && { augment }) };
  if (staging && store.native instanceof Float32Array) gatherSlices(native, store.native, bands, staging);
  const check = () => {
    checkHolds(name, store, bands);
    checkStarts(name, starts, last);
    if (given.augment !== undefined) nativeAugmentation(name, given.augment, slices, [frames, bands], last);
  };
  return { native, check };
}

/** Copies the slices of an input whose frames lie in an array of the caller. */
function gatherSlices(input: NativeFrames, from: Float32Array, bands: number, staging: Staging): void {
  const { frames, starts, augment } = input;
  const mixed = augment?.mixStarts;
  const all = staging.room(Float64Array, starts.length + (mixed?.length ?? 0));
  all.set(starts);
  if (mixed) all.set(mixed, starts.length);
  input.store = staging.gather(from, all, bands, frames * bands);
  starts.forEach((_, i) => {
    starts[i] = i * frames;
  });
  mixed?.forEach((_, i) => {
    mixed[i] = (starts.length + i) * frames;
  });
}

function checkStarts(name: string, starts: Float64Array, last: number): void {
  for (const start of starts) {
    if (!(start >= 0 && start <= last && Number.isInteger(start))) {
      throw argumentError(`batch.inputs.${name}.frames`, `frame indices from 0 to ${last}`, start);
    }
  }
}

/** For a message: what is too long or short, or is no such array. */
function described(values: unknown): unknown {
  return values instanceof Float32Array || values instanceof Float64Array
    ? `a ${values.constructor.name} of ${values.length}`
    : values;
}

/** Frames of a source have as many values as the input has bands; so have their statistics. */
function checkBands(name: string, bands: number, store: FrameSource, ...statistics: Float32Array[]): void {
  for (const has of [store.bands ?? store.width ?? bands, ...statistics.map((s) => s.length)]) {
    if (has !== bands) throw argumentError(`source of ${name}`, `frames of ${bands} bands and their statistics`, has);
  }
  checkHolds(name, store, bands);
}

function checkHolds(name: string, { native: from, frames }: FrameSource, bands: number): void {
  const there = from instanceof Float32Array ? lengthOf(from) : (from as NativeFeatureStore).values;
  if (there < frames * bands) {
    const got = there === 0 ? 'one that has been closed' : `${there} values`;
    throw argumentError(`source of ${name}`, `open, with ${frames} frames of ${bands} bands`, got);
  }
}

/** Inputs that are indices must be whole numbers in range: classes, frames, candidates. */
function checkIndices(name: string, values: Float32Array, limits: readonly IndexLimits[]): void {
  for (const { what, range } of limits) {
    const [least, most] = range;
    for (const v of values) {
      if (!(Number.isInteger(v) && v >= least && v <= most)) {
        throw argumentError(`batch.inputs.${name}.values`, `${what} from ${least} to ${most}`, v);
      }
    }
  }
}

/** Of every node that takes values of the input as indices. */
function limitsOfIndices(nodes: readonly Node[], name: string): IndexLimits[] {
  return nodes.flatMap((node) => {
    const limits = indexLimits(nodes, node);
    return limits && inputsPicked(nodes, node.inputs[limits.operand]!)?.includes(name) ? [limits] : [];
  });
}

interface IndexLimits {
  operand: number;
  what: string;
  range: readonly [number, number];
}

function indexLimits(nodes: readonly Node[], node: Node): IndexLimits | undefined {
  const { indices } = (node.op === 'loss' ? losses[node.loss] : factsOf(node)) ?? {};
  const operands = () => node.inputs.map((input) => nodes.find((n) => n.name === input)!);
  return indices && { ...indices, range: indices.range(operands()) };
}
