// How parameters move along their gradients: update rules by name, as native/engine/optimizers.h has them.
import type { NativeUpdate } from '../native/types.js';
import { argumentError } from '../util/errors.js';

interface CommonOptions {
  learningRate: number;
  /** Decoupled (Loshchilov & Hutter 2019); of weights, not of biases and norms; default 0. */
  weightDecay?: number;
}

/** Adam (Kingma & Ba 2015). */
export interface AdamOptions extends CommonOptions {
  rule?: 'adam';
  /** Default 0.9 and 0.999. */
  beta1?: number;
  beta2?: number;
  /** Default 1e-8. */
  epsilon?: number;
}

/** Gradient descent with momentum: v ← μ·v + g, parameter ← parameter − rate·v (Sutskever et al. 2013). */
export interface SgdOptions extends CommonOptions {
  rule: 'sgd';
  /** Default 0.9. */
  momentum?: number;
}

export type Optimiser = AdamOptions | SgdOptions;

const defaults = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

/** Fills in defaults. Throws `ERR_ARGUMENT` for values that would ruin every weight. */
export function nativeUpdate(optimiser: Optimiser): NativeUpdate {
  const rule = optimiser.rule ?? 'adam';
  if (rule !== 'adam' && rule !== 'sgd') throw argumentError('rule', '"adam" or "sgd"', rule);
  const { learningRate } = optimiser;
  if (!(learningRate >= 0 && learningRate < Infinity))
    throw argumentError('learningRate', 'not negative', learningRate);
  if (optimiser.rule === 'sgd') {
    const { weightDecay = 0, momentum = 0.9 } = optimiser;
    return { ...defaults, rule, learningRate, weightDecay, beta1: momentum };
  }
  return { ...defaults, ...optimiser, rule };
}
