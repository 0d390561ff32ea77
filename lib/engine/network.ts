// A graph made runnable: the native engine with its parameters, gradients and Adam state.
import { availableParallelism } from 'node:os';
import type { FeatureStore } from '../features/feature-store.js';
import type { Node } from '../graph/graph.js';
import { sizeOf } from '../graph/graph.js';
import { native } from '../native/addon.js';
import type { Plan } from '../native/plan.js';
import type { NativeInput, NativeNetwork, NativeRun } from '../native/types.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { type Augmentation, nativeAugmentation } from './augmentation.js';
import { parameterOffsets } from './engine-graph.js';
import { schedule } from './schedule.js';

/** Log-mel frames that slices are gathered from: a feature store, or an array in memory (`native`). */
export interface FrameSource {
  readonly frames: number;
  readonly native: object;
}

/** What one input node of the graph is fed, `rows` values for each example, example-major. */
export type BatchInput =
  /** Slices by the index of their first frame in the feature store (the network's, unless another is given); gathered
   * and normalised natively. An input of C channels takes C slices a row. */
  | { frames: Float64Array; store?: FrameSource; augment?: Augmentation }
  /** Values as they are (already normalised slices, TemporalGap's δ, class indices). */
  | { values: Float32Array };

/** One training batch: the number of examples and what each input node is fed, by its name. */
export interface Batch {
  examples: number;
  inputs: Record<string, BatchInput>;
}

export interface NetworkOptions {
  /** Largest number of examples in one call; memory is allocated for it once. */
  maxExamples: number;
  /** Worker threads; default: all cores. */
  threads?: number;
  /** Instruction set by name; default: the one in use. `float64` computes everything in double precision. */
  isa?: string;
  /** Where `frames` inputs are gathered from, and how bands are normalised on the way: (x - mean) / std. */
  store?: FeatureStore;
  mean?: Float32Array;
  std?: Float32Array;
}

export interface AdamOptions {
  learningRate: number;
  /** Default 0.9 and 0.999. */
  beta1?: number;
  beta2?: number;
  /** Default 1e-8. */
  epsilon?: number;
  /** Decoupled weight decay (AdamW) of weights, not of biases and norms; default 0. */
  weightDecay?: number;
}

/** Loss of one batch: the weighted total, and each loss node's share of it by its name. */
export interface Losses {
  loss: number;
  parts: Record<string, number>;
}

/** Arrays by parameter name; of doubles when the network computes in double precision. */
export type Arrays = Map<string, Float32Array | Float64Array>;

/** All that a training step changes; what a checkpoint stores. */
export interface NetworkState {
  /** Parameters and running statistics. */
  params: Arrays;
  /** Adam's first and second moments. */
  m: Arrays;
  v: Arrays;
  /** Adam steps taken. */
  steps: number;
}

/** A plan that the addon has, and room for its losses. */
interface RunnablePlan {
  id: number;
  plan: Plan;
  losses: Float64Array;
}

/** The native engine behind one graph. Calls on one network must not overlap: await each. */
export class Network {
  readonly nodes: readonly Node[];
  readonly maxExamples: number;
  private readonly threads: number;
  private readonly handle: NativeNetwork;
  private readonly offsets;
  private readonly length: number;
  private readonly plans = new Map<string, RunnablePlan>();
  private readonly doubles: boolean;
  private readonly store?: FeatureStore;
  private readonly mean?: Float32Array;
  private readonly inverseStd?: Float32Array;
  private busy = false;

  constructor(nodes: readonly Node[], options: NetworkOptions) {
    const { maxExamples, threads = availableParallelism(), isa = '', store, mean, std } = options;
    checkCount('maxExamples', maxExamples, 1 << 20);
    checkCount('threads', threads, 256);
    const available = native.capabilities().available;
    if (isa && !available.includes(isa)) {
      throw new Audio2VecError('ERR_ISA', `isa is ${JSON.stringify(isa)}, but here there is ${available.join(', ')}.`);
    }
    this.nodes = nodes;
    this.maxExamples = maxExamples;
    this.threads = threads;
    this.doubles = isa === 'float64';
    this.offsets = parameterOffsets(nodes);
    this.length = [...this.offsets.values()].reduce((n, o) => n + sizeOf(o.parameter.shape), 0);
    const ranges = [...this.offsets.values()]
      .filter((o) => o.parameter.trainable)
      .flatMap((o) => [o.offset, sizeOf(o.parameter.shape), o.parameter.shape.length > 1 ? 1 : 0]);
    this.handle = new native.Network(isa, threads, maxExamples, this.length, Float64Array.from(ranges));
    this.store = store;
    this.mean = mean;
    this.inverseStd = std?.map((s) => 1 / s);
  }

