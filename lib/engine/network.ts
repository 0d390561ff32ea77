// A graph made runnable: the native engine with its parameters, gradients and optimiser state.
import { availableParallelism } from 'node:os';
import { type Graph, type Node, type Scalar, sizeOf } from '../graph/graph.js';
import { checkedNodes } from '../graph/made-nodes.js';
import { checkMade } from '../graph/remake.js';
import { native } from '../native/addon.js';
import type { Plan } from '../native/plan.js';
import type { NativeNetwork, NativeRun } from '../native/types.js';
import {
  checkBoolean,
  checkFinite,
  checkInteger,
  checkObject,
  checkOneOf,
  checkOptions,
  lengthOf,
  notFiniteAt,
} from '../util/arguments.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import type { Arrays } from './arrays.js';
import { type Batch, checkedBatch, fedInputs, type Gathering, gatheringOf, type Sources } from './batch.js';
import type { Statistics } from './engine-graph.js';
import { nativeUpdate, type Optimiser } from './optimiser.js';
import { checkNotNegative, FlatParameters, nothingUpdated } from './parameters.js';
import { allocated, PlanCache, type RunnablePlan, type Wanted } from './plan-cache.js';
import { optionalRewrites } from './rewrites/index.js';
import type { Rewrite } from './rewrites/rewrite.js';
import { schedule } from './schedule.js';
import { Staging } from './staging.js';

export type { Arrays } from './arrays.js';
export type { Batch, BatchInput, FrameSource, InputSource } from './batch.js';
export type { AdamOptions, Optimiser } from './optimiser.js';

export interface NetworkOptions extends Sources {
  /** Largest number of examples in one call; memory is allocated for it once. */
  maxExamples: number;
  /** Worker threads; default: all cores. */
  threads?: number;
  /** Instruction set by name; default: the one in use. `float64` computes everything in double precision. */
  isa?: string;
  /** Rewrites of the graph to leave out (lib/engine/rewrites), for tests: the results are the same. */
  without?: readonly string[];
  /** Rewrites of your own, which are applied first: to the graph as it was built. */
  rewrites?: readonly Rewrite[];
  /** Read and fill the arrays of a call where they are, instead of copying them first: a few per cent faster in inference, for
   * callers who do not transfer, resize or change them until the call settles. Default: false. */
  inPlace?: boolean;
}

/** Loss of one batch: the weighted total, and each loss node's share of it by its name. */
export interface Losses {
  loss: number;
  parts: Record<string, number>;
}

/** Losses with gradients by parameter name, and those of inputs that were asked for, `[examples, rows, ...shape]`. */
export type Gradients = Losses & { gradients: Arrays; inputGradients: Map<string, Float32Array> };

export interface GradientOptions {
  /** What batch norms go by: `batch` (default), the examples at hand, as a training step does; `running`, their running
   * statistics, as inference does: gradients through a trained network, which {@link Network.update} then leaves its
   * running statistics. Dropout drops values either way. */
  statistics?: Statistics;
}

/** All that a training step changes; what a checkpoint stores. */
export interface NetworkState {
  /** Parameters and running statistics. */
  params: Arrays;
  /** The optimiser's first and second moments. */
  m: Arrays;
  v: Arrays;
  /** Optimiser steps taken. */
  steps: number;
}

/** The native engine behind one graph. Calls on one network must not overlap: await each. */
export class Network {
  readonly nodes: readonly Node[];
  readonly maxExamples: number;
  private readonly byName: ReadonlyMap<string, Node>;
  private readonly scalars: readonly Scalar[];
  private readonly threads: number;
  private readonly handle: NativeNetwork;
  private readonly parameters: FlatParameters;
  private readonly plans: PlanCache;
  private readonly gathering: Gathering;
  private readonly staging: Staging | undefined;
  private busy = false;
  private closed = false;
  /** How often parameters have changed: what was computed with others is of no use. */
  private changes = 0;

