// The system `codes`: masks, codebooks, measures and warnings, whole small runs.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runReport } from '../lib/report/run-report.js';
import { drawCandidates, drawMask } from '../lib/systems/wav2vec-c/batches.js';
import { moveCentroids, placeCentroids, restartScores, usage } from '../lib/systems/wav2vec-c/codebook.js';
import { trainingGraph } from '../lib/systems/wav2vec-c/graph.js';
import { codeStatistics, codeWarnings } from '../lib/systems/wav2vec-c/measures.js';
import { codesConfig } from '../lib/systems/wav2vec-c/options.js';
import { SpeechCodes, wav2vecC } from '../lib/systems/wav2vec-c/system.js';
import { prepareCodes, temperature } from '../lib/systems/wav2vec-c/training.js';
import { readRunLog } from '../lib/train/run-log.js';
import { resumeTraining, train } from '../lib/train/train.js';
import { Random } from '../lib/util/random.js';
import { sound } from './helpers/codes.js';
import { memoryStore } from './helpers/memory-store.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-codes-'));
});
afterAll(() => rm(folder, { recursive: true }));

const corpus = memoryStore([150, 200, 170, 160, 180, 150, 220, 150]);
const small = {
  batchSize: 3,
  width: 16,
  seconds: 1,
  warmUp: 2,
  distractors: 5,
  heldOut: 0.2,
  threads: 1,
  evaluateEvery: 6,
};

describe('batches', () => {
  test('masks are spans, and distractors are other masked frames', () => {
    const rng = new Random(1);
    for (let i = 0; i < 50; i++) {
      const mask = drawMask(rng, 60, { maskShare: 0.05, maskSpan: 6 });
      const masked = [...mask.keys()].filter((t) => mask[t]);
      expect(masked.length).toBeGreaterThanOrEqual(6);
      for (const run of [...mask].join('').split('0').filter(Boolean)) expect(run.length).toBeGreaterThanOrEqual(6);
      const candidates = new Float32Array(60 * 8);
      drawCandidates(rng, mask, candidates);
      for (let t = 0; t < 60; t++) {
        const row = [...candidates.subarray(t * 8, (t + 1) * 8)];
        if (!mask[t]) expect(row.every((c) => c === -1)).toBe(true);
        else {
          expect(row[0]).toBe(t);
          for (const c of row.slice(1)) expect(c !== t && mask[c] === 1).toBe(true);
        }
      }
    }
  });

  test('batch k depends on the seed and k alone, and old arrays can be filled again', async () => {
    const { training } = await prepareCodes(codesConfig(small), { store: corpus });
    const fifth = structuredClone(await training.batch(5, 100));
    const other = await training.batch(9, 100);
    expect(await training.batch(5, 100, other)).toEqual(fifth);
    expect(await training.batch(6, 100)).not.toEqual(fifth);
  });

  test('the Gumbel temperature falls from the first to the last', () => {
    const config = codesConfig({ quantiser: 'gumbel', temperature: 2, finalTemperature: 0.5 });
    expect([0, 300, 600, 900].map((step) => temperature(config, step, 900))).toEqual([2, 1, 0.5, 0.5]);
  });
});