  /** Bytes that parameters and plans hold so far. */
  get bytes(): number {
    return this.handle.bytes();
  }

  /** Forward, backward, Adam; running statistics move. */
  async step(batch: Batch, adam: AdamOptions): Promise<Losses> {
    const full = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, ...adam };
    return this.run(this.plan('train', []), batch, { adam: full });
  }

  /** Forward and backward in training mode (batch statistics), changing nothing. */
  async lossAndGradients(batch: Batch): Promise<Losses & { gradients: Arrays }> {
    const gradients = new Float64Array(this.length);
    const losses = await this.run(this.plan('train', []), batch, { gradients });
    const trainable = [...this.offsets.values()].filter((o) => o.parameter.trainable).map((o) => o.parameter.name);
    const all = this.split(gradients);
    return { ...losses, gradients: new Map(trainable.map((name) => [name, all.get(name)!])) };
  }

  /** The value of a node for each example, `[examples, rows, ...shape]`, in inference mode (running statistics).
   * @param out an array of that size to fill and return; default: a new one */
  async forward(batch: Batch, node: string, out?: Float32Array): Promise<Float32Array> {
    const size = this.outputSize(batch, node);
    const values = out ?? new Float32Array(size);
    checkOut(values, size);
    const entry = this.plan('infer', [node]);
    await this.run(entry, batch, { output: entry.plan.outputs[node]!, values });
    return values;
  }

  /** {@link forward} on the calling thread, to be repeated: everything is checked and allocated here, once. The returned
   * function reads the arrays of `batch` as they are at the time, and fills `out` (`[examples, rows, ...shape]`). What
   * it finds there it trusts: frame indices that the caller changes must stay inside the store.
   *
   * @param hop for a stream (one example, one thread): called with `later`, it takes what it reads for a slice that
   *   begins `hop` frames after that of its last call, and computes only what the two do not share; the bits are the
   *   same */
  bindForward(batch: Batch, node: string, out: Float32Array, hop?: number): (later?: boolean) => void {
    checkOut(out, this.outputSize(batch, node));
    const { id, plan, losses } = this.plan('infer', [node]);
    const inputs = this.inputs(batch, plan);
    const bytes = hop === undefined ? 0 : this.handle.cachedBytes(id, hop);
    const cache = hop !== undefined && bytes > 0 ? { rows: new Uint8Array(bytes), hop, filled: false } : undefined;
    if (cache && (batch.examples !== 1 || this.threads !== 1)) {
      throw argumentError('hop', 'given only for one example on one thread', hop);
    }
    const run: NativeRun = { losses, output: plan.outputs[node]!, values: out, ...(cache && { cache }) };
    return (later = false) => {
      if (this.busy) throw overlap();
      if (cache) cache.filled = later;
      this.handle.runSync(id, batch.examples, inputs, run);
    };
  }

  /** Losses in inference mode. */
  async evaluate(batch: Batch): Promise<Losses> {
    const losses = this.nodes.filter((n) => n.op === 'loss').map((n) => n.name);
    return this.run(this.plan('infer', losses), batch, {});
  }

  /** Parameters and running statistics by name, as copies. */
  getParameters(): Arrays {
    return this.split(this.handle.getParameters());
  }

  /** Replaces parameters; every one of the graph must be given, with its size. */
  setParameters(params: Arrays): void {
    this.handle.setParameters(this.join(params));
  }

  getState(): NetworkState {
    const m = new Float64Array(this.length);
    const v = new Float64Array(this.length);
    const steps = this.handle.getMoments(m, v);
    return { params: this.getParameters(), m: this.split(m), v: this.split(v), steps };
  }

  setState(state: NetworkState): void {
    this.setParameters(state.params);
    this.handle.setMoments(this.join(state.m), this.join(state.v), state.steps);
  }

  private plan(mode: 'train' | 'infer', targets: readonly string[]): RunnablePlan {
    const key = `${mode} ${targets.join(' ')}`;
    let entry = this.plans.get(key);
    if (!entry) {
      const plan = schedule(this.nodes, mode, targets, this.handle.lanes);
      entry = { id: this.addPlan(plan, mode), plan, losses: new Float64Array(plan.losses.length) };
      this.plans.set(key, entry);
    }
    return entry;
  }

  private addPlan(plan: Plan, mode: 'train' | 'infer'): number {
    try {
      return this.handle.addPlan(plan, mode === 'train');
    } catch (cause) {
      throw new Audio2VecError(
        'ERR_MEMORY',
        `There is no memory for ${this.maxExamples} examples at a time: use a smaller batch or narrower channels.`,
        { cause },
      );
    }
  }

  private outputSize({ examples }: Batch, name: string): number {
    const node = this.nodes.find((n) => n.name === name);
    if (!node) throw argumentError('node', 'a node of the graph', name);
    checkCount('examples', examples, this.maxExamples);
    return examples * node.rows * sizeOf(node.shape);
  }

  private async run({ id, plan, losses }: RunnablePlan, batch: Batch, options: Partial<NativeRun>): Promise<Losses> {
    const inputs = this.inputs(batch, plan);
    if (this.busy) throw overlap();
    this.busy = true;
    try {
      await this.handle.run(id, batch.examples, inputs, { losses, ...options });
      const parts = Object.fromEntries(plan.losses.map((name, i) => [name, losses[i]!]));
      return { loss: losses.reduce((a, b) => a + b, 0), parts };
    } finally {
      this.busy = false;
    }
  }

  /** Checks that every input is there, of the right size and inside the store: C++ does not look again. */
  private inputs(batch: Batch, plan: Plan): NativeInput[] {
    const { examples } = batch;
    checkCount('examples', examples, this.maxExamples);
    return Object.entries(plan.inputs).map(([name, tensor]) => {
      const node = this.nodes.find((n) => n.name === name)!;
      const input = batch.inputs[name];
      if (!input) throw argumentError('batch.inputs', `given for ${name}`, Object.keys(batch.inputs).join(', '));
      const slices = node.rows * (node.shape.length === 3 ? node.shape[2] : 1) * examples;
      if ('values' in input) {
        const want = examples * node.rows * sizeOf(node.shape);
        if (!(input.values instanceof Float32Array) || input.values.length !== want) {
          throw argumentError(`batch.inputs.${name}.values`, `a Float32Array of ${want}`, input.values?.length);
        }
        this.checkLabels(name, input.values);
        return { tensor, values: input.values };
      }
      const { mean, inverseStd } = this;
      const store = input.store ?? this.store;
      if (!store || !mean || !inverseStd) throw argumentError('store, mean and std', 'given to feed frames', 'nothing');
      if (!(input.frames instanceof Float64Array) || input.frames.length !== slices) {
        throw argumentError(`batch.inputs.${name}.frames`, `a Float64Array of ${slices}`, input.frames?.length);
      }
      const last = store.frames - node.shape[0];
      for (const start of input.frames) {
        if (!(start >= 0 && start <= last && Number.isInteger(start))) {
          throw argumentError(`batch.inputs.${name}.frames`, `frame indices from 0 to ${last}`, start);
        }
      }
      const gathered = { tensor, starts: input.frames, store: store.native, mean, inverseStd };
      if (!input.augment) return gathered;
      const size = [node.shape[0], node.shape[1]!] as const;
      return { ...gathered, augment: nativeAugmentation(name, input.augment, slices, size, last) };
    });
  }

  private checkLabels(name: string, values: Float32Array): void {
    for (const node of this.nodes) {
      if (node.op !== 'loss' || node.loss !== 'softmax' || node.inputs[1] !== name) continue;
      const classes = this.nodes.find((n) => n.name === node.inputs[0])!.shape[0];
      for (const v of values) {
        if (!(Number.isInteger(v) && v >= 0 && v < classes)) {
          throw argumentError(`batch.inputs.${name}.values`, `class indices from 0 to ${classes - 1}`, v);
        }
      }
    }
  }

  private split(flat: Float64Array): Arrays {
    const out: Arrays = new Map();
    for (const [name, { offset, parameter }] of this.offsets) {
      const values = flat.subarray(offset, offset + sizeOf(parameter.shape));
      out.set(name, this.doubles ? values.slice() : Float32Array.from(values));
    }
    return out;
  }

  private join(arrays: Arrays): Float64Array {
    const flat = new Float64Array(this.length);
    for (const [name, { offset, parameter }] of this.offsets) {
      const values = arrays.get(name);
      const want = sizeOf(parameter.shape);
      if (values?.length !== want)
        throw argumentError(`weights of ${name}`, `${want} values`, values?.length ?? 'none');
      flat.set(values, offset);
    }
    return flat;
  }
}

function overlap(): Audio2VecError {
  return new Audio2VecError('ERR_ARGUMENT', 'This network is still computing: await the call before.');
}

function checkOut(out: Float32Array, size: number): void {
  if (!(out instanceof Float32Array) || out.length !== size) {
    throw argumentError('out', `a Float32Array of ${size}`, out?.length);
  }
}

function checkCount(name: string, value: number, most: number): void {
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw argumentError(name, `an integer from 1 to ${most}`, value);
  }
}
