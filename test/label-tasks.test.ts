// Pseudo-labels as pretext tasks, from recordings to an encoder.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openFeatureStore } from '../lib/features/feature-store.js';
import { pseudoLabels } from '../lib/features/pseudo-labels.js';
import { SliceLabels } from '../lib/systems/audio2vec/slice-labels.js';
import { pretrain } from '../lib/train/pretrain.js';
import { readRunLog } from '../lib/train/run-log.js';
import { Random } from '../lib/util/random.js';
import { pcm16Wav } from './helpers/wav.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-labels-'));
  await mkdir(join(folder, 'tones'));
  const rng = new Random(1);
  for (let i = 0; i < 24; i++) {
    const hz = 80 * 2 ** rng.uniform(0, 2);
    const samples = Float32Array.from({ length: 24_000 }, (_, n) => {
      const t = n / 16_000;
      const tone = [1, 2, 3, 4].reduce((sum, k) => sum + Math.sin(2 * Math.PI * hz * k * t) / k, 0);
      return 0.2 * tone + 0.01 * rng.normal();
    });
    await writeFile(join(folder, 'tones', `${i}.wav`), pcm16Wav(samples, 16_000).bytes);
  }
});
afterAll(() => rm(folder, { recursive: true }));

test('an encoder learns the pitch of slices beside another task', async () => {
  const out = join(folder, 'run');
  // Deep enough for the last map to have few bands: what is high and what is low is lost in the maximum over the rest.
  const encoder = { frames: 32, bands: 64, channels: [4, 8, 8, 16, 16], embedding: 16 };
  const options = { encoder, task: 'contrastive+f0:0.5+centroid(huber=1)', steps: 200, batchSize: 16, threads: 1 };
  const last = { loss: 0, first: 0 };
  for await (const { step, parts } of pretrain({ ...options, corpus: join(folder, 'tones'), out, heldOut: 0.2 })) {
    if (step === 1) last.first = parts.f0!;
    last.loss = parts.f0!;
  }
  const { tasks } = await readRunLog(out);
  expect(tasks!.map((t) => t.task)).toEqual(['contrastive', 'f0', 'centroid']);
  expect(last.loss).toBeLessThan(0.5 * last.first);
  expect(tasks![1]!.spearman!.correlation).toBeGreaterThan(0.7);
  // What needs no learning: all embeddings alike, and always the mean, of labels whose deviation is 1.
  expect(tasks![0]!.chance).toBeCloseTo(Math.log(31), 10);
  expect(tasks![1]).toMatchObject({ weight: 0.5 });
  expect(tasks![1]!.constant).toBeGreaterThan(0.6);
  expect(tasks![1]!.constant).toBeLessThan(1.1);
  expect(tasks![1]!.loss).toBeLessThan(0.7 * tasks![1]!.constant!);
  expect(tasks![2]!.constant).toBeLessThan(tasks![1]!.constant!);
}, 60_000);

test('targets are the means of pseudo-labels over slices, standardised over the corpus', async () => {
  const store = await openFeatureStore(join(folder, 'run', 'features.a2v'));
  const { readAudio } = await import('../lib/audio/index.js');
  const all: number[] = [];
  const perClip: Float32Array[] = [];
  for (const name of store.clipNames) {
    const { columns } = await pseudoLabels(await readAudio(join(folder, 'tones', name)));
    perClip.push(Float32Array.from(columns.f0));
    all.push(...columns.f0);
  }
  const mean = all.reduce((a, b) => a + b, 0) / all.length;
  const std = Math.sqrt(all.reduce((a, b) => a + (b - mean) ** 2, 0) / all.length);
  const labels = new SliceLabels(store, 32);
  for (const [clip, offset] of [
    [0, 0],
    [3, 17],
    [23, 40],
  ] as const) {
    const slice = perClip[clip]!.subarray(offset, offset + 32);
    const expected = (slice.reduce((a, b) => a + b, 0) / 32 - mean) / std;
    expect(labels.of('f0', store.clipStarts[clip]! + offset)).toBeCloseTo(expected, 4);
  }
  store.close();
});

test('a store without the labels is refused by name', async () => {
  const { buildFeatureStore } = await import('../lib/features/feature-build.js');
  const { store } = await buildFeatureStore(join(folder, 'tones'), join(folder, 'plain.a2v'));
  const run = pretrain({ task: 'f0', corpus: store, out: join(folder, 'none'), steps: 2 }).next();
  await expect(run).rejects.toThrow(/column must be one of log-mel/);
  store.close();
});
