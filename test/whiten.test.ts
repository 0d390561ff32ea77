// Whitening of a trained encoder: lib/systems/audio2vec/whiten.ts.
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { beforeAll, describe, expect, test } from 'vitest';
import { Encoder } from '../lib/embed/encoder.js';
import type { EncoderModel } from '../lib/models/encoder-model.js';
import { encoderWeights, withIdentities } from '../lib/models/initial-weights.js';
import { whitened, withWhitenedReadOut } from '../lib/systems/audio2vec/whiten.js';
import { memoryStore } from './helpers/memory-store.js';
import { randomModel } from './helpers/models.js';

const config = { frames: 16, bands: 64, channels: [4, 8], embedding: 12 };
const dim = config.embedding;
const store = memoryStore([400, 90, 16, 700, 300]);
const clips = [0, 1, 2, 3, 4];
let plain: EncoderModel;
let white: EncoderModel;

beforeAll(async () => {
  plain = { ...randomModel(3, config), mean: store.mean, std: store.std };
  white = await whitened(plain, { store, clips, seed: 1 });
});

/** Embeddings of all slices of the corpus, `[slices, dim]`. */
async function embeddings(model: EncoderModel): Promise<Matrix> {
  const encoder = Encoder.fromModel(model);
  const rows: number[][] = [];
  for (const clip of clips) {
    const start = store.clipStarts[clip]!;
    const logMel = store.read(start, store.clipStarts[clip + 1]! - start);
    const found = (await encoder.embedLogMel(logMel, { hop: 1 })).embeddings;
    for (let i = 0; i < found.length; i += dim) rows.push([...found.subarray(i, i + dim)]);
  }
  return new Matrix(rows);
}

const covariance = (x: Matrix) => {
  const centred = x.clone().subRowVector(x.mean('column'));
  return centred.transpose().mmul(centred).div(x.rows);
};
const eigenvalues = (m: Matrix) => new EigenvalueDecomposition(m, { assumeSymmetric: true }).realEigenvalues;

test('every direction with variance v has v / (v + λ) afterwards, and the mean is 0', async () => {
  const before = eigenvalues(covariance(await embeddings(plain))).sort((a, b) => a - b);
  const y = await embeddings(white);
  const after = eigenvalues(covariance(y)).sort((a, b) => a - b);
  const lambda = (0.1 * before.reduce((a, b) => a + b)) / dim;
  // Whitening drew 16384 slices, which are not quite those of this test.
  before.forEach((v, i) => {
    expect(after[i]!).toBeCloseTo(v / (v + lambda), 1);
  });
  for (const m of y.mean('column')) expect(Math.abs(m)).toBeLessThan(0.05);
  // Not so before: otherwise this test would show nothing.
  expect(before[dim - 1]! / before[0]!).toBeGreaterThan(10 * (after[dim - 1]! / after[0]!));
});

test('all that changes is the last layer, by one symmetric map', async () => {
  const changed = [...white.weights].flatMap(([name, w]) =>
    w.every((v, i) => v === plain.weights.get(name)?.[i]) ? [] : [name],
  );
  expect(changed.filter((name) => plain.weights.has(name)).sort()).toEqual(['encoder.fc.bias', 'encoder.fc.weight']);
  // New weights are M W; that M is symmetric shows in Wᵀ M W.
  const weight = (m: EncoderModel) => Matrix.from1DArray(dim, 8, m.weights.get('encoder.fc.weight')!);
  const [w, m] = [weight(plain), weight(white)];
  const seen = w.transpose().mmul(m); // Wᵀ M W
  expect(seen.clone().sub(seen.transpose()).abs().max()).toBeLessThan(1e-4 * seen.clone().abs().max());
});

test('the same seed gives the same bits, another seed about the same', async () => {
  const again = await whitened(plain, { store, clips, seed: 1, threads: 1 });
  expect(again.weights).toEqual(white.weights);
  const other = (await whitened(plain, { store, clips, seed: 2 })).weights.get('encoder.fc.weight')!;
  const one = white.weights.get('encoder.fc.weight')!;
  const scale = Math.max(...one.map(Math.abs));
  other.forEach((v, i) => {
    expect(Math.abs(v - one[i]!)).toBeLessThan(0.1 * scale);
  });
  expect(other).not.toEqual(one);
});

test('an encoder that says the same to everything goes on saying it', async () => {
  const weights = new Map(plain.weights);
  weights.set('encoder.fc.weight', new Float32Array(dim * 8));
  const constant = { ...plain, weights };
  expect(encoderWeights((await whitened(constant, { store, clips, seed: 1 })).weights)).toEqual(weights);
});

describe('the read-out', () => {
  /** Channels of a map, a row for every slice and band, and the mean of each band. */
  const rows = async (model: EncoderModel, map: 0 | 1) => {
    const encoder = Encoder.fromModel(model, { readOut: 'whitened' });
    const places = [32, 16][map]!;
    const [first, channels] = [[dim, dim + 4 * 32][map]!, config.channels[map]!];
    const byPlace: number[][][] = Array.from({ length: places }, () => []);
    for (const clip of clips) {
      const start = store.clipStarts[clip]!;
      const logMel = store.read(start, store.clipStarts[clip + 1]! - start);
      const found = (await encoder.embedLogMel(logMel, { hop: 1 })).embeddings;
      for (let i = 0; i < found.length; i += encoder.dimension) {
        for (let p = 0; p < places; p++) {
          byPlace[p]!.push(Array.from({ length: channels }, (_, c) => found[i + first + c * places + p]!));
        }
      }
    }
    return byPlace.map((place) => new Matrix(place));
  };
  const around = (places: Matrix[]) =>
    places
      .map(covariance)
      .reduce((a, b) => a.add(b))
      .div(places.length);

  test.each([0, 1] as const)('of map %i: every direction of channels with variance v has v / (v + λ)', async (map) => {
    const before = await rows({ ...plain, weights: withIdentities(config, plain.weights) }, map);
    const all = new Matrix(before.flatMap((place) => place.to2DArray()));
    const std = all.standardDeviation('column').map((s) => s || 1);
    const variances = eigenvalues(around(before.map((place) => place.divRowVector(std)))).sort((a, b) => a - b);
    const after = await rows(white, map);
    const found = eigenvalues(around(after.map((place) => place.clone()))).sort((a, b) => a - b);
    const lambda = (0.1 * variances.reduce((a, b) => a + b)) / variances.length;
    variances.forEach((v, i) => {
      expect(found[i]!).toBeCloseTo(Math.max(0, v) / (Math.max(0, v) + lambda), 1);
    });
    for (const m of new Matrix(after.flatMap((place) => place.to2DArray())).mean('column')) {
      expect(Math.abs(m)).toBeLessThan(0.05);
    }
  });

  test('can be learnt without touching embeddings', async () => {
    const only = await withWhitenedReadOut(plain, { store, clips, seed: 1 });
    expect(encoderWeights(only.weights)).toEqual(new Map(plain.weights));
    for (const [name, w] of white.weights) if (!plain.weights.has(name)) expect(only.weights.get(name)).toEqual(w);
  });
});

test('stops when told to', async () => {
  const signal = AbortSignal.abort();
  await expect(whitened(plain, { store, clips, seed: 1, signal })).rejects.toMatchObject({ name: 'AbortError' });
});
