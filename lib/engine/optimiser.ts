// How parameters move along their gradients: update rules by name, as native/engine/optimizers.h has them.
import type { NativeUpdate } from '../native/types.js';
import { checkNumber, checkObject, checkOneOf, checkOptions } from '../util/arguments.js';
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

const adam = ['rule', 'learningRate', 'weightDecay', 'beta1', 'beta2', 'epsilon'] as const;
const sgd = ['rule', 'learningRate', 'weightDecay', 'momentum'] as const;

/** Fills in defaults. Throws `ERR_ARGUMENT` for values that would ruin every weight. */
export function nativeUpdate(optimiser: Optimiser): NativeUpdate {
  checkObject('optimiser', optimiser);
  const { rule = 'adam', learningRate, weightDecay = 0 } = optimiser;
  checkOneOf('rule', rule, ['adam', 'sgd']);
  checkNumber('learningRate', learningRate, 0);
  checkNumber('weightDecay', weightDecay, 0, 1);
  if (optimiser.rule === 'sgd') {
    checkOptions('optimiser', optimiser, sgd);
    const { momentum = 0.9 } = optimiser;
    checkShare('momentum', momentum);
    return { rule: 'sgd', learningRate, weightDecay, beta1: momentum, beta2: 0, epsilon: 1 };
  }
  checkOptions('optimiser', optimiser, adam);
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = optimiser;
  checkShare('beta1', beta1);
  checkShare('beta2', beta2);
  checkNumber('epsilon', epsilon, 1e-30);
  return { rule: 'adam', learningRate, weightDecay, beta1, beta2, epsilon };
}

/** Of the past in an average: all of it would leave no room for anything new. */
function checkShare(name: string, value: number): void {
  if (typeof value !== 'number' || !(value >= 0 && value < 1)) {
    throw argumentError(name, 'a number from 0 to below 1', value);
  }
}
