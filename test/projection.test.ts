import { describe, expect, it } from 'vitest';
import { nearestNeighbours } from '../lib/evaluate/knn.js';
import { pca, umap } from '../lib/evaluate/projection.js';
import { Random } from '../lib/util/random.js';

describe('pca', () => {
  it('finds the axes of a stretched and turned cloud', async () => {
    const random = new Random(1);
    const [c, s] = [Math.cos(0.5), Math.sin(0.5)];
    const embeddings = new Float32Array(3000);
    for (let i = 0; i < 1000; i++) {
      const [u, v, w] = [5 * random.normal(), 2 * random.normal(), 0.1 * random.normal()];
      embeddings.set([c * u - s * v + 100, s * u + c * v - 50, w], i * 3);
    }
    const { points, explained } = await pca(embeddings, 3);
    expect(explained[0]).toBeCloseTo(25 / 29.01, 1);
    expect(explained[1]).toBeCloseTo(4 / 29.01, 1);
    const column = (k: number) => Array.from({ length: 1000 }, (_, i) => points[i * 2 + k]);
    const inner = (a: number[], b: number[]) => a.reduce((sum, v, i) => sum + v * b[i], 0) / 1000;
    expect(Math.abs(inner(column(0), column(1)))).toBeLessThan(1e-6); // uncorrelated
    expect(inner(column(0), column(0)) / inner(column(1), column(1))).toBeCloseTo(explained[0] / explained[1], 6);
    // The first direction is (cos, sin, 0): its projection is the coordinate along it, with a positive sign.
    const along = (i: number) => c * (embeddings[i * 3] - 100) + s * (embeddings[i * 3 + 1] + 50);
    const scatter = column(0).reduce((sum, v, i) => sum + (v - along(i)) ** 2, 0) / 1000;
    expect(scatter).toBeLessThan(0.1);
  });

  it('keeps all distances when it keeps all components', async () => {
    const random = new Random(2);
    const x = Float32Array.from({ length: 40 * 5 }, () => random.normal());
    const { points, explained } = await pca(x, 5, { components: 5 });
    expect(explained.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    const distance = (m: ArrayLike<number>, a: number, b: number) =>
      Math.hypot(...[0, 1, 2, 3, 4].map((k) => m[a * 5 + k] - m[b * 5 + k]));
    for (let i = 1; i < 40; i++) expect(distance(points, 0, i)).toBeCloseTo(distance(x, 0, i), 9);
  });

  it('copes with rows that are all the same', async () => {
    const { points, explained } = await pca(new Float32Array(12).fill(3), 4);
    expect([...points].every((p) => Math.abs(p) < 1e-12)).toBe(true);
    expect(explained).toEqual([0, 0]);
  });
});

describe('umap', () => {
  const random = new Random(3);
  const labels = Array.from({ length: 90 }, (_, i) => i % 3);
  const clouds = Float32Array.from({ length: 90 * 10 }, (_, at) => {
    const row = Math.floor(at / 10);
    return (at % 10 === labels[row] ? 8 : 0) + random.normal();
  });

  it('keeps clouds together', async () => {
    const { points } = await umap(clouds, 10);
    const { indices } = await nearestNeighbours(Float32Array.from(points), Float32Array.from(points), 2, {
      k: 5,
      excludeSelf: true,
    });
    const own = indices.filter((j, at) => labels[j] === labels[Math.floor(at / 5)]).length;
    expect(own / indices.length).toBeGreaterThan(0.98);
  });

  it('repeats for the same seed only', async () => {
    const [a, b, c] = [
      await umap(clouds, 10, { seed: 1 }),
      await umap(clouds, 10, { seed: 1 }),
      await umap(clouds, 10),
    ];
    expect(a.points).toEqual(b.points);
    expect(a.points).not.toEqual(c.points);
  });

  it('takes few and identical rows, and refuses too few', async () => {
    const { points } = await umap(new Float32Array(4 * 3).fill(1), 3);
    expect(points.length).toBe(8);
    expect(points.every(Number.isFinite)).toBe(true);
    await expect(umap(new Float32Array(9), 3)).rejects.toThrow(/at least 4 rows/);
  });
});
