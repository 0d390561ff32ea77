import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportTflite } from '../lib/export/export-tflite.js';
import { buildTflite } from '../lib/export/tflite.js';
import { browserPath } from './helpers/browser.js';
import { embed64, embedWaveform64 } from './helpers/embed64.js';
import { LiteRt } from './helpers/litert.js';
import { logMel64 } from './helpers/log-mel64.js';
import { randomModel, uniform } from './helpers/models.js';
import { recording } from './helpers/recordings.js';

const model = randomModel();
const { frames, bands, embedding } = model.config;
const sliceSamples = 400 + 160 * (frames - 1);

const browser = browserPath();
if (!browser) console.warn('NOT TESTED: .tflite files in LiteRT. Install Chromium or set CHROMIUM to its path.');

let litert: LiteRt | undefined;
let drums: Float32Array;
let slices: Float32Array;
beforeAll(async () => {
  drums = (await recording('loop_amen')).slice(0, 2 * sliceSamples);
  slices = Float32Array.from(
    [0, 1].flatMap((i) => [...logMel64(drums.subarray(i * sliceSamples, (i + 1) * sliceSamples))]),
  );
  if (browser) litert = await LiteRt.start(browser);
}, 60_000);
afterAll(() => litert?.stop());

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>) => Array.from(x).reduce((s, v, i) => s + v * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

function worstDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Array.from(a).reduce((m: number, v, i) => Math.max(m, Math.abs(v - b[i]!)), 0);
}

describe.runIf(browser)('in LiteRT', () => {
  it('float32 agrees with an independent forward pass', async () => {
    const bytes = (await buildTflite(model, { batch: 2 })).build();
    const run = await litert!.run(bytes, slices, [2, frames, bands]);
    expect(run.inputs).toMatchObject([{ name: 'log_mel', shape: [2, frames, bands] }]);
    expect(run.outputs).toMatchObject([{ name: 'embedding', shape: [2, embedding] }]);
    expect(worstDifference(run.values[0]!, embed64(model, slices))).toBeLessThan(1e-4);
  });

  it('float32 with the front end inside', async () => {
    const bytes = (await buildTflite(model, { batch: 2, input: 'waveform' })).build();
    const run = await litert!.run(bytes, drums, [2, sliceSamples]);
    const expected = embed64(model, slices);
    expect(worstDifference(run.values[0]!, expected)).toBeLessThan(1e-3);
  });

  it('int8', async () => {
    const calibration = [{ input: slices, shape: [2, frames, bands] }];
    const bytes = (await buildTflite(model, { quantize: { calibration } })).build();
    const run = await litert!.run(bytes, slices.slice(0, frames * bands), [1, frames, bands]);
    const expected = embed64(model, slices.subarray(0, frames * bands));
    expect(bytes.length).toBeLessThan(160_000);
    expect(cosine(run.values[0]!, expected)).toBeGreaterThan(0.999);
  });

  it('int8 with the front end and a classifier', async () => {
    const random = uniform(4);
    const classifier = {
      labels: ['a', 'b', 'c'],
      weights: Float32Array.from({ length: 3 * embedding }, () => 0.05 * (random() - 0.5)),
      bias: Float32Array.of(0.1, 0, -0.1),
    };
    const calibration = [{ input: drums, shape: [2, sliceSamples] }];
    const bytes = (await buildTflite(model, { input: 'waveform', classifier, quantize: { calibration } })).build();
    const input = drums.slice(0, sliceSamples);
    const run = await litert!.run(bytes, input, [1, sliceSamples]);
    const z = run.values[run.outputs.findIndex((o) => o.name === 'embedding')]!;
    const probabilities = run.values[run.outputs.findIndex((o) => o.name === 'probabilities')]!;
    expect(cosine(z, embedWaveform64(model, input))).toBeGreaterThan(0.999);
    const logits = classifier.labels.map((_, c) =>
      z.reduce((s, v, i) => s + v * classifier.weights[c * embedding + i]!, classifier.bias[c]!),
    );
    const sum = logits.reduce((s, l) => s + Math.exp(l), 0);
    expect(
      worstDifference(
        probabilities,
        logits.map((l) => Math.exp(l) / sum),
      ),
    ).toBeLessThan(1e-4);
  });
});

describe('exportTflite', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'audio2vec-tflite-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const cases = () => [{ input: slices, shape: [2, frames, bands], expected: embed64(model, slices) }];

  it('proves parity in LiteRT, in Node, and stores it', async () => {
    const file = join(folder, 'float.tflite');
    const { parity, bytes } = await exportTflite(file, model, { batch: 2, cases: cases() });
    expect(parity.runtime).toMatch(/^@litertjs\/core \d/);
    expect(parity.embeddings).toBe(2);
    expect(parity.maxAbsError).toBeLessThan(1e-4);
    const written = await readFile(file);
    expect(written.length).toBe(bytes);
    expect(written.includes(JSON.stringify(parity).slice(0, -1))).toBe(true);
  });

  it('int8 stays close and small', async () => {
    const calibration = [{ input: slices, shape: [2, frames, bands] }];
    const file = join(folder, 'int8.tflite');
    const { parity, bytes } = await exportTflite(file, model, { batch: 2, cases: cases(), quantize: { calibration } });
    expect(bytes).toBeLessThan(160_000);
    expect(parity.minCosine).toBeGreaterThan(0.999);
    expect(parity.relativeError).toBeLessThan(0.03);
  });

  it('keeps what disagrees under another name and throws ERR_PARITY', async () => {
    const [good] = cases();
    const wrong = { ...good!, expected: good!.expected.map((v) => v + 0.01) };
    const exporting = exportTflite(join(folder, 'wrong.tflite'), model, { batch: 2, cases: [wrong] });
    await expect(exporting).rejects.toMatchObject({ code: 'ERR_PARITY' });
    expect((await readdir(folder)).filter((f) => f.startsWith('wrong'))).toEqual(['wrong.rejected.tflite']);
  });
});

describe('the file', () => {
  it('is a LiteRT flatbuffer, the same for the same model', async () => {
    const bytes = (await buildTflite(model)).build();
    expect(Buffer.from(bytes.subarray(4, 8)).toString()).toBe('TFL3');
    expect(Buffer.compare(bytes, (await buildTflite(randomModel())).build())).toBe(0);
  });

  it('refuses a wrong batch and no calibration input', async () => {
    await expect(buildTflite(model, { batch: 0 })).rejects.toThrow(/^batch must be/);
    await expect(buildTflite(model, { quantize: { calibration: [] } })).rejects.toThrow(/^calibration must be/);
  });
});
