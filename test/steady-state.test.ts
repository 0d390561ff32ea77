// Once training, streaming and embedding run, they allocate nothing; and training takes the same memory however large
// the corpus. Every allocation is counted, so most limits are zero.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { saveEncoderModel } from '../lib/models/encoder-model.js';
import { BuiltPackage } from './helpers/built-package.js';
import { randomModel } from './helpers/models.js';
import type { Allocated, Resident } from './helpers/steady-state.js';
import { writeStoreFile } from './helpers/store-file.js';

const release = join(import.meta.dirname, '..', 'build', 'Release');
const addon = process.env.AUDIO2VEC_ADDON ?? join(release, 'audio2vec.node');
const counter = join(dirname(addon), 'count_allocations.node'); // built beside it, where there is glibc
const glibc = (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header.glibcVersionRuntime;
const emulated = process.env.AUDIO2VEC_TEST_NODE !== undefined; // the emulator itself would be preloaded

let built: BuiltPackage;
let script: string;
let work: string;
const at = (name: string) => join(work, name);

async function measure<T>(name: string, ...args: string[]): Promise<T> {
  // Room for a round's garbage, so that no collection hides what was allocated.
  const env = { LD_PRELOAD: counter, NODE_OPTIONS: '--max-semi-space-size=64' };
  const { code, stdout, stderr } = await built.run(script, [name, ...args], undefined, env);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as T;
}

/** Rounds in which nothing was collected: nearly all. */
async function measureRounds(...args: [name: string, ...string[]]): Promise<Allocated[]> {
  const rounds = (await measure<Allocated[]>(...args)).filter((round) => round.collections === 0);
  expect(rounds.length).toBeGreaterThanOrEqual(3);
  return rounds;
}

const none = { native: 0, places: [], buffers: 0 };
/** The compiler's own objects are not in every round. */
const leastHeap = (rounds: Allocated[]) => Math.min(...rounds.map((round) => round.heap));

describe.skipIf(!glibc || emulated)(
  `in the steady state${glibc && !emulated ? '' : ' (left out: counting needs glibc and a Node that is not emulated)'}`,
  () => {
    beforeAll(async () => {
      [built, work] = await Promise.all([BuiltPackage.create(), mkdtemp(join(tmpdir(), 'audio2vec-steady-state-'))]);
      script = await built.addHelper('steady-state');
      await saveEncoderModel(at('model'), randomModel());
      await writeStoreFile(at('small'), 100, 400);
    }, 120_000);
    afterAll(async () => {
      await built.remove();
      await rm(work, { recursive: true });
    });

    it('what allocates is counted', async () => {
      for (const { native, buffers } of await measureRounds('make', at('model'))) {
        expect(native).toBeGreaterThan(5); // what a network and its plan are made of
        expect(buffers).toBeGreaterThan(1000);
      }
    });

    it.each(['cbow', 'contrastive'])('training steps of %s with augmentation', { timeout: 240_000 }, async (task) => {
      const rounds = await measureRounds('train', task, at('small'), at(task));
      for (const round of rounds) expect(round).toMatchObject({ ...none, buffers: expect.any(Number) });
      // What a step allocated, it would in every round. Writing the log, once a second, takes a buffer, which may come or
      // go in a later round, also one that wrote none; on a slow machine every round has one.
      const inLog = Math.max(...rounds.map(({ logged }) => logged));
      expect(Math.min(...rounds.map(({ buffers }) => buffers))).toBeLessThanOrEqual(2 * inLog);
      // Promises, the step's report, the examples drawn: small objects that die young, 52 to 77 kB of them, as the compiler
      // has got on. The slices of a step alone would be 512 kB.
      expect(leastHeap(rounds) / 10).toBeLessThan(96 * 1024);
    });

    it('a stream fed chunks of odd sizes', async () => {
      const rounds = await measureRounds('stream', at('model'));
      for (const round of rounds) expect(round).toMatchObject(none);
      // Half of it is what measuring takes. A view of an array for each of the 154 embeddings would be 11 KB more.
      expect(leastHeap(rounds)).toBeLessThan(8 * 1024);
    });

    it('a constant-Q stream', async () => {
      const rounds = await measureRounds('cqt');
      for (const round of rounds) expect(round).toMatchObject(none);
      expect(leastHeap(rounds)).toBeLessThan(8 * 1024);
    });

    it('a pitch stream: no arrays, only the frames that it returns and numbers on the way', async () => {
      const rounds = await measureRounds('pitch');
      for (const round of rounds) expect(round).toMatchObject(none);
      expect(leastHeap(rounds)).toBeLessThan(770 * 1024);
    });

    it('one encoder and many clips: results, and a work item each', async () => {
      const rounds = await measureRounds('embed', at('model'));
      for (const { native, buffers } of rounds) {
        expect(native).toBe(20); // the work item of the log-mel
        const results = (78 + 20) * 128 * 4; // an embedding for each slice, and their mean for each clip
        expect(buffers).toBeGreaterThanOrEqual(results);
        expect(buffers).toBeLessThan(results + 20 * 64); // where the slices start
      }
    });

    it('training on a corpus ten times as large takes the same memory', async () => {
      await writeStoreFile(at('large'), 1000, 400);
      const small = await measure<Resident>('corpus', at('small'), at('on small'));
      const large = await measure<Resident>('corpus', at('large'), at('on large'));
      // It was read: 98 MiB instead of 10 are mapped, and belong to the system's file cache.
      expect(large.file - small.file).toBeGreaterThan(40);
      expect(large.anonymous - small.anonymous).toBeLessThan(10);
    }, 120_000);
  },
);
