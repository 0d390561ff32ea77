import fc from 'fast-check';
import { Matrix, solve } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import type { LabelledFeatures } from '../lib/evaluate/features.js';
import { fitLinearProbe, type LinearProbe } from '../lib/evaluate/linear-probe.js';
import { Random } from '../lib/util/random.js';

/** Gaussian clouds: class c is centred at `distance` × a random direction; features differ in scale and offset. */
function clouds(random: Random, classes: number, perClass: number, dim: number, distance: number): LabelledFeatures {
  const centres = Array.from({ length: classes * dim }, () => distance * random.normal());
  const rows = classes * perClass;
  const labels = Int32Array.from({ length: rows }, (_, i) => i % classes);
  const embeddings = new Float32Array(rows * dim);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < dim; k++) {
      embeddings[i * dim + k] = (centres[labels[i] * dim + k] + random.normal()) * 10 ** ((k % 5) - 2) + k;
    }
  }
  return { embeddings, dim, labels, classes };
}

/** The data as a probe sees it, computed the slow way. */
function standardised({ embeddings, dim, labels }: LabelledFeatures): number[][] {
  const columns = Array.from({ length: dim }, (_, k) => Array.from(labels, (_, i) => embeddings[i * dim + k]));
  for (const column of columns) {
    const mean = column.reduce((a, b) => a + b) / column.length;
    const std = Math.sqrt(column.reduce((sum, v) => sum + (v - mean) ** 2, 0) / column.length);
    column.forEach((v, i) => {
      column[i] = (v - mean) / std;
    });
  }
  return Array.from(labels, (_, i) => columns.map((column) => column[i]));
}

/** Loss, gradient [C·(D + 1)] (per class: D weights, then the bias) and Hessian, from their textbook definitions. */
function textbook(x: number[][], labels: Int32Array, classes: number, strength: number, theta: number[]) {
  const dim = x[0].length;
  const width = dim + 1;
  const n = classes * width;
  const gradient = new Array<number>(n).fill(0);
  const hessian = Matrix.zeros(n, n);
  let loss = 0;
  x.forEach((row, i) => {
    const extended = [...row, 1];
    const logits = Array.from({ length: classes }, (_, c) =>
      extended.reduce((sum, v, k) => sum + v * theta[c * width + k], 0),
    );
    const normaliser = Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0));
    const p = logits.map((z) => Math.exp(z - normaliser));
    loss += (normaliser - logits[labels[i]]) / x.length;
    for (let c = 0; c < classes; c++) {
      for (let k = 0; k < width; k++) {
        gradient[c * width + k] += ((p[c] - (c === labels[i] ? 1 : 0)) * extended[k]) / x.length;
        for (let d = 0; d < classes; d++) {
          for (let l = 0; l < width; l++) {
            const value = ((c === d ? p[c] : 0) - p[c] * p[d]) * extended[k] * extended[l];
            hessian.set(c * width + k, d * width + l, hessian.get(c * width + k, d * width + l) + value / x.length);
          }
        }
      }
    }
  });
  for (let c = 0; c < classes; c++) {
    for (let k = 0; k < dim; k++) {
      const at = c * width + k;
      loss += (strength / 2) * theta[at] ** 2;
      gradient[at] += strength * theta[at];
      hessian.set(at, at, hessian.get(at, at) + strength);
    }
  }
  return { loss, gradient, hessian };
}

/** Newton's method. A tiny ridge on the step makes the Hessian regular (all biases may shift together). */
function newton(x: number[][], labels: Int32Array, classes: number, strength: number): number[] {
  let theta = new Array<number>(classes * (x[0].length + 1)).fill(0);
  for (let iteration = 0; iteration < 50; iteration++) {
    const { gradient, hessian, loss } = textbook(x, labels, classes, strength, theta);
    if (Math.max(...gradient.map(Math.abs)) < 1e-13) break;
    for (let i = 0; i < theta.length; i++) hessian.set(i, i, hessian.get(i, i) + 1e-10);
    const step = solve(hessian, Matrix.columnVector(gradient)).to1DArray();
    let scale = 1;
    const moved = () => theta.map((t, i) => t - scale * step[i]);
    while (textbook(x, labels, classes, strength, moved()).loss > loss + 1e-12) scale /= 2;
    theta = moved();
  }
  return theta;
}

const parameters = (probe: LinearProbe): number[] =>
  Array.from(probe.bias).flatMap((b, c) => [...probe.weights.subarray(c * probe.dim, (c + 1) * probe.dim), b]);

const share = (labels: Int32Array, predicted: Int32Array) =>
  labels.filter((label, i) => predicted[i] === label).length / labels.length;

