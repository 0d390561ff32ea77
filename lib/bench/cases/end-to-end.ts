// All of the path, from WAV files on disk: to embeddings, to the feature store, and to training steps that read it.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Network } from '../../engine/network.js';
import { Graph } from '../../graph/graph.js';
import { defaultEncoder, encoder } from '../../models/blocks.js';
import { chooseTasks } from '../../systems/audio2vec/tasks/index.js';
import { trainingGraph } from '../../systems/audio2vec/training-graph.js';
import { type BenchCase, peakMemory, rate, timeCalls } from '../case.js';
import { threadCounts } from '../machine.js';
import { noise, startParameters, trainingFlops } from '../workload.js';

// Readers of recordings are imported where they are used: every case is a process that imports this file, and its memory
// is measured.
const files = 24;
const clipSeconds = 10;
const { frames, bands } = defaultEncoder;

/** Runs `work` with a folder of WAV files (16 bit, 16 kHz, mono), and removes it. */
async function withRecordings<T>(work: (folder: string, names: string[]) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'audio2vec-bench-'));
  try {
    const bytes = wav16(noise(clipSeconds * 16000));
    const names = Array.from({ length: files }, (_, i) => join(folder, `${i}.wav`));
    for (const name of names) await writeFile(name, bytes);
    return await work(folder, names);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function wav16(samples: Float32Array): Buffer {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + 2 * samples.length, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20); // PCM
  header.writeUInt16LE(1, 22); // channels
  header.writeUInt32LE(16000, 24);
  header.writeUInt32LE(32000, 28); // bytes a second
  header.writeUInt16LE(2, 32); // bytes a sample
  header.writeUInt16LE(16, 34); // bits
  header.write('data', 36);
  header.writeUInt32LE(2 * samples.length, 40);
  return Buffer.concat([header, Buffer.from(Int16Array.from(samples, (v) => 10000 * v).buffer)]);
}

const embeddings = threadCounts.map(
  (threads): BenchCase => ({
    task: 'wav_to_embeddings',
    threads,
    quick: true,
    measure: (seconds) =>
      withRecordings(async (_, names) => {
        const { readAudio } = await import('../../audio/index.js');
        const { logMel } = await import('../../features/log-mel.js');
        const slicesInClip = Math.floor((1 + Math.floor((clipSeconds * 16000 - 400) / 160)) / frames);
        const graph = new Graph();
        const z = encoder(graph, graph.input('slices', [frames, bands, 1]), defaultEncoder);
        const network = new Network(graph.nodes, { maxExamples: slicesInClip, threads });
        network.setParameters(startParameters(graph));
        const times = await timeCalls(async () => {
          for (const name of names) {
            const features = await logMel(await readAudio(name), { threads });
            const values = features.subarray(0, slicesInClip * frames * bands);
            await network.forward({ examples: slicesInClip, inputs: { slices: { values } } }, z.name);
          }
        }, seconds);
        return [rate('audio_s_per_s', files * clipSeconds, times), peakMemory()];
      }),
  }),
);

const store = threadCounts.map(
  (threads): BenchCase => ({
    task: 'wav_to_feature_store',
    threads,
    quick: false,
    measure: (seconds) =>
      withRecordings(async (folder) => {
        const { buildFeatureStore } = await import('../../features/feature-build.js');
        const out = join(folder, 'features');
        const times = await timeCalls(async () => {
          await rm(out, { force: true });
          (await buildFeatureStore(folder, out, { concurrency: threads })).store.close();
        }, seconds);
        return [rate('audio_s_per_s', files * clipSeconds, times), peakMemory()];
      }),
  }),
);

/** Training from a feature store, drawing batches included.
 * @param pretext undefined: the default recipe
 * @param metric the rate, of examples or of steps, and how many of them a step is */
function trainingCases(task: string, pretext: string | undefined, metric: string, perStep: number): BenchCase[] {
  const measure = (seconds: number, threads: number) =>
    withRecordings(async (folder) => {
      const { buildFeatureStore } = await import('../../features/feature-build.js');
      const { pretrain } = await import('../../train/pretrain.js');
      const { store: corpus } = await buildFeatureStore(folder, join(folder, 'features'), { concurrency: threads });
      const steps = pretrain({
        ...{ corpus, out: join(folder, 'run'), task: pretext, batchSize, threads },
        steps: 1_000_000, // measured until time is up
        heldOut: 0,
        checkpointSeconds: 3600,
      });
      const times = await timeCalls(async () => (await steps.next()).value, seconds);
      await steps.return();
      const { graph } = trainingGraph(defaultEncoder, chooseTasks(pretext ?? 'contrastive', frames));
      const flops = (trainingFlops(graph.nodes) * batchSize) / perStep;
      return [rate(metric, perStep, times, flops), peakMemory()];
    });
  return threadCounts.map((threads) => ({
    ...{ task, threads, batch: batchSize, quick: true },
    measure: (seconds) => measure(seconds, threads),
  }));
}

const batchSize = 64;
const training = [
  ...trainingCases('wav_to_training', 'cbow', 'clips_per_s', batchSize),
  ...trainingCases('train_default', undefined, 'steps_per_s', 1),
];

export const endToEndCases = [...embeddings, ...store, ...training];
