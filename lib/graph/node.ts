// The nodes of a network: the one model description that the native engine, the exports and the layer table read.
//
// Shape letters: T frames, F frequency bands, C channels. A value is either a map [T, F, C] or a vector [C]; `rows`
// counts how many of them one training example has (a CBoW example has four context slices: rows = 4).
import type { PointwiseName } from './pointwise-functions.js';
import type { PoolMode, Shape } from './shape.js';
import type { Axes, Window } from './window.js';

export type { PoolMode, Shape } from './shape.js';

/** How a fresh parameter is drawn: uniform in ±1/sqrt(fanIn), or a constant. */
export type Init = { fanIn: number } | { constant: number };

/** A named array of a node. Shapes and names are those a PyTorch module would have: conv `[Cout, Cin, kT, kF]`,
 * dense `[out, in]`. Buffers (`trainable: false`) are batch norm's running statistics. Nodes that share weights have
 * parameters of the same names. */
export interface Parameter {
  name: string;
  shape: readonly number[];
  init: Init;
  trainable: boolean;
}

/** What a node computes; each operator's entry or planner says it in a line. Batch norm has eps 1e-5, momentum 0.1. */
export type Op =
  | { op: 'input' }
  | { op: 'conv'; kernel: Axes; window?: Window; depthwise?: true; bias: boolean }
  | { op: 'dense'; bias: boolean }
  | { op: 'batch-norm'; relu: boolean }
  | { op: 'relu' | 'add' | 'sub' | 'mul' | 'div' | 'gate' | 'dot' | 'softmax' | 'stop-gradient' | 'straight-through' }
  | { op: 'pointwise'; fn: PointwiseName; constant: number }
  | { op: 'scale'; factor: number; scalar?: string }
  | { op: 'dropout'; probability: number; layer: number; scalar: string }
  | { op: 'l2-normalize'; length: number }
  | { op: 'layer-norm'; over: 'channels' | 'unit' }
  | { op: 'one-hot'; group: number }
  | { op: 'max-pool' | 'global-max-pool' | 'reshape' | 'gather' }
  | { op: 'pool'; mode: PoolMode; kernel: Axes; window: Window }
  | { op: 'upsample'; factors: Axes }
  | { op: 'select' | 'channels'; first: number }
  | { op: 'concat'; firsts: readonly number[] }
  | { op: 'loss'; loss: LossKind; weight: number; scalar?: string; number?: number };

/** Losses, each a mean over examples, rows and positions or values; losses.ts has them in one table. */
export type LossKind =
  | 'mse'
  | 'l1'
  | 'huber'
  | 'hinge'
  | 'bce'
  | 'softmax'
  | 'soft-cross-entropy'
  | 'triplet'
  | 'contrastive'
  | 'contrastive-index'
  | 'nt-xent'
  | 'diversity';

export type Node = Op & {
  name: string;
  /** Names of the nodes it reads. */
  inputs: readonly string[];
  /** Shape of one value it produces; `[1]` for a loss. */
  shape: Shape;
  /** Values per training example. */
  rows: number;
  params: readonly Parameter[];
};

/** What the builder's methods return and take: a node of the same graph. */
export interface Ref {
  readonly name: string;
  readonly shape: Shape;
  readonly rows: number;
}

/** All parameters and buffers of these nodes, in their order; shared ones once. */
export function distinctParameters(nodes: readonly Node[]): Parameter[] {
  return [...new Map(nodes.flatMap((n) => n.params).map((p) => [p.name, p])).values()];
}

/** Number of values in an array of this shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
