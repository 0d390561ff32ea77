// A graph made runnable: the native engine with its parameters, gradients and Adam state.
import type { FeatureStore } from '../feature-store.js';
import type { Node } from '../model/graph.js';
import type { Augmentation } from './augmentation.js';

/** What one input node of the graph is fed, `rows` values for each example, example-major. */
export type BatchInput =
  /** Slices by the index of their first frame in the feature store; gathered and normalised natively. */
  | { frames: Float64Array; augment?: Augmentation }
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
  /** Decoupled weight decay (AdamW); default 0. */
  weightDecay?: number;
}

/** Loss of one batch: the weighted total, and each loss node's own value by its name. */
export interface Losses {
  loss: number;
  parts: Record<string, number>;
}

/** All that a training step changes; what a checkpoint stores. Arrays by parameter name. */
export interface NetworkState {
  /** Parameters and running statistics. */
  params: Map<string, Float32Array>;
  /** Adam's first and second moments. */
  m: Map<string, Float32Array>;
  v: Map<string, Float32Array>;
  /** Adam steps taken. */
  steps: number;
}

/** The native engine behind one graph. Calls on one network must not overlap: await each. */
export interface Network {
  readonly nodes: readonly Node[];
  /** Forward, backward, Adam; running statistics move. */
  step(batch: Batch, adam: AdamOptions): Promise<Losses>;
  /** Forward and backward in training mode (batch statistics), changing nothing. */
  lossAndGradients(batch: Batch): Promise<Losses & { gradients: Map<string, Float32Array> }>;
  /** The value of a node for each example, `[examples, rows, ...shape]`, in inference mode (running statistics). */
  forward(batch: Batch, node: string): Promise<Float32Array>;
  /** Losses in inference mode. */
  evaluate(batch: Batch): Promise<Losses>;
  getState(): NetworkState;
  setState(state: NetworkState): void;
}
