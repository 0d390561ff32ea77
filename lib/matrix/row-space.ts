// Few rows of many columns, in as many coordinates as there are rows.
import type { Steps } from '../util/cooperative.js';
import { addTimes, dot, timesTransposed } from './products.js';

const BLOCK = 48; // rows that are made orthogonal at once, and the work between two yields
/** A row that adds less than this share of its length to those before it is taken for a sum of them. */
const LEAST = 1e-8;

/** Rows `[rows, dim]` as L Q: L `[rows, rank]` and Q `[rank, dim]`, whose rows are orthonormal. What depends on products of
 * rows with each other, or with vectors in their span, may be computed with L as well. */
export interface RowSpace {
  rank: number;
  coordinates: Float64Array;
  basis: Float64Array;
}

/** By the Gram-Schmidt process, every step done twice so that rounding leaves nothing. */
export function* rowSpace(x: Float64Array, rows: number, dim: number): Steps<RowSpace> {
  const most = Math.min(rows, dim);
  const basis = new Float64Array(most * dim);
  const wide = new Float64Array(rows * most); // the coordinates, with room for a full rank
  let rank = 0;
  for (let first = 0; first < rows; first += BLOCK) {
    const count = Math.min(BLOCK, rows - first);
    const rest = x.slice(first * dim, (first + count) * dim);
    const before = rank;
    for (let pass = 0; pass < 2 && before > 0; pass++) {
      const along = new Float64Array(count * before);
      timesTransposed(rest, 0, count, basis, before, dim, along);
      for (let i = 0; i < count; i++) {
        for (let j = 0; j < before; j++) wide[(first + i) * most + j] += along[i * before + j];
      }
      addTimes(
        along.map((v) => -v),
        count,
        before,
        basis,
        dim,
        rest,
      );
    }
    for (let i = 0; i < count; i++) {
      const [at, row] = [i * dim, (first + i) * most];
      for (let pass = 0; pass < 2; pass++) {
        for (let j = before; j < rank; j++) {
          const along = dot(rest, at, basis, j * dim, dim);
          wide[row + j] += along;
          for (let k = 0; k < dim; k++) rest[at + k] -= along * basis[j * dim + k];
        }
      }
      const length = Math.sqrt(dot(rest, at, rest, at, dim));
      const whole = (first + i) * dim;
      if (rank === most || !(length > LEAST * Math.sqrt(dot(x, whole, x, whole, dim)))) continue;
      for (let k = 0; k < dim; k++) basis[rank * dim + k] = rest[at + k] / length;
      wide[row + rank++] = length;
    }
    yield;
  }
  const coordinates = new Float64Array(rows * rank);
  for (let i = 0; i < rows; i++) coordinates.set(wide.subarray(i * most, i * most + rank), i * rank);
  return { rank, coordinates, basis: basis.slice(0, rank * dim) };
}
