// The few dense products that probes, neighbours and projections spend their time in. All matrices are row-major.
// Sums are formed in one fixed order (over the shared dimension, ascending), so that equal rows give equal results
// wherever they stand, and the same input gives the same bits.

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
  // Tiles of 2 × 4 sums: eight accumulators stay in registers, and a loaded value is used two or four times.
  let i = 0;
  for (; i + 2 <= rowsA; i += 2) {
    const a0 = (firstA + i) * dim;
    const a1 = a0 + dim;
    const o0 = i * rowsB;
    const o1 = o0 + rowsB;
    let j = 0;
    for (; j + 4 <= rowsB; j += 4) {
      const b0 = j * dim;
      const b1 = b0 + dim;
      const b2 = b1 + dim;
      const b3 = b2 + dim;
      let s00 = 0;
      let s01 = 0;
      let s02 = 0;
      let s03 = 0;
      let s10 = 0;
      let s11 = 0;
      let s12 = 0;
      let s13 = 0;
      for (let k = 0; k < dim; k++) {
        const x0 = a[a0 + k];
        const x1 = a[a1 + k];
        const y0 = b[b0 + k];
        const y1 = b[b1 + k];
        const y2 = b[b2 + k];
        const y3 = b[b3 + k];
        s00 += x0 * y0;
        s01 += x0 * y1;
        s02 += x0 * y2;
        s03 += x0 * y3;
        s10 += x1 * y0;
        s11 += x1 * y1;
        s12 += x1 * y2;
        s13 += x1 * y3;
      }
      out[o0 + j] = s00;
      out[o0 + j + 1] = s01;
      out[o0 + j + 2] = s02;
      out[o0 + j + 3] = s03;
      out[o1 + j] = s10;
      out[o1 + j + 1] = s11;
      out[o1 + j + 2] = s12;
      out[o1 + j + 3] = s13;
    }
    for (; j < rowsB; j++) {
      out[o0 + j] = dot(a, a0, b, j * dim, dim);
      out[o1 + j] = dot(a, a1, b, j * dim, dim);
    }
  }
  if (i < rowsA) {
    for (let j = 0; j < rowsB; j++) out[i * rowsB + j] = dot(a, (firstA + i) * dim, b, j * dim, dim);
  }
}

/** `Σ_k a[atA + k] · b[atB + k]` over `dim` values. */
export function dot(a: Float64Array, atA: number, b: Float64Array, atB: number, dim: number): number {
  let sum = 0;
  for (let k = 0; k < dim; k++) sum += a[atA + k] * b[atB + k];
  return sum;
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
  // Four rows at a time, so that an output is loaded and stored once for four products.
  let i = 0;
  for (; i + 4 <= rows; i += 4) {
    const x0 = (first + i) * dim;
    const x1 = x0 + dim;
    const x2 = x1 + dim;
    const x3 = x2 + dim;
    const p0 = i * columns;
    let j = 0;
    for (; j + 2 <= columns; j += 2) {
      const q00 = p[p0 + j];
      const q01 = p[p0 + columns + j];
      const q02 = p[p0 + 2 * columns + j];
      const q03 = p[p0 + 3 * columns + j];
      const q10 = p[p0 + j + 1];
      const q11 = p[p0 + columns + j + 1];
      const q12 = p[p0 + 2 * columns + j + 1];
      const q13 = p[p0 + 3 * columns + j + 1];
      const o0 = j * dim;
      const o1 = o0 + dim;
      for (let k = 0; k < dim; k++) {
        const v0 = x[x0 + k];
        const v1 = x[x1 + k];
        const v2 = x[x2 + k];
        const v3 = x[x3 + k];
        out[o0 + k] += q00 * v0 + q01 * v1 + q02 * v2 + q03 * v3;
        out[o1 + k] += q10 * v0 + q11 * v1 + q12 * v2 + q13 * v3;
      }
    }
    for (; j < columns; j++) {
      const q0 = p[p0 + j];
      const q1 = p[p0 + columns + j];
      const q2 = p[p0 + 2 * columns + j];
      const q3 = p[p0 + 3 * columns + j];
      const o = j * dim;
      for (let k = 0; k < dim; k++) out[o + k] += q0 * x[x0 + k] + q1 * x[x1 + k] + q2 * x[x2 + k] + q3 * x[x3 + k];
    }
  }
  for (; i < rows; i++) {
    const at = (first + i) * dim;
    for (let j = 0; j < columns; j++) {
      const q = p[i * columns + j];
      for (let k = 0; k < dim; k++) out[j * dim + k] += q * x[at + k];
    }
  }
}
