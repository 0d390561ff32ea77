// What a client sends after it has trained for a round, and what is checked before that counts.
import { Audio2VecError, argumentError } from '../util/errors.js';
import type { Layout } from './layout.js';

export interface ClientUpdate {
  /** Weights and running statistics after the client's training less those that it was given, in the order of the
   * {@link Layout}. */
  delta: Float32Array;
  /** How much the client trained on; what the mean over clients is weighed by. */
  examples: number;
}

/** What the updates of a round must keep to. */
export interface UpdateLimits {
  /** Largest Euclidean norm of `delta`. Default: none. */
  maxNorm?: number;
  /** Largest `examples`: a client that claims more could outvote the others. Default: none. */
  maxExamples?: number;
}

/** Refuses an update that does not fit or could spoil the sum.
 * @throws `ERR_UPDATE_SHAPE`, `ERR_UPDATE_NOT_FINITE`, `ERR_UPDATE_BOUNDS` */
export function checkUpdate({ delta, examples }: ClientUpdate, layout: Layout, limits: UpdateLimits = {}): void {
  const { maxNorm = Number.POSITIVE_INFINITY, maxExamples = Number.MAX_SAFE_INTEGER } = limits;
  if (!(delta instanceof Float32Array) || delta.length !== layout.size) {
    const message = `An update must have ${layout.size} values in single precision, not ${delta?.length}.`;
    throw new Audio2VecError('ERR_UPDATE_SHAPE', message);
  }
  if (!(Number.isSafeInteger(examples) && examples >= 1 && examples <= maxExamples)) {
    throw new Audio2VecError('ERR_UPDATE_BOUNDS', `An update claims ${examples} examples: 1 to ${maxExamples} may be.`);
  }
  const bad = delta.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    const { name } = layout.arrays.find(({ offset, size }) => bad < offset + size)!;
    throw new Audio2VecError('ERR_UPDATE_NOT_FINITE', `An update has ${delta[bad]} in ${name}.`);
  }
  const norm = normOf(delta);
  // A client that clips to the bound in single precision may be above it by rounding.
  if (norm > maxNorm * (1 + 1e-5)) {
    const message = `An update has the norm ${norm.toPrecision(4)}: at most ${maxNorm} may be.`;
    throw new Audio2VecError('ERR_UPDATE_BOUNDS', message);
  }
}

/** Euclidean norm. */
export function normOf(values: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += values[i]! ** 2;
  return Math.sqrt(squares);
}

/** Shortens a vector in place to a norm of at most `maxNorm`.
 * @returns its norm before */
export function clip(values: Float32Array, maxNorm: number): number {
  if (!(maxNorm > 0)) throw argumentError('maxNorm', 'a positive number', maxNorm);
  const norm = normOf(values);
  if (norm > maxNorm) for (let i = 0; i < values.length; i++) values[i]! *= maxNorm / norm;
  return norm;
}

/** Sum of what clients sent, each weighed, and the sum of those weights: all that a server needs of a round. */
export interface WeighedSum {
  sum: Float64Array;
  weight: number;
}

/** Weighs updates by their examples. */
export function sumOf(updates: readonly ClientUpdate[], size: number): WeighedSum {
  const total: WeighedSum = { sum: new Float64Array(size), weight: 0 };
  for (const { delta, examples } of updates) {
    for (let i = 0; i < size; i++) total.sum[i]! += examples * delta[i]!;
    total.weight += examples;
  }
  return total;
}

export function meanOf({ sum, weight }: WeighedSum): Float64Array {
  return sum.map((value) => value / weight);
}
