// A graph made runnable: the native engine with its parameters, gradients and optimiser state.
import { availableParallelism } from 'node:os';
import { distinctParameters, type Graph, type Node, type Scalar, sizeOf } from '../graph/graph.js';
import { checkedNodes } from '../graph/made-nodes.js';
import { native } from '../native/addon.js';
import type { Plan } from '../native/plan.js';
import type { NativeNetwork, NativeRun } from '../native/types.js';
import { checkInteger, checkObject, checkOneOf, checkOptions } from '../util/arguments.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { type Arrays, checkArrays } from './arrays.js';
import { type Batch, checkBatch, type Gathering, gatheringOf, nativeInputs, type Sources } from './batch.js';
import { parameterOffsets, type Statistics } from './engine-graph.js';
import { nativeUpdate, type Optimiser } from './optimiser.js';
import { optionalRewrites } from './rewrites/index.js';
import { schedule } from './schedule.js';

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

/** A plan that the addon has, and room for its losses. */
interface RunnablePlan {
  id: number;
  plan: Plan;
  losses: Float64Array;
  /** Whether a function that {@link Network.bindForward} returned runs it. */
  bound: boolean;
}

/** Plans that are kept; of others, the memory is given back and they are made anew when they are asked for. */
const MOST_PLANS = 6;

/** The native engine behind one graph. Calls on one network must not overlap: await each. */
export class Network {
  readonly nodes: readonly Node[];
  readonly maxExamples: number;
  private readonly byName: ReadonlyMap<string, Node>;
  private readonly scalars: readonly Scalar[];
  private readonly threads: number;
  private readonly handle: NativeNetwork;
  private readonly offsets;
  private readonly length: number;
  /** By what they compute; the one that was asked for last is at the end. */
  private readonly plans = new Map<string, RunnablePlan>();
  private readonly doubles: boolean;
  private readonly gathering: Gathering;
  private readonly without: readonly string[];
  /** The training plan that ran last, whose batch statistics `update` moves the running ones to. */
  private trained?: RunnablePlan;
  private busy = false;
  private closed = false;