describe('linear probe', () => {
  it("finds Newton's solution, from strong to very weak regularisation", async () => {
    const data = clouds(new Random(1), 4, 30, 5, 0.7);
    const x = standardised(data);
    for (const strength of [1, 0.1, 1e-3, 1e-5]) {
      const probe = await fitLinearProbe(data, { strengths: strength, tolerance: 1e-9 });
      const expected = newton(x, data.labels, data.classes, strength);
      const error = Math.max(...parameters(probe).map((v, i) => Math.abs(v - expected[i])));
      // Weak regularisation leaves flat directions, in which a gradient of 1e-9 allows 1e-9 / curvature.
      expect(error).toBeLessThan(strength >= 0.1 ? 1e-7 : 1e-5);
      expect(probe.strength).toBe(strength);
      expect(probe.scores).toEqual([]);
    }
  });

  it('reports a gradient that the textbook formula confirms', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.integer({ min: 2, max: 6 }),
        fc.integer({ min: 2, max: 9 }),
        fc.integer({ min: 1, max: 12 }),
        fc.constantFrom(1, 0.03, 1e-4),
        async (seed, classes, perClass, dim, strength) => {
          const data = clouds(new Random(seed), classes, perClass, dim, 1);
          const probe = await fitLinearProbe(data, { strengths: strength });
          expect(probe.converged).toBe(true);
          expect(probe.gradientNorm).toBeLessThanOrEqual(1e-6);
          const { gradient } = textbook(standardised(data), data.labels, classes, strength, parameters(probe));
          expect(Math.max(...gradient.map(Math.abs))).toBeLessThan(1.1e-6);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('has the closed form for two balanced points: w = ±u with 2·strength·u = 1 / (1 + e^(2u))', async () => {
    // Standardised x = ±1; by symmetry weights are ±u/1 for the classes, no bias: dF/du = 0 in one unknown.
    const data = { embeddings: Float32Array.of(3, 5), dim: 1, labels: Int32Array.of(0, 1), classes: 2 };
    const strength = 0.05;
    const { weights, bias } = await fitLinearProbe(data, { strengths: strength, tolerance: 1e-12 });
    let [low, high] = [0, 100];
    for (let i = 0; i < 200; i++) {
      const u = (low + high) / 2;
      // F = ln(1 + e^(−2u)) + strength/2 · 2u²
      if (-2 / (1 + Math.exp(2 * u)) + 2 * strength * u < 0) low = u;
      else high = u;
    }
    expect(weights[1]).toBeCloseTo(low, 9);
    expect(weights[0]).toBeCloseTo(-low, 9);
    expect(Math.abs(bias[0])).toBeLessThan(1e-9);
  });

  it('separates what can be separated, and finds nothing in noise', async () => {
    const random = new Random(2);
    const far = clouds(random, 5, 40, 20, 6);
    expect(share(far.labels, (await fitLinearProbe(far)).predict(far.embeddings))).toBe(1);
    const noise = clouds(random, 4, 100, 20, 0);
    const fresh = Float32Array.from(
      { length: 2000 * 20 },
      (_, at) => random.normal() * 10 ** ((at % 5) - 2) + (at % 20),
    );
    const probe = await fitLinearProbe(noise);
    const right = share(
      Int32Array.from({ length: 2000 }, (_, i) => i % 4),
      probe.predict(fresh),
    );
    expect(Math.abs(right - 0.25)).toBeLessThan(0.04); // four standard errors of 2000 guesses
    expect(probe.strength).toBeGreaterThanOrEqual(0.1);
  });

  it('is unmoved by scaling and shifting features, constant and repeated ones included', async () => {
    const data = clouds(new Random(3), 3, 20, 4, 1);
    const wide = new Float32Array(60 * 6);
    for (let i = 0; i < 60; i++) {
      for (let k = 0; k < 4; k++) wide[i * 6 + k] = data.embeddings[i * 4 + k] * 1000 + 7;
      wide[i * 6 + 4] = 0.1;
      wide[i * 6 + 5] = 1e30;
    }
    const plain = await fitLinearProbe(data, { strengths: 0.01 });
    const other = await fitLinearProbe({ ...data, embeddings: wide, dim: 6 }, { strengths: 0.01 });
    const [p, q] = [plain.probabilities(data.embeddings), other.probabilities(wide)];
    expect(Math.max(...p.map((v, i) => Math.abs(v - q[i])))).toBeLessThan(1e-3); // float32 features lose digits
    expect(other.converged).toBe(true);
  });

  it('of fewer clips than features is the minimum among all weights', async () => {
    const data = clouds(new Random(9), 3, 7, 40, 1);
    for (const strength of [1, 1e-2, 1e-5]) {
      const probe = await fitLinearProbe(data, { strengths: strength });
      const { gradient } = textbook(standardised(data), data.labels, data.classes, strength, parameters(probe));
      expect(Math.max(...gradient.map(Math.abs))).toBeLessThan(1.1e-6);
      expect(probe.converged).toBe(true);
      expect(probe.gradientNorm).toBeCloseTo(Math.max(...gradient.map(Math.abs)), 9);
    }
  });

  it('answers the most frequent label where features say nothing', async () => {
    for (const dim of [2, 30]) {
      const data = { embeddings: new Float32Array(10 * dim).fill(3), dim, labels: new Int32Array(10), classes: 2 };
      data.labels.fill(1, 0, 6);
      const probe = await fitLinearProbe(data);
      expect(probe.probabilities(data.embeddings)[1]).toBeCloseTo(0.6, 4);
    }
  });

  it('gives probabilities that sum to one, and the same logits from raw features', async () => {
    const data = clouds(new Random(4), 3, 20, 6, 1);
    const probe = await fitLinearProbe(data);
    const p = probe.probabilities(data.embeddings);
    const raw = probe.raw();
    for (let i = 0; i < data.labels.length; i++) {
      const row = p.subarray(i * 3, (i + 1) * 3);
      expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
      const x = data.embeddings.subarray(i * 6, (i + 1) * 6);
      const logits = Array.from(raw.bias, (b, c) => x.reduce((sum, v, k) => sum + v * raw.weights[c * 6 + k], b));
      expect(Math.log(row[0] / row[2])).toBeCloseTo(logits[0] - logits[2], 8);
    }
  });

  it('gives a class without examples probability zero', async () => {
    const data = { ...clouds(new Random(5), 3, 10, 4, 1), classes: 5 };
    const probe = await fitLinearProbe(data);
    expect(probe.converged).toBe(true);
    const p = probe.probabilities(data.embeddings);
    for (let i = 0; i < 30; i++) expect([p[i * 5 + 3], p[i * 5 + 4]]).toEqual([0, 0]);
  });

  it('averages over the slices of a clip and keeps them in one fold', async () => {
    // Slices of one clip are near copies: were they in different folds, memorising clips would look like learning.
    const random = new Random(6);
    const [clips, slices, dim] = [60, 4, 100];
    const clip = Int32Array.from({ length: clips * slices }, (_, i) => 1000 - Math.floor(i / slices));
    const centres = Float32Array.from({ length: clips * dim }, () => random.normal());
    const embeddings = Float32Array.from(
      { length: clip.length * dim },
      (_, at) => centres[Math.floor(at / dim / slices) * dim + (at % dim)] + 0.01 * random.normal(),
    );
    const labels = clip.map((c) => c % 2); // unrelated to the features
    const whole = await fitLinearProbe({ embeddings, dim, labels, classes: 2, clips: clip });
    const leaking = await fitLinearProbe({ embeddings, dim, labels, classes: 2 });
    expect(Math.max(...whole.scores.map((s) => s.accuracy))).toBeLessThan(0.75);
    expect(Math.max(...leaking.scores.map((s) => s.accuracy))).toBeGreaterThan(0.9);

    const [rows, byClip] = [whole.probabilities(embeddings), whole.probabilities(embeddings, clip)];
    expect(byClip.length).toBe(clips * 2);
    const mean = [0, 1, 2, 3].reduce((sum, i) => sum + rows[i * 2] / 4, 0);
    expect(byClip[0]).toBeCloseTo(mean, 12);
  });

  it('is deterministic', async () => {
    const data = clouds(new Random(7), 3, 20, 8, 0.5);
    const [a, b] = [await fitLinearProbe(data, { seed: 3 }), await fitLinearProbe(data, { seed: 3 })];
    expect(a.weights).toEqual(b.weights);
    expect(a.scores).toEqual(b.scores);
  });

  it('copes with as little as one example a class', async () => {
    const data = { embeddings: Float32Array.of(1, 2, 3, 5), dim: 2, labels: Int32Array.of(0, 1), classes: 2 };
    const probe = await fitLinearProbe(data);
    expect([...probe.predict(data.embeddings)]).toEqual([0, 1]);
    expect(probe.scores).toEqual([]);
  });

  it('leaves the event loop free and stops when told to', async () => {
    const data = clouds(new Random(8), 20, 100, 96, 0.2);
    let turns = 0;
    const controller = new AbortController();
    const timer = setInterval(() => ++turns === 3 && controller.abort(), 1);
    await expect(fitLinearProbe(data, { signal: controller.signal })).rejects.toThrow(/abort/i);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(2);
  });

  it('refuses data and options that make no sense', async () => {
    const good = { embeddings: Float32Array.of(1, 2, 3, 4), dim: 2, labels: Int32Array.of(0, 1), classes: 2 };
    const refused = (change: object, message: RegExp) =>
      expect(fitLinearProbe({ ...good, ...change })).rejects.toThrow(message);
    await refused({ dim: 3 }, /train.embeddings.length must be a positive multiple of dim \(3\), got 4/);
    await refused({ labels: Int32Array.of(0) }, /train.labels must be 2 labels/);
    await refused({ labels: Int32Array.of(0, 2) }, /train.labels must be integers from 0 to 1, got 2/);
    await refused({ embeddings: Float32Array.of(1, 2, 3, Number.NaN) }, /row 1 holds NaN at column 1/);
    await refused({ clips: Int32Array.of(7, 7) }, /the same for all rows of a clip/);
    await expect(fitLinearProbe(good, { strengths: 0 })).rejects.toThrow(/strengths must be numbers above 0/);
    await expect(fitLinearProbe(good, { strengths: [] })).rejects.toThrow(/strengths/);
    await expect(fitLinearProbe(good, { folds: 1 })).rejects.toThrow(/folds/);
    const probe = await fitLinearProbe(good);
    expect(() => probe.predict(Float32Array.of(1, 2, 3))).toThrow(/multiple of dim \(2\), got 3/);
  });
});