  /** @param graph what to compute; or its nodes, where it has no run-time scalars
   * @throws `ERR_ARGUMENT`, `ERR_ISA`, `ERR_MEMORY` */
  constructor(graph: Graph | readonly Node[], options: NetworkOptions) {
    checkObject('graph', graph);
    const sources = ['store', 'mean', 'std', 'inputs'] as const;
    checkOptions('options', options, ['maxExamples', 'threads', 'isa', 'without', 'rewrites', 'inPlace', ...sources]);
    const {
      maxExamples,
      threads = availableParallelism(),
      isa = '',
      without = [],
      rewrites,
      inPlace = false,
    } = options;
    checkRewrites(rewrites);
    checkInteger('maxExamples', maxExamples, 1, 1 << 20);
    checkBoolean('inPlace', inPlace);
    checkInteger('threads', threads, 1, 256);
    if (typeof isa !== 'string') throw argumentError('isa', 'a string', isa);
    if (!Array.isArray(without)) throw argumentError('without', 'an array of names', without);
    for (const name of without) checkOneOf('without', name, [...optionalRewrites, 'planar']);
    const available = native.capabilities().available;
    if (isa && !available.includes(isa)) {
      throw new Audio2VecError('ERR_ISA', `isa is ${JSON.stringify(isa)}, but here there is ${available.join(', ')}.`);
    }
    this.nodes = checkedNodes('nodes' in graph ? graph.nodes : graph);
    checkMade(this.nodes);
    this.byName = new Map(this.nodes.map((node) => [node.name, node]));
    this.scalars = 'nodes' in graph ? checkedScalars(graph.scalars) : [];
    this.maxExamples = maxExamples;
    this.threads = threads;
    this.parameters = new FlatParameters(this.nodes, isa === 'float64');
    this.gathering = gatheringOf(this.nodes, options);
    this.staging = inPlace ? undefined : new Staging();
    const { length } = this.parameters;
    const ranges = this.parameters.ranges();
    this.handle = allocated(maxExamples, () => new native.Network(isa, threads, maxExamples, length, ranges));
    const { nodes, handle, scalars } = this;
    const make = ({ mode, targets, ...wanted }: Wanted) =>
      schedule(nodes, mode, targets, handle.lanes, { ...wanted, without: [...without], rewrites, scalars });
    this.plans = new PlanCache(handle, maxExamples, make);
  }

  /** Bytes that parameters and plans hold so far. */
  get bytes(): number {
    this.checkOpen();
    return this.handle.bytes();
  }

