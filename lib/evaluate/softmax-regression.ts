// Multinomial logistic regression with an L2 penalty: what a linear probe minimises.
//   F(W, b) = mean over rows of −ln softmax(W x + b)[label] + strength/2 · ‖W‖²
// N rows, D features, C classes. Parameters are one vector: W [C, D], then b [C].

import { inverse } from '../matrix/positive-definite.js';
import { addTransposedTimes, times, timesTransposed } from '../matrix/products.js';
import type { Steps } from '../util/cooperative.js';
import { softmaxRow } from '../util/softmax.js';
import { type MinimiseOptions, type Minimum, minimise, type Objective } from './lbfgs.js';

/** Standardised features with their labels. */
export interface Examples {
  /** `[rows, dim]` */
  x: Float64Array;
  rows: number;
  dim: number;
  /** `[rows]`, each in [0, classes) */
  labels: Int32Array;
  classes: number;
  /** First row and one past the last of each stretch of rows to fit: all but one fold is two stretches. */
  ranges: readonly (readonly [number, number])[];
}

const BLOCK = 256; // rows whose logits are held at once, and the work between two yields

/** Parameters to start from: all zero, but a class without examples gets a logit so low that its probability is
 * exactly 0. Its unpenalised bias would otherwise fall for ever. */
export function startingPoint({ labels, dim, classes, ranges }: Examples): Float64Array {
  const start = new Float64Array(classes * (dim + 1));
  start.fill(-1e6, classes * dim);
  for (const [from, to] of ranges) for (const label of labels.subarray(from, to)) start[classes * dim + label] = 0;
  return start;
}

/** What turns gradients into steps that are about right for every direction: see {@link preconditionerOf}. */
export type Preconditioner = Float64Array;

/** With all classes equally likely the Hessian of weights is (I − 11ᵀ/C)/C ⊗ E[xxᵀ] + strength·I; the projection I − 11ᵀ/C may
 * be left out because gradients sum to zero over classes. Its inverse makes correlated features as easy as others.
 * @param moments E[xxᵀ] of the features or of ones like them (see `secondMoments` in principal-axes.ts) */
export function* preconditionerOf(
  moments: Float64Array,
  { dim, classes }: Pick<Examples, 'dim' | 'classes'>,
  strength: number,
): Steps<Preconditioner> {
  const curvature = moments.map((m) => m / classes);
  for (let k = 0; k < dim; k++) curvature[k * dim + k] += strength + 1e-7; // so that it stays positive in rounding
  return yield* inverse(curvature, dim);
}

/** Fits from `start` (see {@link startingPoint}; or an earlier fit on the same classes).
 * @param preconditioner for this strength; of which rows only decides the speed */
export function* fitSoftmax(
  examples: Examples,
  strength: number,
  start: Float64Array,
  preconditioner: Preconditioner,
  options: MinimiseOptions,
): Steps<Minimum> {
  const { dim, classes } = examples;
  const turned = new Float64Array(classes * dim);
  const objective: Objective = {
    evaluate: (parameters, gradient) => lossAndGradient(examples, strength, parameters, gradient),
    precondition(direction) {
      times(direction, classes, dim, preconditioner, dim, turned);
      direction.set(turned);
      for (let c = 0; c < classes; c++) direction[classes * dim + c] *= classes;
    },
  };
  return yield* minimise(objective, start, options);
}

/** The largest absolute component of the gradient. */
export function* gradientNorm(examples: Examples, strength: number, parameters: Float64Array): Steps<number> {
  const gradient = new Float64Array(parameters.length);
  yield* lossAndGradient(examples, strength, parameters, gradient);
  return gradient.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
}

function* lossAndGradient(
  { x, dim, labels, classes, ranges }: Examples,
  strength: number,
  parameters: Float64Array,
  gradient: Float64Array,
): Steps<number> {
  const weights = parameters.subarray(0, classes * dim);
  const bias = parameters.subarray(classes * dim);
  const dWeights = gradient.subarray(0, classes * dim);
  const dBias = gradient.subarray(classes * dim);
  gradient.fill(0);
  const logits = new Float64Array(BLOCK * classes);
  let loss = 0;
  let rows = 0;
  for (const [from, to] of ranges) {
    for (let first = from; first < to; first += BLOCK) {
      const count = Math.min(BLOCK, to - first);
      timesTransposed(x, first, count, weights, classes, dim, logits);
      loss += softmaxLoss(logits, bias, labels, first, count, classes, dBias);
      addTransposedTimes(logits, classes, x, first, count, dim, dWeights);
      yield;
    }
    rows += to - from;
  }
  let square = 0;
  for (let k = 0; k < weights.length; k++) {
    dWeights[k] = dWeights[k] / rows + strength * weights[k];
    square += weights[k] * weights[k];
  }
  for (let c = 0; c < classes; c++) dBias[c] /= rows;
  return loss / rows + (strength / 2) * square;
}

/** Turns logits (without bias) into their gradients, softmax − one-hot; adds these to `dBias`; returns the loss. */
function softmaxLoss(
  logits: Float64Array,
  bias: Float64Array,
  labels: Int32Array,
  first: number,
  count: number,
  classes: number,
  dBias: Float64Array,
): number {
  let loss = 0;
  for (let i = 0; i < count; i++) {
    const at = i * classes;
    const label = labels[first + i];
    const target = logits[at + label] + bias[label];
    loss += softmaxRow(logits, at, bias) - target;
    logits[at + label] -= 1;
    for (let c = 0; c < classes; c++) dBias[c] += logits[at + c];
  }
  return loss;
}
