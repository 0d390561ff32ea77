// Recordings that hold nothing, or always the same, and runs that diverge: no value that is not finite reaches a weight,
// and a run that cannot go on says why and keeps its last good checkpoint.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Graph, initialParameters, Network } from '../lib/engine/index.js';
import { capabilities } from '../lib/native/addon.js';
import type { RunOptions } from '../lib/systems/run-config.js';
import { runFiles } from '../lib/systems/run-files.js';
import { loadCheckpoint } from '../lib/train/checkpoint.js';
import { pretrain } from '../lib/train/pretrain.js';
import { readRunLog } from '../lib/train/run-log.js';
import { train } from '../lib/train/train.js';
import { Audio2VecError } from '../lib/util/errors.js';
import { Random } from '../lib/util/random.js';
import { readSafetensors } from '../lib/util/safetensors.js';
import { wavFile } from './audio-fixtures.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'audio2vec-numerics-'));
  for (const [name, clips] of Object.entries(corpora)) {
    mkdirSync(join(folder, name));
    clips.forEach((sample, i) => {
      const samples = Float32Array.from({ length: 40_000 }, (_, t) => sample(t));
      const data = new Uint8Array(samples.buffer);
      writeFileSync(join(folder, name, `${i}.wav`), wavFile({ tag: 3, bits: 32, data }));
    });
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

const rng = new Random(1);
const noise = (level: number) => () => level * rng.normal();
const tone =
  (hertz: number, level = 0.3) =>
  (t: number) =>
    level * Math.sin((2 * Math.PI * hertz * t) / 16_000);
const constant = (level: number) => () => level;

/** Samples by their index, a function for each clip. */
const corpora: Record<string, ((t: number) => number)[]> = {
  silence: [constant(0), constant(0), constant(0)],
  'a constant': [constant(0.5), constant(0.5), constant(-1)],
  'one tone, whose bands never change': [tone(1000), tone(1000), tone(1000)],
  'a single clip': [noise(0.1)],
  'clips with NaN and infinity among good ones': [
    noise(0.1),
    tone(200),
    (t) => (t === 30_000 ? Number.NaN : 0.1),
    (t) => (t === 7 ? Number.POSITIVE_INFINITY : 0),
    (t) => (t > 9 ? 3e38 : 0),
  ],
  'the faintest and the loudest': [noise(1e-30), noise(1e-7), (t) => (t % 2 ? 1 : -1), noise(1e6)],
};

/** A small run of each system. */
const systems: Record<string, (corpus: string, out: string, run: RunOptions) => AsyncGenerator<unknown>> = {
  ...Object.fromEntries(
    ['contrastive', 'temporal-gap', 'f0+voicing'].map((task) => [
      `pretrain ${task}`,
      (corpus: string, out: string, run: RunOptions) => {
        const encoder = { frames: 16, channels: [4, 8], embedding: 8 };
        return pretrain({ ...run, task, encoder, corpus, out, checkpointSeconds: 0 });
      },
    ]),
  ),
  ...Object.fromEntries(
    (
      [
        ['pitch', { channels: 2 }, 'pesto'],
        ['pitch', { channels: 2, objective: 'spice' }, 'spice'],
        ['codes', { books: 1, codes: 4, width: 8, seconds: 0.5 }, 'k-means'],
        ['codes', { books: 1, codes: 4, width: 8, seconds: 0.5, quantiser: 'gumbel' }, 'gumbel'],
        ['articulation', { channels: 8, samples: 8, roundSteps: 3 }, 'rounds'],
        ['metric', {}, 'distances'],
      ] as const
    ).map(([system, options, kind]) => [
      `train ${system} (${kind})`,
      (corpus: string, out: string, run: RunOptions) =>
        train({ system, corpus, out, options: { ...run, ...options }, checkpointSeconds: 0 }),
    ]),
  ),
};

let runs = 0;

/** Runs to the end; gives the folder, and the error that ended it if one did. */
async function runOf(system: string, corpus: string, options: RunOptions) {
  const out = join(folder, `run-${runs++}`);
  let error: unknown;
  try {
    for await (const _ of systems[system]!(join(folder, corpus), out, { threads: 1, ...options })) void _;
  } catch (e) {
    error = e;
  }
  return { out, error };
}

/** Every value of every array of the folder's safetensors files is finite. */
async function expectFinite(out: string) {
  for (const name of readdirSync(out).filter((file) => file.endsWith('.safetensors'))) {
    const { tensors } = await readSafetensors(join(out, name));
    for (const [key, { data }] of tensors) {
      const wrong = Array.from(data as Iterable<number | bigint>, Number).find((v) => !Number.isFinite(v));
      expect(wrong, `${key} of ${name}`).toBeUndefined();
    }
  }
}

/** Of these two the front ends make something finite: one system for each is enough. */
const forFrontEnds = ['a constant', 'the faintest and the loudest'];
const ofFrontEnds = ['pretrain contrastive', 'train pitch (pesto)', 'train metric (distances)'];

test.each(capabilities().available)('NaN is seen behind every kind of ReLU (%s)', async (isa) => {
  const g = new Graph();
  const x = g.input('x', [24, 32, 1]);
  const ends = [1, 3, 8, 40].flatMap((channels) => [
    g.relu(`relu of 3×1, ${channels}`, g.conv(`3×1, ${channels}`, x, [3, 1], channels, true)),
    g.relu(`relu of 3×3, ${channels}`, g.conv(`3×3, ${channels}`, x, [3, 3], channels, true)),
    g.batchNorm(`relu of norm, ${channels}`, g.conv(`normed, ${channels}`, x, [1, 1], channels, false), true),
  ]);
  ends.push(
    g.relu('of depthwise', g.conv('depthwise', ends[7]!, [3, 3], 8, true, { depthwise: true })),
    g.relu('of x', x),
  );
  using network = new Network(g, { maxExamples: 2, threads: 1, isa });
  network.setParameters(initialParameters(g, 1));
  for (const end of ends) {
    const values = new Float32Array(2 * 24 * 32).fill(0.5);
    values[24 * 32 + 400] = Number.NaN;
    const out = await network.forward({ examples: 2, inputs: { x: { values } } }, end.name);
    expect(out.subarray(out.length / 2).some(Number.isNaN), end.name).toBe(true);
    expect(out.subarray(0, out.length / 2).some(Number.isNaN), end.name).toBe(false);
  }
});

describe.each(Object.keys(systems))('%s', (system) => {
  const tried = Object.keys(corpora).filter((name) => ofFrontEnds.includes(system) || !forFrontEnds.includes(name));
  test.each(tried)('on %s', async (corpus) => {
    const batchSize = system.startsWith('train metric') ? 2 : 1;
    const { out, error } = await runOf(system, corpus, { steps: 4, batchSize, warmUp: 1 });
    if (error === undefined) {
      expect((await readRunLog(out)).status).toBe('finished');
      await expectFinite(out);
    } else {
      // Refused, in words: too few clips for what the task draws, or nothing in them.
      expect(error).toBeInstanceOf(Audio2VecError);
      expect(['ERR_DATASET', 'ERR_ARGUMENT']).toContain((error as Audio2VecError).code);
    }
  });

  test('that is driven too hard', async () => {
    const options = { steps: 60, batchSize: 2, warmUp: 0, learningRate: 10, decay: 'constant' as const };
    const { out, error } = await runOf(system, 'clips with NaN and infinity among good ones', options);
    await expectFinite(out);
    if (error === undefined) return;
    expect(error).toMatchObject({ code: 'ERR_DIVERGED' });
    // What was saved is from before, and whole.
    if (readdirSync(out).includes(runFiles.checkpoint)) {
      expect((await loadCheckpoint(join(out, runFiles.checkpoint))).step).toBeGreaterThan(0);
    }
  });
});
