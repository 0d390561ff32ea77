// What operators may be made of in an exported file: a few operators that every mobile runtime has. lib/export writes
// them in ONNX and in LiteRT, where values lie differently in memory; here axes go by their meaning, so that an operator
// says once what it is (`emit` of its entry in lib/graph/operators).
import type { PoolMode, Shape } from './shape.js';
import type { Axes, Window } from './window.js';

/** A value in the file. `rows` of them for each example, as in the graph. */
export interface Emitted {
  readonly name: string;
  readonly shape: Shape;
  readonly rows: number;
}

export type UnaryFunction = 'Relu' | 'Abs' | 'Exp' | 'Log' | 'Sqrt' | 'Sigmoid' | 'Tanh';
export type BinaryFunction = 'Add' | 'Sub' | 'Mul' | 'Div' | 'Max' | 'Min';

export interface ConvEmission {
  kernel: Axes;
  window: Window;
  depthwise: boolean;
  /** `[Cout, Cin, kT, kF]`; depthwise `[C, 1, kT, kF]`. */
  weight: Float32Array;
  bias: Float32Array;
  /** Followed by a ReLU. */
  relu: boolean;
  /** Of the result. */
  shape: Shape;
}

export interface PoolEmission {
  mode: Exclude<PoolMode, 'std'>;
  kernel: Axes;
  window: Window;
  /** Of the result: a map. */
  shape: Shape;
}

/** Each call appends operators and returns their result, whose name begins with `name`. */
export interface GraphWriter {
  unary(fn: UnaryFunction, name: string, x: Emitted): Emitted;
  leakyRelu(name: string, x: Emitted, slope: number): Emitted;
  /** The second operand may be a number, one for each channel, or a value with 1 where `a` has more: it is repeated. */
  binary(fn: BinaryFunction, name: string, a: Emitted, b: Emitted | number | Float32Array): Emitted;
  conv(name: string, x: Emitted, conv: ConvEmission): Emitted;
  /** `weight` is `[out, in]`. */
  dense(name: string, x: Emitted, dense: { weight: Float32Array; bias: Float32Array; relu: boolean }): Emitted;
  /** Of values inside the map only. */
  pool(name: string, x: Emitted, pool: PoolEmission): Emitted;
  /** Over the channels of each position, over all positions of each channel, or over all of a unit; the axes remain,
   * with size 1. */
  reduce(by: 'sum' | 'mean', name: string, x: Emitted, over: 'channels' | 'positions' | 'unit'): Emitted;
  softmax(name: string, x: Emitted): Emitted;
  /** 1 at the largest of each group of channels (the first of equals), 0 elsewhere. */
  oneHot(name: string, x: Emitted, group: number): Emitted;
  concat(name: string, inputs: readonly Emitted[]): Emitted;
  channels(name: string, x: Emitted, first: number, count: number): Emitted;
  /** Frames of `x` by index: `[T', 1, 1]`, whole numbers in range. */
  gather(name: string, x: Emitted, index: Emitted): Emitted;
  upsample(name: string, x: Emitted, factors: Axes): Emitted;
  /** In the order rows, C, T, F. */
  reshape(name: string, x: Emitted, shape: Shape, rows: number): Emitted;
  select(name: string, x: Emitted, first: number, rows: number): Emitted;
}
