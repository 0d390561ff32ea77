// Labelled recordings on disk → features → comparison, with a stand-in for the encoder where none is needed.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import wavefile from 'wavefile';
import { Encoder } from '../lib/embed/encoder.js';
import { type ClipFeatures, logMelStatistics } from '../lib/evaluate/clip-features.js';
import { evaluate, folderFeatures } from '../lib/evaluate/evaluate-folder.js';
import { readLabelledFolder } from '../lib/evaluate/labelled-folder.js';
import { defaultFrontEnd } from '../lib/features/front-end-config.js';
import { logMel } from '../lib/features/log-mel.js';
import { Random } from '../lib/util/random.js';
import { randomModel } from './helpers/models.js';

/** Tones of the first label are low, of the second high; of each 12 to train and 6 to test. */
let folder: string;
const hz = { low: 200, high: 3000 };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-labelled-'));
  const random = new Random('tones');
  for (const [part, count] of Object.entries({ train: 12, test: 6 })) {
    for (const [label, base] of Object.entries(hz)) {
      await mkdir(join(folder, part, label), { recursive: true });
      for (let i = 0; i < count; i++) {
        const frequency = base * random.uniform(0.8, 1.25);
        const samples = Float32Array.from({ length: 4000 + 200 * i }, (_, n) => 0.5 * Math.sin((frequency * n) / 2546));
        const wav = new wavefile.WaveFile();
        wav.fromScratch(1, 16_000, '32f', samples);
        await writeFile(join(folder, part, label, `${i}.wav`), wav.toBuffer());
      }
    }
  }
  await writeFile(join(folder, 'train', 'low', 'broken.wav'), 'RIFF');
});
afterAll(() => rm(folder, { recursive: true }));

/** Number of samples, and their mean square: tells which clip a row is of. */
const measure: ClipFeatures = {
  name: 'measure',
  dim: 2,
  extract: async (clips) =>
    Float32Array.from(clips.flatMap((x) => [x.length, x.reduce((sum, v) => sum + v * v, 0) / x.length])),
};

describe('folderFeatures', () => {
  it('has a row for each clip in the order of the files, and lists what cannot be read', async () => {
    const data = await readLabelledFolder(folder);
    const progress: number[] = [];
    const heard: string[] = [];
    const { sets, files, skipped } = await folderFeatures(folder, data, [measure, measure], {
      onProgress: ({ done, total }) => {
        expect(total).toBe(37);
        progress.push(done);
      },
      onClip: ({ part, file, label, samples }) => {
        heard.push(file);
        expect(file.startsWith(`${part}/${data.labels[label]}/`)).toBe(true);
        expect(samples.length).toBe(4000 + 200 * Number(/(\d+)\.wav/.exec(file)![1]));
      },
    });
    expect(progress).toEqual(Array.from({ length: 37 }, (_, i) => i + 1));
    expect(skipped).toEqual([{ file: 'train/low/broken.wav', reason: expect.stringContaining('broken.wav') }]);
    expect([...files.train, ...files.test]).toEqual(heard);
    expect(sets[0]!.train.labels).toHaveLength(24);
    const lengths = files.test.map((_, i) => sets[1]!.test.embeddings[2 * i]);
    expect(lengths).toEqual(files.test.map((file) => 4000 + 200 * Number(/(\d+)\.wav/.exec(file)![1])));
  });

  it('cannot go on without a label', async () => {
    const data = {
      labels: ['low', 'gone'],
      train: { files: ['train/low/0.wav', 'train/low/broken.wav'], labels: Int32Array.of(0, 1) },
      test: { files: ['test/low/0.wav'], labels: Int32Array.of(0) },
    };
    await expect(folderFeatures(folder, data, [measure])).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/label "gone" to train on.*broken\.wav/),
    });
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    const features = folderFeatures(folder, await readLabelledFolder(folder), [measure], {
      signal: stop.signal,
      onClip: () => stop.abort(new Error('enough')),
    });
    await expect(features).rejects.toThrow('enough');
  });
});

describe('logMelStatistics', () => {
  it('is the mean and the deviation of every band', async () => {
    const samples = Float32Array.from({ length: 8000 }, (_, n) => 0.3 * Math.sin(n / 10) * (n / 8000));
    const row = await logMelStatistics(defaultFrontEnd).extract([samples], {});
    const features = await logMel(samples);
    const band = Array.from({ length: features.length / 64 }, (_, t) => features[t * 64 + 20]!);
    const mean = band.reduce((a, b) => a + b, 0) / band.length;
    expect(row[20]).toBeCloseTo(mean, 4);
    expect(row[84]).toBeCloseTo(Math.sqrt(band.reduce((a, b) => a + (b - mean) ** 2, 0) / band.length), 4);
  });

  it('has something to say of a clip shorter than a window', async () => {
    const row = await logMelStatistics(defaultFrontEnd).extract([Float32Array.of(0.5, -0.5)], {});
    expect(row).toHaveLength(128);
    expect(row.every(Number.isFinite)).toBe(true);
  });
});

describe('evaluate', () => {
  const encoder = Encoder.fromModel(randomModel(1, { frames: 32, bands: 64, channels: [4, 8], embedding: 16 }));

  it('compares the encoder with its untrained twin and log-mel, the same way each time', async () => {
    const result = await evaluate(folder, encoder, { k: 3 });
    expect(result.rows.map((row) => row.name)).toEqual([
      ...['encoder', 'pretrained encoder', 'untrained encoder', 'log-mel mean + std'],
    ]);
    expect(result.rows.map((row) => row.dim)).toEqual([16, 128, 16, 128]);
    // Low and high are far apart in any of them.
    for (const row of result.rows) expect(row.probe.accuracy).toBe(1);
    expect(result).toMatchObject({ split: 'folders', skipped: [{ file: 'train/low/broken.wav' }] });
    expect(await evaluate(folder, encoder, { k: 3 })).toEqual(result);
  });

  it('does not compare the encoder of the package with itself', async () => {
    const { rows } = await evaluate(folder, await Encoder.pretrained(), { k: 3 });
    expect(rows.map((row) => row.name)).toEqual(['encoder', 'untrained encoder', 'log-mel mean + std']);
  });

  it('leaves the baselines out on demand', async () => {
    const { rows, pairs } = await evaluate(folder, encoder, { baselines: false, name: 'mine' });
    expect(rows.map((row) => row.name)).toEqual(['mine']);
    expect(pairs).toEqual([]);
  });
});
