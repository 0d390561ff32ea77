import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classifyByNeighbours, type Metric, nearestNeighbours, vote } from '../lib/evaluate/knn.js';
import { Random } from '../lib/util/random.js';

function bruteForce(base: Float32Array, queries: Float32Array, dim: number, metric: Metric): number[][] {
  const row = (m: Float32Array, i: number) => [...m.subarray(i * dim, (i + 1) * dim)];
  const length = (x: number[]) => Math.sqrt(x.reduce((s, v) => s + v * v, 0));
  const distance = (x: number[], y: number[]) =>
    metric === 'euclidean'
      ? length(x.map((v, k) => v - y[k]))
      : 1 - x.reduce((s, v, k) => s + v * y[k], 0) / (length(x) * length(y) || 1);
  return Array.from({ length: queries.length / dim }, (_, q) =>
    Array.from({ length: base.length / dim }, (_, b) => distance(row(queries, q), row(base, b))),
  );
}

const matrix = (random: Random, rows: number, dim: number) =>
  Float32Array.from({ length: rows * dim }, () => random.normal() + 3);

describe('nearest neighbours', () => {
  it('are those of brute force, for any size and both metrics', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 15 }),
        fc.constantFrom<Metric>('euclidean', 'cosine'),
        async (seed, rows, count, dim, k, metric) => {
          fc.pre(metric === 'euclidean' || dim > 1); // in one dimension all cosines are equal
          const random = new Random(seed);
          const [base, queries] = [matrix(random, rows, dim), matrix(random, count, dim)];
          const found = await nearestNeighbours(base, queries, dim, { k, metric });
          expect(found.k).toBe(Math.min(k, rows));
          bruteForce(base, queries, dim, metric).forEach((distances, q) => {
            const nearest = [...distances.keys()].sort((a, b) => distances[a] - distances[b]).slice(0, found.k);
            nearest.forEach((b, i) => {
              const at = q * found.k + i;
              expect(found.distances[at]).toBeCloseTo(distances[b], 6);
              expect(distances[found.indices[at]]).toBeCloseTo(distances[b], 6);
            });
          });
        },
      ),
    );
  });

  it('finds identical rows at distance 0, lower index first', async () => {
    const random = new Random(1);
    const base = matrix(random, 9, 33);
    for (const copy of [4, 8]) base.set(base.subarray(33, 66), copy * 33);
    const { indices, distances } = await nearestNeighbours(base, base.slice(33, 66), 33, { k: 3 });
    expect([...indices]).toEqual([1, 4, 8]);
    expect([...distances]).toEqual([0, 0, 0]);
  });

  it('leaves a row out of its own list on request', async () => {
    const base = Float32Array.of(0, 1, 3);
    const { k, indices } = await nearestNeighbours(base, base, 1, { excludeSelf: true });
    expect(k).toBe(2);
    expect([...indices]).toEqual([1, 2, 0, 2, 1, 0]);
  });

  it('puts a zero vector at cosine distance 1', async () => {
    const { distances } = await nearestNeighbours(Float32Array.of(1, 0, 0, 0), Float32Array.of(2, 0), 2, {
      metric: 'cosine',
    });
    expect([...distances]).toEqual([0, 1]);
  });

  it('refuses arguments that make no sense', async () => {
    const x = Float32Array.of(1, 2);
    await expect(nearestNeighbours(x, x, 1, { k: 0 })).rejects.toThrow(/k must be a positive integer, got 0/);
    await expect(nearestNeighbours(x, x, 1, { metric: 'manhattan' as Metric })).rejects.toThrow(/metric/);
    await expect(nearestNeighbours(x, x, 3)).rejects.toThrow(
      /base.length must be a positive multiple of dim \(3\), got 2/,
    );
    await expect(nearestNeighbours(x, x.slice(1), 1, { excludeSelf: true })).rejects.toThrow(
      /queries.length must be base.length \(2\) with excludeSelf, got 1/,
    );
  });
});

describe('voting', () => {
  const neighbours = (...indices: number[]) => ({
    k: indices.length,
    indices: Int32Array.from(indices),
    distances: Float64Array.from(indices.keys()),
  });
  const labels = Int32Array.of(0, 0, 1, 1, 2);

  it('follows the majority, not the nearest', () => {
    expect([...vote(neighbours(4, 2, 3), labels, 3)]).toEqual([1]);
  });

  it('gives a tie to the class with the nearest member', () => {
    expect([...vote(neighbours(2, 0, 1, 3), labels, 3)]).toEqual([1]);
    expect([...vote(neighbours(4, 0, 2, 1, 3), labels, 3)]).toEqual([0]);
  });

  it('classifies clouds that lie apart', async () => {
    const random = new Random(2);
    const cloud = (rows: number) => {
      const labelsOf = Int32Array.from({ length: rows }, (_, i) => i % 3);
      const embeddings = Float32Array.from({ length: rows * 2 }, (_, at) => 10 * labelsOf[at >> 1] + random.normal());
      return { embeddings, dim: 2, labels: labelsOf, classes: 3 };
    };
    const [train, test] = [cloud(60), cloud(30)];
    expect(await classifyByNeighbours(train, test.embeddings)).toEqual(test.labels);
  });
});
