// How parameters move along their gradients.
import type { NativeAdam } from '../native/types.js';

/** Adam (Kingma & Ba 2015) with decoupled weight decay (Loshchilov & Hutter 2019). */
export interface AdamOptions {
  learningRate: number;
  /** Default 0.9 and 0.999. */
  beta1?: number;
  beta2?: number;
  /** Default 1e-8. */
  epsilon?: number;
  /** Of weights, not of biases and norms; default 0. */
  weightDecay?: number;
}

export function fullOptimiser(options: AdamOptions): NativeAdam {
  return { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, ...options };
}