describe('codebooks', () => {
  const shape = { quantiser: 'k-means', bands: 64, books: 2, codes: 4, dimension: 2, width: 16 } as const;
  const weights = () =>
    new Map([
      ['quantiser.scores.weight', new Float32Array(8 * 4)],
      ['quantiser.scores.bias', new Float32Array(8)],
      ['quantiser.vectors.weight', new Float32Array(4 * 8)],
    ]);
  /** Four corners for each book, with some noise. */
  const points = () => {
    const rng = new Random(3);
    return Float32Array.from({ length: 400 * 4 }, () => (rng.int(2) ? 1 : -1) + 0.05 * rng.normal());
  };
  const codesOf = (w: Map<string, Float32Array>, x: Float32Array) =>
    Int32Array.from({ length: (x.length / 4) * 2 }, (_, i) => {
      const [t, b] = [Math.floor(i / 2), i % 2];
      const score = (v: number) =>
        [0, 1, 2, 3].reduce(
          (sum, j) => sum + w.get('quantiser.scores.weight')![(b * 4 + v) * 4 + j]! * x[t * 4 + j]!,
          w.get('quantiser.scores.bias')![b * 4 + v]!,
        );
      return [0, 1, 2, 3].reduce((best, v) => (score(v) > score(best) ? v : best), 0);
    });

  test('k-means finds clusters, and the largest score is the nearest centroid', () => {
    const [w, x] = [weights(), points()];
    placeCentroids(w, x, shape, new Random(1));
    for (const counts of usage(codesOf(w, x), shape)) for (const n of counts) expect(n).toBeGreaterThan(40);
    const vectors = w.get('quantiser.vectors.weight')!;
    for (let v = 0; v < 4; v++) for (const i of [0, 1]) expect(Math.abs(vectors[i * 8 + v]!)).toBeCloseTo(1, 1);
  });

  test('a centroid that nothing is near is moved to where points are', () => {
    const [w, x] = [weights(), points()];
    placeCentroids(w, x, shape, new Random(1));
    const vectors = w.get('quantiser.vectors.weight')!;
    for (const i of [0, 1]) vectors[i * 8] = 50;
    const again = moveCentroids(w, { points: x, codes: codesOf(w, x) }, shape, { below: 0, rate: 0 }, new Random(2));
    expect(again).toBe(0);
    expect(moveCentroids(w, { points: x, codes: codesOf(w, x) }, shape, { below: 0.1, rate: 0.5 }, new Random(2))).toBe(
      1,
    );
    for (const i of [0, 1]) expect(Math.abs(vectors[i * 8]!)).toBeLessThan(2);
  });

  test('a learnt code that is never chosen becomes like one that is', () => {
    const w = weights();
    const rng = new Random(4);
    for (const values of w.values()) values.set(values.map(() => rng.normal()));
    const codes = Int32Array.from({ length: 200 }, (_, i) =>
      i % 2 === 0 ? [0, 1, 2][Math.floor(i / 2) % 3]! : Math.floor(i / 2) % 4,
    );
    expect(restartScores(w, { points: points(), codes }, shape, 0.05, rng)).toBe(1);
    const bias = w.get('quantiser.scores.bias')!;
    expect([bias[0], bias[1], bias[2]]).toContain(bias[3]);
  });
});