  /** Gives the memory back; no call may follow. A network that nothing refers to any more is freed by itself, later. */
  close(): void {
    if (this.closed) return;
    if (this.busy) throw overlap();
    this.closed = true;
    this.handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Forward, backward, update; running statistics move. By a loss that is not finite, which is returned, nothing moves.
   * @throws `ERR_GRAPH` for a graph without a loss, here and in {@link lossAndGradients} */
  async step(batch: Batch, optimiser: Optimiser): Promise<Losses> {
    const update = nativeUpdate(optimiser);
    const entry = this.plan({ mode: 'train', targets: [] });
    this.changes++;
    const losses = await this.run(entry, this.checked(batch), { update });
    this.plans.trained = entry;
    return losses;
  }

  /** Forward and backward in training mode, changing nothing. {@link update} may follow.
   * @param inputs input nodes whose gradient is wanted, too
   * @throws `ERR_GRAPH` for an input that no loss depends on */
  async lossAndGradients(
    given: Batch,
    inputs: readonly string[] = [],
    options: GradientOptions = {},
  ): Promise<Gradients> {
    const batch = this.checked(given);
    checkOptions('options', options, ['statistics']);
    const { statistics = 'batch' } = options;
    checkOneOf('statistics', statistics, ['batch', 'running']);
    for (const name of namesOf('inputs', inputs)) {
      if (this.byName.get(name)?.op !== 'input') throw argumentError('inputs', 'of inputs of the graph', name);
    }
    const entry = this.plan({ mode: 'train', targets: [], gradients: inputs, statistics });
    const gradients = new Float64Array(this.parameters.length);
    const inputGradients = new Map(inputs.map((name) => [name, new Float32Array(this.outputSize(batch, name))]));
    const outputs = [...inputGradients].map(([name, values]) => ({ tensor: entry.plan.outputs[`d ${name}`]!, values }));
    const losses = await this.run(entry, batch, { gradients, outputs });
    this.plans.trained = entry;
    const all = this.parameters.split(gradients);
    const trained = this.parameters.trainable.map((name) => [name, all.get(name)!] as const);
    return { ...losses, gradients: new Map(trained), inputGradients };
  }

  /** Moves the parameters by the gradients of the last {@link lossAndGradients}, or by those given (averaged over machines,
   * clipped, with noise …), and running statistics by those of its batch, if it went by them. The two calls do what {@link step} does, to
   * the bit.
   * @throws `ERR_ARGUMENT` unless `gradients` has an array of the right size for every trainable parameter and no others,
   *   `ERR_DIVERGED` for values, or a last loss, that are not finite; gradients that are not given are not looked at, and
   *   may overflow where the loss does not (inputs beyond 1e20 or so) */
  async update(optimiser: Optimiser, gradients?: Arrays): Promise<void> {
    this.checkFree();
    if (!this.plans.trained) throw argumentError('update', 'called after lossAndGradients', 'before it');
    const update = nativeUpdate(optimiser);
    if (gradients !== undefined) this.handle.setGradients(this.parameters.joinGradients(gradients));
    else if (notFiniteAt(this.plans.trained.losses) >= 0) throw nothingUpdated('The last loss');
    this.busy = true;
    this.changes++;
    try {
      const { id, losses } = this.plans.trained;
      await this.handle.run(id, 0, [], { losses, update });
    } finally {
      this.busy = false;
    }
  }

  /** The value of a node for each example, `[examples, rows, ...shape]`, in inference mode (running statistics).
   * @param out an array of that size to fill and return; default: a new one */
  async forward(batch: Batch, node: string, out?: Float32Array): Promise<Float32Array> {
    namesOf('node', [node]);
    const values = await this.outputs(batch, [node], out && { [node]: out });
    return values[node]!;
  }

  /** {@link forward} of several nodes at once, by name. */
  async outputs<N extends string>(
    given: Batch,
    nodes: readonly N[],
    out: Partial<Record<N, Float32Array>> = {},
  ): Promise<Record<N, Float32Array>> {
    const batch = this.checked(given);
    checkOptions('out', out, namesOf('nodes', nodes));
    const values = nodes.map((name) => {
      const size = this.outputSize(batch, name);
      const array = (Object.hasOwn(out, name) ? out[name] : undefined) ?? new Float32Array(size);
      checkOut(array, size);
      return [name, array] as const;
    });
    checkApart(values.map(([, array]) => array));
    const entry = this.plan({ mode: 'infer', targets: nodes });
    const filled: Float32Array[] = [];
    await this.run(entry, batch, (room) => {
      const outputs = values.map(([name, array]) => {
        const values = Object.hasOwn(out, name) ? room(array) : array;
        filled.push(values);
        return { tensor: entry.plan.outputs[name]!, values };
      });
      return { outputs };
    });
    values.forEach(([, array], i) => {
      if (lengthOf(array) !== filled[i]!.length) throw gone();
      if (array !== filled[i]) array.set(filled[i]!);
    });
    return Object.fromEntries(values) as Record<N, Float32Array>;
  }

  /** {@link forward} on the calling thread, to be repeated: everything is checked and allocated here, once. The returned
   * function reads the arrays of `batch` as they are at the time, and fills `out` (`[examples, rows, ...shape]`; one
   * array for each node). Only indices are checked again.
   *
   * @param hop for a stream (one example, one thread): called with `later`, it takes what it reads for a slice that
   *   begins `hop` frames after that of its last call, and computes only what the two do not share; the bits are the
   *   same. After parameters have changed, and in its first call, it computes all */
  bindForward(
    given: Batch,
    node: string | readonly string[],
    out: Float32Array | readonly Float32Array[],
    hop?: number,
  ): (later?: boolean) => void {
    const batch = this.checked(given);
    const names = namesOf('node', typeof node === 'string' ? [node] : node);
    const arrays = out instanceof Float32Array ? [out] : out;
    checkObject('out', arrays);
    names.forEach((name, i) => {
      checkOut(arrays[i]!, this.outputSize(batch, name));
    });
    checkApart(names.map((_, i) => arrays[i]!));
    if (hop !== undefined) checkInteger('hop', hop, 1, 2 ** 31 - 1);
    const entry = this.plan({ mode: 'infer', targets: names });
    const { id, plan, losses } = entry;
    const { examples } = batch;
    const fed = fedInputs(this.nodes, plan, batch, this.gathering);
    const inputs = fed.map((input) => input.native);
    const bytes = hop === undefined ? 0 : this.handle.cachedBytes(id, hop);
    const cache = hop !== undefined && bytes > 0 ? { rows: new Uint8Array(bytes), hop, filled: false } : undefined;
    if (cache && (examples !== 1 || this.threads !== 1)) {
      throw argumentError('hop', 'given only for one example on one thread', hop);
    }
    const outputs = names.map((name, i) => ({ tensor: plan.outputs[name]!, values: arrays[i]! }));
    const run: NativeRun = { losses, outputs, scalars: this.scalarsOf(plan, batch), ...(cache && { cache }) };
    entry.bound = true;
    let computedWith = -1;
    const all = [...inputs.map((input) => ('values' in input ? input.values : input.starts)), ...arrays];
    const lengths = all.map(lengthOf);
    return (later = false) => {
      this.checkFree();
      for (let i = 0; i < all.length; i++) if (lengthOf(all[i]!) !== lengths[i]) throw gone();
      for (const input of fed) input.check();
      if (cache) cache.filled = later && computedWith === this.changes;
      this.handle.runSync(id, examples, inputs, run);
      computedWith = this.changes;
    };
  }

  /** Losses in inference mode. */
  async evaluate(batch: Batch): Promise<Losses> {
    const losses = this.nodes.filter((n) => n.op === 'loss').map((n) => n.name);
    return this.run(this.plan({ mode: 'infer', targets: losses }), this.checked(batch), {});
  }

  /** Parameters and running statistics by name, as copies. */
  getParameters(): Arrays {
    this.checkFree();
    return this.parameters.split(this.handle.getParameters());
  }

  /** Replaces parameters; every one of the graph must be given, with its size, finite. Others are left aside: a model's
   * weights may be of more than this graph. */
  setParameters(params: Arrays): void {
    this.checkFree();
    const flat = this.parameters.join('params', params);
    this.parameters.checkValues('params', flat);
    this.changes++;
    this.handle.setParameters(flat);
  }

  /** Running statistics of all batch norms, one after the other: for means over machines that train together. */
  getStatistics(): Float64Array {
    this.checkFree();
    return this.parameters.statisticsOf(this.handle.getParameters());
  }

  /** Replaces what {@link getStatistics} gives.
   * @throws `ERR_ARGUMENT` unless they are as many, finite, and variances not negative */
  setStatistics(values: Float64Array): void {
    this.checkFree();
    if (!(values instanceof Float64Array)) throw argumentError('statistics', 'a Float64Array', values);
    this.changes++;
    const flat = this.handle.getParameters();
    this.parameters.putStatistics(flat, values);
    this.handle.setParameters(flat);
  }

  getState(): NetworkState {
    this.checkFree();
    const { parameters } = this;
    const [m, v] = [new Float64Array(parameters.length), new Float64Array(parameters.length)];
    const steps = this.handle.getMoments(m, v);
    return { params: this.getParameters(), m: parameters.split(m), v: parameters.split(v), steps };
  }

  setState(state: NetworkState): void {
    this.checkFree();
    checkObject('state', state);
    checkInteger('state.steps', state.steps, 0, Number.MAX_SAFE_INTEGER);
    const { params, m, v } = state;
    const flat = this.parameters.join('state.params', params);
    const [first, second] = [this.parameters.join('state.m', m), this.parameters.join('state.v', v)];
    this.parameters.checkValues('state.params', flat);
    checkFinite('state.m', first);
    checkNotNegative('state.v', second);
    this.changes++;
    this.handle.setParameters(flat);
    this.handle.setMoments(first, second, state.steps);
  }

  private plan(wanted: Wanted): RunnablePlan {
    this.checkFree();
    return this.plans.get(wanted);
  }

  private checked(batch: Batch): Batch {
    return checkedBatch(batch, this.maxExamples);
  }

  private outputSize(batch: Batch, name: string): number {
    const node = this.byName.get(name);
    if (!node) throw argumentError('node', 'a node of the graph', name);
    if (node.op === 'loss') throw argumentError('node', 'a value, not a loss (evaluate gives those)', name);
    return batch.examples * node.rows * sizeOf(node.shape);
  }

  private async run({ id, plan, losses }: RunnablePlan, batch: Batch, options: RunOptions): Promise<Losses> {
    const scalars = this.scalarsOf(plan, batch);
    this.checkFree();
    this.busy = true;
    try {
      const { staging } = this;
      staging?.restart();
      const inputs = fedInputs(this.nodes, plan, batch, this.gathering, staging).map((input) => input.native);
      const room: Room = (array) => staging?.room(Float32Array, array.length) ?? array;
      const more = typeof options === 'function' ? options(room) : options;
      await this.handle.run(id, batch.examples, inputs, { losses, scalars, ...more });
      const parts = Object.fromEntries(plan.losses.map((name, i) => [name, losses[i]!]));
      return { loss: losses.reduce((a, b) => a + b, 0), parts };
    } finally {
      this.busy = false;
    }
  }

  private scalarsOf(plan: Plan, { scalars = {} }: Batch): Float64Array {
    for (const [name, value] of Object.entries(scalars)) {
      const known = plan.scalars.map((s) => s.name);
      if (!known.includes(name)) throw argumentError('batch.scalars', `of ${known.join(', ') || 'nothing'}`, name);
      if (!Number.isFinite(value)) throw argumentError(`batch.scalars.${name}`, 'a finite number', value);
    }
    return Float64Array.from(plan.scalars, ({ name, value }) =>
      Object.hasOwn(scalars, name) ? scalars[name]! : value,
    );
  }

  private checkFree(): void {
    this.checkOpen();
    if (this.busy) throw overlap();
  }

  private checkOpen(): void {
    if (this.closed) throw new Audio2VecError('ERR_ARGUMENT', 'This network is closed: make a new one.');
  }
}

/** An array to be filled in place of one of the caller's. */
type Room = (array: Float32Array) => Float32Array;
type RunOptions = Partial<NativeRun> | ((room: Room) => Partial<NativeRun>);

function checkRewrites(rewrites: unknown): void {
  if (rewrites === undefined) return;
  const is = (one: Rewrite) =>
    typeof one?.name === 'string' && typeof one.apply === 'function' && ['train', 'infer', 'both'].includes(one.mode);
  if (!Array.isArray(rewrites) || !rewrites.every(is)) {
    throw argumentError('rewrites', 'a list of rewrites, each with name, mode and apply', rewrites);
  }
}

function overlap(): Audio2VecError {
  return new Audio2VecError('ERR_ARGUMENT', 'This network is still computing: await the call before.');
}

function checkOut(out: Float32Array | undefined, size: number): void {
  if (!(out instanceof Float32Array) || lengthOf(out) !== size) {
    throw argumentError('out', `a Float32Array of ${size}`, out?.length);
  }
}

/** Outputs that lie in the same memory would overwrite each other. */
function checkApart(outputs: readonly Float32Array[]): void {
  const places = outputs.map(({ buffer, byteOffset, byteLength }) => ({
    buffer,
    from: byteOffset,
    to: byteOffset + byteLength,
  }));
  places.forEach((a, i) => {
    for (const b of places.slice(0, i)) {
      if (a.buffer === b.buffer && a.from < b.to && b.from < a.to) {
        throw new Audio2VecError('ERR_ARGUMENT', 'Arrays of out must not share memory: give each node one of its own.');
      }
    }
  });
}

function gone(): Audio2VecError {
  return new Audio2VecError('ERR_ARGUMENT', 'An array of this call was transferred or resized: give another one.');
}

function namesOf<N extends string>(what: string, names: readonly N[]): readonly N[] {
  if (!Array.isArray(names)) throw argumentError(what, 'an array of names', names);
  for (const name of names) if (typeof name !== 'string') throw argumentError(what, 'of names', name);
  return names;
}

function checkedScalars(scalars: readonly Scalar[]): readonly Scalar[] {
  if (!Array.isArray(scalars)) throw argumentError('scalars of the graph', 'an array', scalars);
  for (const s of scalars) {
    if (typeof s?.scalar !== 'string' || !Number.isFinite(s.value)) {
      throw argumentError('scalar of the graph', 'made by Graph.scalar', s);
    }
  }
  return [...scalars];
}
