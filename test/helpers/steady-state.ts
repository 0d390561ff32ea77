// What test/steady-state.test.ts measures, each case in a process of its own: prints JSON.
//
//   node steady-state.js CASE ARGUMENTS, with count_allocations.node in LD_PRELOAD
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { PerformanceObserver } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { noise } from '../../lib/bench/workload.js';
import { Encoder } from '../../lib/embed/encoder.js';
import { cqtFrontEnd } from '../../lib/features/cqt.js';
import { openFeatureStore } from '../../lib/features/feature-store.js';
import { loadEncoderModel } from '../../lib/models/encoder-model.js';
import { PitchEstimator } from '../../lib/systems/pitch/estimator.js';
import { runFiles } from '../../lib/systems/run-files.js';
import { pretrain } from '../../lib/train/pretrain.js';

/** What a round of work allocated. */
export interface Allocated {
  /** Times that the addon's own code called the allocator, and from where in it (test/native/count_allocations.cc). */
  native: number;
  places: string[];
  /** Bytes of ArrayBuffers, and of all JavaScript objects. */
  buffers: number;
  heap: number;
  /** Garbage collections meanwhile: only where there was none are the bytes all that was allocated. */
  collections: number;
  /** Bytes that were written to the log of the steps, which is done once a second and takes a buffer. */
  logged: number;
}

/** Largest anonymous and file-backed memory of a process, MiB. */
export interface Resident {
  anonymous: number;
  file: number;
}

const counter = createRequire(import.meta.url)(process.env.LD_PRELOAD!) as { start(): void; stop(): number[] };
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
let collections = 0;
new PerformanceObserver((list) => {
  collections += list.getEntries().length;
}).observe({ entryTypes: ['gc'] });
const observersToldAll = () => new Promise<void>((resolve) => setTimeout(resolve, 5));

/** Warms up, then measures rounds of `work`.
 * @param log a file that it appends to */
async function rounds(warmUp: number, work: () => unknown, log?: string): Promise<Allocated[]> {
  const length = () => (log === undefined ? 0 : (statSync(log, { throwIfNoEntry: false })?.size ?? 0));
  for (let i = 0; i < warmUp; i++) await work();
  const all: Allocated[] = [];
  for (let i = 0; i < 6; i++) {
    collectGarbage();
    collectGarbage(); // waits for the threads that free what the first one found
    await observersToldAll();
    collections = 0;
    const lengthBefore = length();
    const before = process.memoryUsage();
    counter.start();
    await work();
    const [native, ...places] = counter.stop();
    const after = process.memoryUsage();
    await observersToldAll();
    all.push({
      native: native!,
      places: places.map((at) => `0x${at.toString(16)}`),
      buffers: after.arrayBuffers - before.arrayBuffers,
      heap: after.heapUsed - before.heapUsed,
      collections,
      logged: length() - lengthBefore,
    });
  }
  return all;
}

/** Of this process now. */
function resident(): Resident {
  const status = readFileSync('/proc/self/status', 'utf8');
  const mib = (key: string) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)![1]) / 1024;
  return { anonymous: mib('RssAnon'), file: mib('RssFile') + mib('RssShmem') };
}

/** Rounds of a stream after which Node's compiler has got round to it: 13 of Node 22, 48 of Node 24. */
const compiled = 100;

const training = {
  encoder: { frames: 32, channels: [4, 8, 16, 16, 16] as const, embedding: 32 },
  batchSize: 16,
  threads: 2,
  augmentation: { mix: 0.5, gain: 6, timeMask: 8, bandMask: 8 },
};

const cases = {
  /** Training as users do it. A round is 10 steps. */
  async train(task: string, file: string, out: string) {
    const corpus = await openFeatureStore(file);
    const steps = pretrain({ ...training, task, corpus, out, steps: 2000, heldOut: 0, checkpointSeconds: 1e6 });
    return rounds(
      120,
      async () => {
        for (let i = 0; i < 10; i++) await steps.next();
      },
      join(out, runFiles.metrics),
    );
  },

  /** A round is 60 chunks, 15.4 seconds of audio in all, with an embedding every tenth of a second. */
  async stream(model: string) {
    const stream = Encoder.fromModel(await loadEncoderModel(model)).stream({ hop: 10 });
    const samples = noise(20_011);
    const chunks = [1, 7, 160, 333, 4096, 20_011].map((size) => samples.subarray(0, size));
    return rounds(compiled, () => {
      for (let i = 0; i < 60; i++) stream.push(chunks[i % chunks.length]!);
    });
  },

  /** A round is 60 chunks, 15.4 seconds of audio in all, as constant-Q frames. */
  async cqt() {
    const stream = cqtFrontEnd.stream(cqtFrontEnd.check({}));
    const samples = noise(20_011);
    const chunks = [1, 7, 160, 333, 4096, 20_011].map((size) => samples.subarray(0, size));
    const frames = new Float32Array(100 * 252);
    return rounds(compiled, () => {
      for (let i = 0; i < 60; i++) stream.pushInto(chunks[i % chunks.length]!, frames);
    });
  },

  /** A round is 60 chunks, 15.4 seconds of audio in all: about 770 frames. */
  async pitch() {
    const stream = (await PitchEstimator.pretrained()).stream();
    const samples = noise(20_011);
    const chunks = [1, 7, 160, 333, 4096, 20_011].map((size) => samples.subarray(0, size));
    return rounds(compiled, () => {
      for (let i = 0; i < 60; i++) stream.push(chunks[i % chunks.length]!);
    });
  },

  /** A round is 20 clips, of 2, 4 and 6 slices in turn: 78 slices. */
  async embed(model: string) {
    const encoder = Encoder.fromModel(await loadEncoderModel(model), { threads: 1 });
    const samples = noise(60_000);
    const clips = [16_000, 32_000, 47_000].map((size) => samples.subarray(0, size));
    return rounds(5, async () => {
      for (let i = 0; i < 20; i++) await encoder.sceneEmbedding(clips[i % clips.length]!);
    });
  },

  /** Making a network, which certainly allocates: shows that the counter counts. */
  async make(model: string) {
    const loaded = await loadEncoderModel(model);
    return rounds(1, () => Encoder.fromModel(loaded, { threads: 2 }));
  },

  /** Memory while training on a corpus. */
  async corpus(file: string, out: string) {
    const corpus = await openFeatureStore(file);
    const most: Resident = { anonymous: 0, file: 0 };
    for await (const _ of pretrain({ ...training, task: 'contrastive', corpus, out, steps: 200 })) {
      const now = resident();
      most.anonymous = Math.max(most.anonymous, now.anonymous);
      most.file = Math.max(most.file, now.file);
    }
    return most;
  },
};

const [name, ...args] = process.argv.slice(2);
const result = await (cases[name as keyof typeof cases] as (...args: string[]) => Promise<unknown>)(...args);
console.log(JSON.stringify(result));
process.exit(); // worker threads of a network may still be there