  /** @param graph what to compute; or its nodes, where it has no run-time scalars
   * @throws `ERR_ARGUMENT`, `ERR_ISA`, `ERR_MEMORY` */
  constructor(graph: Graph | readonly Node[], options: NetworkOptions) {
    checkObject('graph', graph);
    checkOptions('options', options, ['maxExamples', 'threads', 'isa', 'without', 'store', 'mean', 'std', 'inputs']);
    const { maxExamples, threads = availableParallelism(), isa = '', without = [] } = options;
    checkInteger('maxExamples', maxExamples, 1, 1 << 20);
    checkInteger('threads', threads, 1, 256);
    if (typeof isa !== 'string') throw argumentError('isa', 'a string', isa);
    if (!Array.isArray(without)) throw argumentError('without', 'an array of names', without);
    for (const name of without) checkOneOf('without', name, [...optionalRewrites, 'planar']);
    const available = native.capabilities().available;
    if (isa && !available.includes(isa)) {
      throw new Audio2VecError('ERR_ISA', `isa is ${JSON.stringify(isa)}, but here there is ${available.join(', ')}.`);
    }
    this.nodes = checkedNodes('nodes' in graph ? graph.nodes : graph);
    this.byName = new Map(this.nodes.map((node) => [node.name, node]));
    this.scalars = 'nodes' in graph ? checkedScalars(graph.scalars) : [];
    this.maxExamples = maxExamples;
    this.threads = threads;
    this.doubles = isa === 'float64';
    this.without = [...without];
    this.offsets = parameterOffsets(this.nodes);
    const all = [...this.offsets.values()];
    this.length = all.reduce((n, o) => n + sizeOf(o.parameter.shape), 0);
    const ranges = all
      .filter((o) => o.parameter.trainable)
      .flatMap((o) => [o.offset, sizeOf(o.parameter.shape), o.parameter.shape.length > 1 ? 1 : 0]);
    this.gathering = gatheringOf(this.nodes, options);
    this.handle = this.allocate(
      () => new native.Network(isa, threads, maxExamples, this.length, Float64Array.from(ranges)),
    );
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

  /** Forward, backward, update; running statistics move. */
  async step(batch: Batch, optimiser: Optimiser): Promise<Losses> {
    const update = nativeUpdate(optimiser);
    const entry = this.plan('train', []);
    const losses = await this.run(entry, batch, { update });
    this.trained = entry;
    return losses;
  }

  /** Forward and backward in training mode, changing nothing. {@link update} may follow.
   * @param inputs input nodes whose gradient is wanted, too
   * @throws `ERR_GRAPH` for an input that no loss depends on */
  async lossAndGradients(
    batch: Batch,
    inputs: readonly string[] = [],
    options: GradientOptions = {},
  ): Promise<Gradients> {
    checkOptions('options', options, ['statistics']);
    const { statistics = 'batch' } = options;
    checkOneOf('statistics', statistics, ['batch', 'running']);
    for (const name of namesOf('inputs', inputs)) {
      if (this.byName.get(name)?.op !== 'input') throw argumentError('inputs', 'of inputs of the graph', name);
    }
    const entry = this.plan('train', [], inputs, statistics);
    const gradients = new Float64Array(this.length);
    const inputGradients = new Map(inputs.map((name) => [name, new Float32Array(this.outputSize(batch, name))]));
    const outputs = [...inputGradients].map(([name, values]) => ({ tensor: entry.plan.outputs[`d ${name}`]!, values }));
    const losses = await this.run(entry, batch, { gradients, outputs });
    this.trained = entry;
    const trainable = [...this.offsets.values()].filter((o) => o.parameter.trainable).map((o) => o.parameter.name);
    const all = this.split(gradients);
    return { ...losses, gradients: new Map(trainable.map((name) => [name, all.get(name)!])), inputGradients };
  }

  /** Moves the parameters by the gradients of the last {@link lossAndGradients}, or by those given (averaged over machines,
   * clipped, with noise …), and running statistics by those of its batch, if it went by them. The two calls do what {@link step} does, to
   * the bit.
   * @throws `ERR_ARGUMENT` unless `gradients` has an array of the right size for every trainable parameter */
  async update(optimiser: Optimiser, gradients?: Arrays): Promise<void> {
    this.checkFree();
    if (!this.trained) throw argumentError('update', 'called after lossAndGradients', 'before it');
    const update = nativeUpdate(optimiser);
    if (gradients !== undefined) this.handle.setGradients(this.join('gradients', gradients, true));
    this.busy = true;
    try {
      const { id, losses } = this.trained;
      await this.handle.run(id, 0, [], { losses, update });
    } finally {
      this.busy = false;
    }
  }

  /** The value of a node for each example, `[examples, rows, ...shape]`, in inference mode (running statistics).
   * @param out an array of that size to fill and return; default: a new one */
  async forward(batch: Batch, node: string, out?: Float32Array): Promise<Float32Array> {
    const values = await this.outputs(batch, [node], out && { [node]: out });
    return values[node]!;
  }

  /** {@link forward} of several nodes at once, by name. */
  async outputs<N extends string>(
    batch: Batch,
    nodes: readonly N[],
    out: Partial<Record<N, Float32Array>> = {},
  ): Promise<Record<N, Float32Array>> {
    checkObject('out', out);
    const values = namesOf('nodes', nodes).map((name) => {
      const size = this.outputSize(batch, name);
      const array = (Object.hasOwn(out, name) ? out[name] : undefined) ?? new Float32Array(size);
      checkOut(array, size);
      return [name, array] as const;
    });
    const entry = this.plan('infer', nodes);
    await this.run(entry, batch, {
      outputs: values.map(([name, array]) => ({ tensor: entry.plan.outputs[name]!, values: array })),
    });
    return Object.fromEntries(values) as Record<N, Float32Array>;
  }

  /** {@link forward} on the calling thread, to be repeated: everything is checked and allocated here, once. The returned
   * function reads the arrays of `batch` as they are at the time, and fills `out` (`[examples, rows, ...shape]`; one
   * array for each node). What it finds there it trusts: frame indices that the caller changes must stay inside the
   * store.
   *
   * @param hop for a stream (one example, one thread): called with `later`, it takes what it reads for a slice that
   *   begins `hop` frames after that of its last call, and computes only what the two do not share; the bits are the
   *   same */
  bindForward(
    batch: Batch,
    node: string | readonly string[],
    out: Float32Array | readonly Float32Array[],
    hop?: number,
  ): (later?: boolean) => void {
    const names = namesOf('node', typeof node === 'string' ? [node] : node);
    const arrays = out instanceof Float32Array ? [out] : out;
    checkObject('out', arrays);
    names.forEach((name, i) => {
      checkOut(arrays[i]!, this.outputSize(batch, name));
    });
    if (hop !== undefined) checkInteger('hop', hop, 1, 2 ** 31 - 1);
    const entry = this.plan('infer', names);
    const { id, plan, losses } = entry;
    const { examples } = batch;
    const inputs = nativeInputs(this.nodes, plan, batch, this.gathering);
    const bytes = hop === undefined ? 0 : this.handle.cachedBytes(id, hop);
    const cache = hop !== undefined && bytes > 0 ? { rows: new Uint8Array(bytes), hop, filled: false } : undefined;
    if (cache && (examples !== 1 || this.threads !== 1)) {
      throw argumentError('hop', 'given only for one example on one thread', hop);
    }
    const outputs = names.map((name, i) => ({ tensor: plan.outputs[name]!, values: arrays[i]! }));
    const run: NativeRun = { losses, outputs, scalars: this.scalarsOf(plan, batch), ...(cache && { cache }) };
    entry.bound = true;
    const fed = inputs.map((input) => ('values' in input ? input.values : input.starts));
    const all = [...fed, ...arrays];
    const lengths = all.map((array) => array.length);
    return (later = false) => {
      this.checkFree();
      for (let i = 0; i < all.length; i++) if (all[i]!.length !== lengths[i]) throw gone();
      if (cache) cache.filled = later;
      this.handle.runSync(id, examples, inputs, run);
    };
  }

  /** Losses in inference mode. */
  async evaluate(batch: Batch): Promise<Losses> {
    const losses = this.nodes.filter((n) => n.op === 'loss').map((n) => n.name);
    return this.run(this.plan('infer', losses), batch, {});
  }

  /** Parameters and running statistics by name, as copies. */
  getParameters(): Arrays {
    this.checkFree();
    return this.split(this.handle.getParameters());
  }

  /** Replaces parameters; every one of the graph must be given, with its size. */
  setParameters(params: Arrays): void {
    this.checkFree();
    this.handle.setParameters(this.join('params', params));
  }

  getState(): NetworkState {
    this.checkFree();
    const m = new Float64Array(this.length);
    const v = new Float64Array(this.length);
    const steps = this.handle.getMoments(m, v);
    return { params: this.getParameters(), m: this.split(m), v: this.split(v), steps };
  }

  setState(state: NetworkState): void {
    this.checkFree();
    checkObject('state', state);
    checkInteger('state.steps', state.steps, 0, Number.MAX_SAFE_INTEGER);
    const { params, m, v } = state;
    const [first, second] = [this.join('state.m', m), this.join('state.v', v)];
    this.handle.setParameters(this.join('state.params', params));
    this.handle.setMoments(first, second, state.steps);
  }

  private plan(
    mode: 'train' | 'infer',
    targets: readonly string[],
    gradients: readonly string[] = [],
    statistics: Statistics = 'batch',
  ): RunnablePlan {
    this.checkFree();
    const key = JSON.stringify([mode, targets, gradients, statistics]);
    const known = this.plans.get(key);
    if (known) this.plans.delete(key);
    const entry = known ?? this.newPlan(mode, targets, gradients, statistics);
    this.plans.set(key, entry); // at the end
    return entry;
  }

  private newPlan(
    mode: 'train' | 'infer',
    targets: readonly string[],
    gradients: readonly string[],
    statistics: Statistics,
  ): RunnablePlan {
    const { without, scalars } = this;
    const plan = schedule(this.nodes, mode, targets, this.handle.lanes, { gradients, statistics, without, scalars });
    for (const [key, old] of this.plans) {
      if (this.plans.size < MOST_PLANS) break;
      if (old.bound || old === this.trained) continue;
      this.plans.delete(key);
      this.handle.removePlan(old.id);
    }
    const id = this.allocate(() => this.handle.addPlan(plan, mode === 'train'));
    return { id, plan, losses: new Float64Array(plan.losses.length), bound: false };
  }

  private allocate<T>(what: () => T): T {
    try {
      return what();
    } catch (cause) {
      if (!(cause instanceof Error && cause.message === 'out of memory')) throw cause;
      throw new Audio2VecError(
        'ERR_MEMORY',
        `There is no memory for ${this.maxExamples} examples at a time: use a smaller batch or narrower channels.`,
        { cause },
      );
    }
  }

  private outputSize(batch: Batch, name: string): number {
    const node = this.byName.get(name);
    if (!node) throw argumentError('node', 'a node of the graph', name);
    if (node.op === 'loss') throw argumentError('node', 'a value, not a loss (evaluate gives those)', name);
    checkBatch(batch, this.maxExamples);
    return batch.examples * node.rows * sizeOf(node.shape);
  }

  private async run({ id, plan, losses }: RunnablePlan, batch: Batch, options: Partial<NativeRun>): Promise<Losses> {
    checkBatch(batch, this.maxExamples);
    const inputs = nativeInputs(this.nodes, plan, batch, this.gathering);
    const scalars = this.scalarsOf(plan, batch);
    this.checkFree();
    this.busy = true;
    try {
      await this.handle.run(id, batch.examples, inputs, { losses, scalars, ...options });
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

  private split(flat: Float64Array): Arrays {
    const out: Arrays = new Map();
    for (const [name, { offset, parameter }] of this.offsets) {
      const values = flat.subarray(offset, offset + sizeOf(parameter.shape));
      out.set(name, this.doubles ? values.slice() : Float32Array.from(values));
    }
    return out;
  }

  private join(what: string, arrays: Arrays, trainableOnly = false): Float64Array {
    checkArrays(what, arrays);
    const flat = new Float64Array(this.length);
    for (const { name, shape, trainable } of distinctParameters(this.nodes)) {
      if (trainableOnly && !trainable) continue;
      const values = arrays.get(name);
      const want = sizeOf(shape);
      if (values?.length !== want)
        throw argumentError(`${what} of ${name}`, `${want} values`, values?.length ?? 'none');
      flat.set(values, this.offsets.get(name)!.offset);
    }
    return flat;
  }

  private checkFree(): void {
    this.checkOpen();
    if (this.busy) throw overlap();
  }

  private checkOpen(): void {
    if (this.closed) throw new Audio2VecError('ERR_ARGUMENT', 'This network is closed: make a new one.');
  }
}

function overlap(): Audio2VecError {
  return new Audio2VecError('ERR_ARGUMENT', 'This network is still computing: await the call before.');
}

function checkOut(out: Float32Array | undefined, size: number): void {
  if (!(out instanceof Float32Array) || out.length !== size) {
    throw argumentError('out', `a Float32Array of ${size}`, out?.length);
  }
}

function gone(): Audio2VecError {
  return new Audio2VecError('ERR_ARGUMENT', 'An array of this call was transferred or resized: bind it to new ones.');
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
