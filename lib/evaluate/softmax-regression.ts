// Multinomial logistic regression with an L2 penalty: what a linear probe minimises.
//   F(W, b) = mean over rows of −ln softmax(W x + b)[label] + strength/2 · ‖W‖²
// N rows, D features, C classes. Parameters are one vector: W [C, D], then b [C].
import type { Steps } from '../util/cooperative.js';
import { addTransposedTimes, timesTransposed } from '../util/matrix.js';
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

const BLOCK = 64; // rows whose logits are held at once, and the work between two yields

/** Parameters to start from: all zero, but a class without examples gets a logit so low that its probability is
 * exactly 0. Its unpenalised bias would otherwise fall for ever. */
export function startingPoint({ labels, dim, classes, ranges }: Examples): Float64Array {
  const start = new Float64Array(classes * (dim + 1));
  start.fill(-1e6, classes * dim);
  for (const [from, to] of ranges) for (const label of labels.subarray(from, to)) start[classes * dim + label] = 0;
  return start;
}

/** Fits from `start` (see {@link startingPoint}; or an earlier fit on the same classes).
 * @param moments E[xxᵀ] of these features or of ones like them (see `secondMoments` in principal-axes.ts): only speeds up. */
export function* fitSoftmax(
  examples: Examples,
  strength: number,
  start: Float64Array,
  moments: Float64Array,
  options: MinimiseOptions,
): Steps<Minimum> {
  const { dim, classes } = examples;
  // With all classes equally likely the Hessian is (I − 11ᵀ/C)/C ⊗ E[xxᵀ] + strength·I; the projection I − 11ᵀ/C may be
  // left out because gradients sum to zero over classes. Its inverse makes correlated features as easy as others.
  const curvature = moments.map((m) => m / classes);
  for (let k = 0; k < dim; k++) curvature[k * dim + k] += strength + 1e-7; // so that it stays positive in rounding
  const factor = yield* cholesky(curvature, dim);
  const objective: Objective = {
    evaluate: (parameters, gradient) => lossAndGradient(examples, strength, parameters, gradient),
    precondition(direction) {
      for (let c = 0; c < classes; c++) solveCholesky(factor, dim, direction, c * dim);
      for (let c = 0; c < classes; c++) direction[classes * dim + c] *= classes;
    },
  };
  return yield* minimise(objective, start, options);
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

/** Lower triangular L with L Lᵀ = the positive definite `matrix` `[n, n]`. */
function* cholesky(matrix: Float64Array, n: number): Steps<Float64Array> {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * n + j];
      for (let k = 0; k < j; k++) sum -= l[i * n + k] * l[j * n + k];
      l[i * n + j] = i === j ? Math.sqrt(sum) : sum / l[j * n + j];
    }
    yield;
  }
  return l;
}

/** In place, v[at, at + n) ← (L Lᵀ)⁻¹ v. */
function solveCholesky(l: Float64Array, n: number, v: Float64Array, at: number): void {
  for (let i = 0; i < n; i++) {
    let sum = v[at + i];
    for (let k = 0; k < i; k++) sum -= l[i * n + k] * v[at + k];
    v[at + i] = sum / l[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    const scaled = v[at + i] / l[i * n + i];
    v[at + i] = scaled;
    for (let k = 0; k < i; k++) v[at + k] -= l[i * n + k] * scaled;
  }
}
