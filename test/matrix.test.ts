import { describe, expect, it } from 'vitest';
import { inverse } from '../lib/matrix/positive-definite.js';
import { addTimes, addTransposedTimes, squaredLengths, times, timesTransposed } from '../lib/matrix/products.js';
import { rowSpace } from '../lib/matrix/row-space.js';
import { runNow } from '../lib/util/cooperative.js';
import { Random } from '../lib/util/random.js';

const normal = (random: Random, n: number) => Float64Array.from({ length: n }, () => random.normal());

/** A [m, k] · B [k, n], by the definition. */
function product(a: Float64Array, b: Float64Array, m: number, k: number, n: number): Float64Array {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) for (let l = 0; l < k; l++) c[i * n + j]! += a[i * k + l]! * b[l * n + j]!;
  return c;
}

function transposed(a: Float64Array, rows: number, columns: number): Float64Array {
  return Float64Array.from(a, (_, at) => a[(at % rows) * columns + Math.floor(at / rows)]!);
}

const worst = (a: Float64Array, b: Float64Array) => a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0);

describe('products of matrices', () => {
  // Sizes below, at and above those of tiles and panels.
  const sizes = [
    [1, 1, 1],
    [3, 7, 5],
    [12, 16, 16],
    [13, 256, 17],
    [121, 300, 33],
    [5, 700, 530],
    [250, 2, 1],
  ] as const;

  it.each(sizes)('%i × %i × %i', (m, k, n) => {
    const random = new Random(1);
    const [a, b, c] = [normal(random, m * k), normal(random, k * n), normal(random, m * n)];
    const expected = product(a, b, m, k, n);
    const sum = expected.map((v, i) => v + c[i]!);
    const close = 1e-14 * k + 1e-14;
    const out = new Float64Array(m * n);
    times(a, m, k, b, n, out);
    expect(worst(out, expected)).toBeLessThan(close);
    timesTransposed(Float64Array.of(...new Array(k).fill(9), ...a), 1, m, transposed(b, k, n), n, k, out);
    expect(worst(out, expected)).toBeLessThan(close);
    const added = c.slice();
    addTimes(a, m, k, b, n, added);
    expect(worst(added, sum)).toBeLessThan(close);
    const more = c.slice();
    addTransposedTimes(transposed(a, m, k), m, b, 0, k, n, more);
    expect(worst(more, sum)).toBeLessThan(close);
  });

  it('gives equal rows equal results, wherever they stand', () => {
    const [rows, dim] = [67, 531];
    const row = normal(new Random(2), dim);
    const x = new Float64Array(rows * dim);
    for (let i = 0; i < rows; i++) x.set(row, i * dim);
    const out = new Float64Array(rows * rows);
    timesTransposed(x, 0, rows, x, rows, dim, out);
    expect(new Set(out).size).toBe(1);
    expect(new Set(squaredLengths(x, dim))).toEqual(new Set(out));
  });

  it.each([1, 5, 48, 49, 131])('inverse of %i rows', (n) => {
    const x = normal(new Random(3), 2 * n * n);
    const matrix = new Float64Array(n * n);
    timesTransposed(x, 0, n, x, n, 2 * n, matrix);
    const found = runNow(inverse(matrix, n));
    const one = Float64Array.from({ length: n * n }, (_, at) => (at % (n + 1) === 0 ? 1 : 0));
    expect(worst(product(matrix, found, n, n, n), one)).toBeLessThan(1e-11);
  });

  it.each([
    [7, 30, 7],
    [60, 100, 60],
    [100, 120, 20],
    [4, 9, 0],
  ])('%i rows of %i in coordinates of rank %i', (rows, dim, rank) => {
    const random = new Random(4);
    const x = product(normal(random, rows * rank), normal(random, rank * dim), rows, rank, dim);
    const space = runNow(rowSpace(x, rows, dim));
    expect(space.rank).toBe(rank);
    expect(worst(product(space.coordinates, space.basis, rows, rank, dim), x)).toBeLessThan(1e-12);
    const one = Float64Array.from({ length: rank * rank }, (_, at) => (at % (rank + 1) === 0 ? 1 : 0));
    expect(worst(product(space.basis, transposed(space.basis, rank, dim), rank, dim, rank), one)).toBeLessThan(1e-12);
  });
});
