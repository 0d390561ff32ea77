// The few dense products that probes, neighbours and projections spend their time in. All matrices are row-major.
// Sums are formed in one fixed order (over the shared dimension, ascending), so that equal rows give equal results
// wherever they stand, and the same input gives the same bits (on one instruction set: see native/matrix/).
import { native } from '../native/addon.js';

/** A row-major matrix without its shape: features as they come (float32) or prepared (float64). */
export type Values = Float32Array | Float64Array;

/** `out[i, j] = Σ_k a[firstA + i, k] · b[j, k]` for `rowsA` rows of `a` `[·, dim]` and all `rowsB` rows of `b` `[rowsB, dim]`. */
export function timesTransposed(
  a: Float64Array,
  firstA: number,
  rowsA: number,
  b: Float64Array,
  rowsB: number,
  dim: number,
  out: Float64Array,
): void {
  native.matrixProduct(rowsA, rowsB, dim, a.subarray(firstA * dim), dim, 1, b, 1, dim, out, rowsB, false);
}

/** `out[j, k] += Σ_i p[i, j] · x[first + i, k]` for `rows` rows of `x` `[·, dim]` and all of `p` `[rows, columns]`. */
export function addTransposedTimes(
  p: Float64Array,
  columns: number,
  x: Float64Array,
  first: number,
  rows: number,
  dim: number,
  out: Float64Array,
): void {
  native.matrixProduct(columns, dim, rows, p, 1, columns, x.subarray(first * dim), dim, 1, out, dim, true);
}

/** `out[i, j] = Σ_k a[i, k] · b[k, j]` of `a` `[rows, inner]` and `b` `[inner, columns]`. */
export function times(
  a: Float64Array,
  rows: number,
  inner: number,
  b: Float64Array,
  columns: number,
  out: Float64Array,
): void {
  native.matrixProduct(rows, columns, inner, a, inner, 1, b, columns, 1, out, columns, false);
}

/** `out[i, j] += Σ_k a[i, k] · b[k, j]`. */
export function addTimes(
  a: Float64Array,
  rows: number,
  inner: number,
  b: Float64Array,
  columns: number,
  out: Float64Array,
): void {
  native.matrixProduct(rows, columns, inner, a, inner, 1, b, columns, 1, out, columns, true);
}

/** Of each row of `x` `[rows, dim]` the sum of squares: what {@link timesTransposed} gives for a row and itself. */
export function squaredLengths(x: Float64Array, dim: number): Float64Array {
  const squares = new Float64Array(x.length / dim);
  for (let i = 0; i < squares.length; i++) {
    timesTransposed(x, i, 1, x.subarray(i * dim, (i + 1) * dim), 1, dim, squares.subarray(i, i + 1));
  }
  return squares;
}

/** `Σ_k a[atA + k] · b[atB + k]` over `dim` values. */
export function dot(a: Float64Array, atA: number, b: Float64Array, atB: number, dim: number): number {
  let sum = 0;
  for (let k = 0; k < dim; k++) sum += a[atA + k] * b[atB + k];
  return sum;
}