describe('measures and warnings', () => {
  const rng = new Random(7);
  const shape = { books: 1, codes: 16 };
  const segments = (code: (t: number) => number) => [Int32Array.from({ length: 40 * 100 }, (_, i) => code(i % 100))];
  const warned = (code: (t: number) => number) =>
    codeWarnings({ ...codeStatistics(segments(code), shape, 100), contrastiveTop1: 0.5 }, 1000, shape).map(
      (w) => w.code,
    );

  test('codes drawn at random are well used and know nothing of their place', () => {
    const found = codeStatistics(
      segments(() => rng.int(16)),
      shape,
      100,
    );
    expect(found.codebookUse).toBeGreaterThan(0.95);
    expect(found.positionShare).toBeLessThan(0.02);
    expect(warned(() => rng.int(16))).toEqual([]);
  });
  test('two codes only', () => {
    expect(warned(() => rng.int(2))).toEqual(['CODEBOOK_COLLAPSE']);
  });
  test('one book of four that collapsed, though their mean is well used', () => {
    const four = { books: 4, codes: 32 };
    const flat = Int32Array.from({ length: 4 * 4000 }, (_, i) => rng.int(i % 4 === 2 ? 3 : 32));
    const found = codeStatistics([flat], four, 100);
    expect(found.codebookUse).toBeGreaterThan(0.7);
    expect(found.worstBookUse).toBeCloseTo(3 / 32, 2);
    expect(found.topTwoShare).toBeLessThan(0.9);
    const [warning, ...others] = codeWarnings({ ...found, contrastiveTop1: 0.5 }, 1000, four);
    expect(warning).toMatchObject({ code: 'CODEBOOK_COLLAPSE', message: expect.stringContaining('only 9.4 %') });
    expect(others).toEqual([]);
  });
  test('nothing is said of what was not measured', () => {
    expect(codeWarnings({}, 1000, shape)).toEqual([]);
  });
  test('codes that follow from the place, or from its place in a period', () => {
    expect(warned((t) => Math.floor(t / 7))).toEqual(['CODES_TIED_TO_POSITION']);
    expect(warned((t) => (t % 5) * 3 + rng.int(2))).toEqual(['CODES_TIED_TO_POSITION']);
  });
  test('contrastive accuracy at chance, but not in the beginning', () => {
    const fine = {
      worstBookUse: 0.5,
      topTwoShare: 0.2,
      positionShare: 0,
      contrastiveTop1: 0.04,
      contrastiveChance: 0.05,
    };
    expect(codeWarnings(fine, 1000, shape).map((w) => w.code)).toEqual(['CONTRASTIVE_AT_CHANCE']);
    expect(codeWarnings(fine, 100, shape)).toEqual([]);
    expect(codeWarnings({ ...fine, contrastiveTop1: 0.2 }, 1000, shape)).toEqual([]);
    // A short run is judged at its end.
    expect(codeWarnings(fine, 300, { ...shape, steps: 490 })).toEqual([]);
    expect(codeWarnings(fine, 490, { ...shape, steps: 490 })).toHaveLength(1);
  });
  test('codes that follow from the place in the recording', () => {
    const starts = Array.from({ length: 40 }, () => rng.int(900));
    const flat = Int32Array.from({ length: 40 * 100 }, (_, i) => {
      return Math.floor(((starts[Math.floor(i / 100)]! + (i % 100)) * 16) / 1000);
    });
    const found = codeStatistics([flat], shape, 100, starts);
    expect(found.positionShare).toBeGreaterThan(0.5);
    expect(codeStatistics([Int32Array.from(flat, () => rng.int(16))], shape, 100, starts).positionShare).toBeLessThan(
      0.03,
    );
  });
  test('two codes may cover all frames where there are only two', () => {
    const two = { books: 1, codes: 2 };
    const flat = [Int32Array.from({ length: 4000 }, () => rng.int(2))];
    expect(codeWarnings({ ...codeStatistics(flat, two, 100), contrastiveTop1: 0.5 }, 1000, two)).toEqual([]);
  });
});

describe('options', () => {
  test('wrong ones are named', () => {
    expect(() => codesConfig({ quantiser: 'none' as never })).toThrow('quantiser');
    expect(() => codesConfig({ codes: 1 })).toThrow('codes');
    expect(() => codesConfig({ maskShare: 0 })).toThrow('maskShare');
    expect(() => codesConfig({ books: 1.5 })).toThrow('books');
  });
  test('the network has no more than 0.6 million weights in use', () => {
    const { books, codes, dimension, width } = codesConfig({});
    const shape = { quantiser: 'k-means', bands: 64, books, codes, dimension, width } as const;
    const names = /^(prediction|latent_prediction|query|g\.query|g\.key|g\.mask)/;
    const used = trainingGraph(shape, 20, codesConfig({})).params.filter((p) => !names.test(p.name));
    expect(used.reduce((n, p) => n + p.shape.reduce((a, b) => a * b, 1), 0)).toBeLessThan(600_000);
  });
  test('a corpus of recordings too short is told', async () => {
    await expect(prepareCodes(codesConfig({}), { store: memoryStore([50, 60]) })).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/longest has 60 frames.*shorten segments by --seconds \(now [\d.]+\)/),
    });
  });
});

