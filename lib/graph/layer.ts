// A node of a trained network with its weights.
import type { Node } from './node.js';

/** Weights have the layout of a node's parameters: conv `[Cout, Cin, kT, kF]`, dense `[out, in]`, with a bias always. A
 * batch norm that had no layer to disappear into is weight · x + bias, by channel. */
export interface LayerArrays {
  weight: Float32Array;
  bias: Float32Array;
}

export type Layer<N extends Node = Node> = N & {
  arrays: LayerArrays;
  /** Whether it ends in one. */
  relu?: boolean;
  /** The node whose value it gives: itself, or a batch norm that disappeared into it. */
  result: string;
};