describe('warnings of a run', () => {
  const short = memoryStore([150, 200, 170, 160, 40, 150, 220, 150]);

  test('given minutes, it is judged in the last fifth of the steps that are planned', async () => {
    const config = codesConfig({ ...small, minutes: 1 });
    const { training } = await prepareCodes(config, { store: corpus });
    const codes = (step: number, steps?: number) =>
      training.warnings!({ worstBookUse: 0.05 }, step, steps).map((w) => w.code);
    expect(codes(200, 240)).toEqual(['CODEBOOK_COLLAPSE']);
    for (const steps of [undefined, 300, 5000]) expect(codes(200, steps)).toEqual([]);
    expect(codes(500, 5000)).toEqual(['CODEBOOK_COLLAPSE']);
  });

  test('without held-out recordings only short ones are told of', async () => {
    const out = join(folder, 'none-held-out');
    const options = { ...small, heldOut: 0, books: 2, codes: 8, dimension: 4, steps: 12 };
    const warnings = [];
    for await (const step of train({ system: wav2vecC, corpus: short, out, options })) {
      expect(step.heldOut).toBeUndefined();
      warnings.push(...(step.warnings ?? []));
    }
    expect(warnings.map((w) => w.code)).toEqual(['SHORT_RECORDINGS']);
    const log = await readRunLog(out);
    expect([log.heldOut, log.results!.figures]).toEqual([[], undefined]);
    expect((await runReport(out)).results!.headline).toContain('no recordings were held out');
  });
});

describe.each(['k-means', 'gumbel'] as const)('a run with %s', (quantiser) => {
  const options = { ...small, quantiser, books: 2, codes: 8, dimension: 4, steps: 36, learningRate: 3e-3 };
  const run = (out: string) =>
    train({ system: wav2vecC, corpus, out: join(folder, out), checkpointSeconds: 0, options });

  test('learns, and continued has the bits of an undisturbed one', async () => {
    const whole = [];
    for await (const step of run(`${quantiser}-whole`)) whole.push(step);
    const heldOut = whole.flatMap((s) => s.heldOut ?? []).map((h) => h.parts.latent_prediction!);
    expect(heldOut.at(-1)!).toBeLessThan(0.8 * heldOut[0]!);
    for await (const { step } of run(`${quantiser}-stopped`)) if (step === 13) break;
    const again = {
      system: wav2vecC as never,
      corpus,
      out: join(folder, `${quantiser}-stopped`),
      checkpointSeconds: 0,
    };
    for await (const _ of resumeTraining(again)) void _;
    const [a, b] = await Promise.all(
      ['whole', 'stopped'].map((name) => readFile(join(folder, `${quantiser}-${name}`, 'codes.safetensors'))),
    );
    expect(a!.equals(b!)).toBe(true);
  });

  test('its model codes sound, and its log has the measures', async () => {
    const out = join(folder, `${quantiser}-whole`);
    const { codes } = await (await SpeechCodes.load(join(out, 'codes.safetensors'), { threads: 1 })).encode(
      sound(16000),
    );
    expect(Math.max(...codes)).toBeLessThan(8);
    const log = await readRunLog(out);
    expect(log.results!.headline).toContain('2 × 8 codes');
    expect(Object.keys(log.heldOut.at(-1)!.measured!)).toEqual(
      expect.arrayContaining(['codebookUse', 'contrastiveTop1', 'reconstructionR2', 'positionShare']),
    );
    const { charts, headline } = (await runReport(out)).results!;
    expect(headline).toBe(log.results!.headline);
    const found = charts!.find((c) => c.title.startsWith('Masked frames found'))!;
    const { contrastiveTop1, contrastiveChance } = log.heldOut.at(-1)!.measured!;
    expect(found.series.map((s) => [s.name, s.points.at(-1)![1]])).toEqual([
      ['measured', 100 * contrastiveTop1!],
      ['by chance', 100 * contrastiveChance!],
    ]);
  });

  test('its report has no name of a figure or loss that only the program knows', async () => {
    const out = join(folder, `${quantiser}-whole`);
    const { losses, results } = await runReport(out);
    const log = await readRunLog(out);
    const names = [...Object.keys(log.losses), ...log.heldOut.flatMap((p) => Object.keys(p.measured ?? {}))];
    const shown = [...losses!.map((c) => c.title), ...results!.charts!.flatMap((c) => [c.title, c.y])];
    for (const text of shown) for (const name of names) expect(text).not.toMatch(new RegExp(`^${name}\\b`));
  });
});
