// Tasks, samplers and loop on the native engine.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Network } from '../lib/engine/network.js';
import { sizeOf } from '../lib/graph/graph.js';
import { initialParameters } from '../lib/models/initial-weights.js';
import { reconstruct, reportHeldOut } from '../lib/systems/audio2vec/held-out.js';
import { BatchSampler } from '../lib/systems/audio2vec/sampler.js';
import { SliceLabels } from '../lib/systems/audio2vec/slice-labels.js';
import { chooseTasks, tasks } from '../lib/systems/audio2vec/tasks/index.js';
import { type TrainingGraph, trainingGraph } from '../lib/systems/audio2vec/training-graph.js';
import { padShortClips } from '../lib/systems/pad-clips.js';
import { fineTune, runToEnd } from '../lib/train/fine-tune.js';
import { pretrain, resumePretraining } from '../lib/train/pretrain.js';
import { readRunLog } from '../lib/train/run-log.js';
import { Random } from '../lib/util/random.js';
import { compileLibrary } from './helpers/compile-library.js';
import { memoryStore } from './helpers/memory-store.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-training-'));
});
afterAll(() => rm(folder, { recursive: true }));

const small = { frames: 16, bands: 8, channels: [3, 4], embedding: 6 };
const store = memoryStore(Array<number>(40).fill(120), 8);
const all = Array.from({ length: 40 }, (_, i) => i);
const labels = new SliceLabels(store, small.frames);
const graphOf = (text: string): TrainingGraph => trainingGraph(small, chooseTasks(text, small.frames));
const sampler = (graph: TrainingGraph, batchSize: number) =>
  new BatchSampler(graph, { clipStarts: store.clipStarts, clips: all, batchSize, seed: 1, labels });
// Tasks of pseudo-labels differ in name only.
const every = tasks.filter((t) => !t.label || t.label === 'f0' || t.label === 'centroid').map((t) => t.name);

describe('gradients', () => {
  test.each([...every, 'contrastive(projection=5)', every.join('+')])(
    'of %s agree with central differences in float64',
    async (text) => {
      const graph = graphOf(text);
      const batch = sampler(graph, 5).batch(0);
      const network = new Network(graph.graph.nodes, { maxExamples: 5, threads: 1, isa: 'float64', ...feed });
      const params = new Map([...initialParameters(graph.graph, 2)].map(([name, a]) => [name, Float64Array.from(a)]));
      network.setParameters(params);
      const { gradients } = await network.lossAndGradients(batch);
      const rng = new Random(text);
      const lossAt = async (array: Float64Array, i: number, value: number) => {
        array[i] = value;
        network.setParameters(params);
        return (await network.lossAndGradients(batch)).loss;
      };
      let [difference, size] = [0, 0];
      for (const [name, gradient] of gradients) {
        const array = params.get(name)!;
        for (const i of rng.sample(array.length, Math.min(3, array.length))) {
          const x = array[i]!;
          const h = 1e-6;
          const numeric = ((await lossAt(array, i, x + h)) - (await lossAt(array, i, x - h))) / (2 * h);
          await lossAt(array, i, x);
          difference += (numeric - gradient[i]!) ** 2;
          size += numeric ** 2;
        }
      }
      expect(size).toBeGreaterThan(0);
      expect(Math.sqrt(difference / size)).toBeLessThan(1e-5);
    },
  );
});

/** Where networks read slices. */
const feed = { store, mean: store.mean, std: store.std };

describe('learning', () => {
  test.each(every)(
    '%s lowers its held-out loss',
    async (task) => {
      const out = join(folder, `learn-${task}`);
      const run = pretrain({
        corpus: store,
        out,
        encoder: small,
        task,
        steps: 300,
        batchSize: 16,
        heldOut: 0.25,
        warmUp: 10,
        learningRate: 3e-3,
        threads: 1,
        evaluateEvery: 1,
      });
      const losses: number[] = [];
      for await (const { heldOut } of run) losses.push(heldOut!.loss!);
      const [report] = (await readRunLog(out)).tasks!;
      expect(report!.examples).toBeGreaterThanOrEqual(1000);
      expect(report!.loss).toBeLessThan(1.5 * losses.at(-1)! + 0.1);
      if (task === 'temporal-gap') {
        const { correlation, interval } = report!.spearman!;
        expect(report!.constant).toBe(Math.LN2);
        expect(interval.low).toBeLessThanOrEqual(correlation);
        expect(correlation).toBeLessThanOrEqual(interval.high);
      }
      expect(losses.at(-1)!).toBeLessThan(0.9 * losses[0]! + (task === 'temporal-gap' ? 0.1 * Math.LN2 : 0));
    },
    120_000,
  );
});

describe('a run on the native engine', () => {
  const options = (out: string) => ({
    corpus: store,
    out,
    encoder: small,
    task: 'cbow+contrastive:0.5',
    steps: 60,
    batchSize: 8,
    warmUp: 5,
    heldOut: 0.2,
    threads: 1,
  });
  const results = (out: string) =>
    Promise.all(
      ['checkpoint.safetensors', 'encoder.safetensors'].map(async (f) =>
        createHash('sha256')
          .update(await readFile(join(out, f)))
          .digest('hex'),
      ),
    );

  test('interrupted and continued has the bits of an uninterrupted one', async () => {
    const [whole, parts] = [join(folder, 'whole'), join(folder, 'parts')];
    for await (const _ of pretrain(options(whole)));
    for await (const { step } of pretrain(options(parts))) if (step === 7) break;
    for await (const { step } of resumePretraining(options(parts))) if (step === 33) break;
    for await (const _ of resumePretraining(options(parts)));
    expect(await results(parts)).toEqual(await results(whole));
  });

  test('killed at a random moment and continued has the bits of an uninterrupted one', async () => {
    const library = await compileLibrary();
    const out = join(folder, 'killed');
    const script = `
      const { pretrain } = await import(${JSON.stringify(join(library, 'lib/train/pretrain.js'))});
      const { memoryStore } = await import(${JSON.stringify(join(library, 'test/helpers/memory-store.js'))});
      const corpus = memoryStore(Array(40).fill(120), 8);
      const options = ${JSON.stringify({ ...options(out), corpus: undefined })};
      for await (const { step } of pretrain({ ...options, corpus, checkpointSeconds: 0 })) {
        console.log(step);
        await new Promise((done) => setTimeout(done, 5)); // so that no machine is done before it is killed
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, AUDIO2VEC_ADDON: addon },
    });
    let printed = '';
    let errors = '';
    child.stdout.on('data', (text) => {
      printed += text;
      // At a moment that has nothing to do with where the child is between two checkpoints.
      if (/^1\d$/m.test(printed)) setTimeout(() => child.kill('SIGKILL'), 100 * Math.random());
    });
    child.stderr.on('data', (text) => {
      errors += text;
    });
    const [, signal] = await once(child, 'exit');
    expect(errors).toBe('');
    expect(signal).toBe('SIGKILL');
    const steps: number[] = [];
    for await (const { step } of resumePretraining(options(out))) steps.push(step);
    expect(steps[0]).toBeGreaterThan(1);
    expect(await results(out)).toEqual(await results(join(folder, 'whole')));
  }, 120_000);

  const addon = join(import.meta.dirname, '..', 'build', 'Release', 'audio2vec.node');

  test('reports each task against answers without learning', async () => {
    const { tasks: reports } = await readRunLog(join(folder, 'whole'));
    expect(reports!.map((r) => r.task)).toEqual(['cbow', 'contrastive']);
    const [cbow] = reports!;
    expect(cbow!.meanSlice).toBeGreaterThan(0.1);
    expect(cbow!.nearestSlice).toBeGreaterThan(0.1);
  });

  test('measures the mean slice and the copied slice as they are by definition', async () => {
    const graph = graphOf('cbow');
    const network = new Network(graph.graph.nodes, { maxExamples: 8, threads: 1, ...feed });
    network.setParameters(initialParameters(graph.graph, 1));
    const heldOut = sampler(graph, 8);
    const [report] = await reportHeldOut({ network, graph, store, train: heldOut, heldOut, batches: 2 });
    const slice = (start: number) => store.read(start, 16).map((x, i) => (x - store.mean[i % 8]!) / store.std[i % 8]!);
    let copied = 0;
    for (const { slices, target } of [0, 1].flatMap((b) => heldOut.examples(b, 0))) {
      const [real, copy] = [slice(target![0]!), slice(slices[1]!)];
      copied += real.reduce((sum, x, i) => sum + (x - copy[i]!) ** 2, 0) / 128 / 16;
    }
    expect(report!.nearestSlice).toBeCloseTo(copied, 5);
    // Clips differ in level by far more than anything else, and the mean of many is near 0.
    expect(report!.meanSlice).toBeGreaterThan(0.5);
    expect(report!.meanSlice).toBeLessThan(1.5);
    const rebuilt = await reconstruct(
      { network, graph, store, train: heldOut, heldOut, batches: 1 },
      graph.tasks[0]!,
      3,
    );
    expect(new Set(rebuilt.map((r) => r.clip)).size).toBe(3);
    const [first] = rebuilt;
    const start = heldOut.examples(0, 0)[0]!.target![0]!;
    expect(first!.real).toEqual(slice(start));
    expect(store.clipStarts[store.clipNames.indexOf(first!.clip)]! + first!.seconds * 100).toBeCloseTo(start, 6);
    expect(first!.rebuilt).toHaveLength(128);
    expect(first!.rebuilt.every(Number.isFinite)).toBe(true);
  });
});

describe('supervised training', () => {
  // Three classes of clips: rising, falling and level in time.
  const labels = Int32Array.from({ length: 60 }, (_, i) => i % 3);
  const shaped = memoryStore(Array<number>(60).fill(40), 8);
  for (let clip = 0; clip < 60; clip++) {
    for (let t = 0; t < 40; t++)
      for (let f = 0; f < 8; f++)
        (shaped.native as Float32Array)[(clip * 40 + t) * 8 + f]! += [1, -1, 0][clip % 3]! * 0.5 * t;
  }
  const options = {
    corpus: shaped,
    labels,
    classes: ['up', 'down', 'level'],
    encoder: small,
    batchSize: 16,
    steps: 400,
    learningRate: 5e-3,
    warmUp: 5,
    threads: 1,
  };

  test('learns to tell classes apart, and predicts probabilities clip by clip', async () => {
    const tuned = await runToEnd(fineTune(options));
    const p = await tuned.predict(shaped);
    expect(p).toHaveLength(180);
    let right = 0;
    for (let i = 0; i < 60; i++) {
      const row = p.subarray(3 * i, 3 * i + 3);
      expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
      if (row.indexOf(Math.max(...row)) === labels[i]) right++;
    }
    expect(right).toBeGreaterThan(54);
    expect(await tuned.predict(shaped, [4])).toEqual(p.slice(12, 15));
    expect(await tuned.predict(memoryStore([40, 50], 8))).toHaveLength(6);
  });

  test('starts from a pretrained encoder and its normalisation', async () => {
    const first = await runToEnd(fineTune(options));
    const again = await runToEnd(fineTune({ ...options, from: first.model, learningRate: 1e-60, steps: 1 }));
    for (const [name, data] of first.model.weights) {
      if (!name.includes('running')) expect(again.model.weights.get(name)).toEqual(data);
    }
    expect(again.model.mean).toBe(first.model.mean);
  });

  test('pads clips shorter than a slice with silence', async () => {
    const mixed = memoryStore([5, 40, 0, 16], 8);
    const padded = padShortClips(mixed, 16);
    expect([...padded.clipStarts]).toEqual([0, 16, 56, 72, 88]);
    expect(padded.read(0, 5)).toEqual(mixed.read(0, 5));
    expect(padded.read(5, 11)).toEqual(new Float32Array(88).fill(Math.log(1e-6)));
    expect(padded.read(16, 40)).toEqual(mixed.read(5, 40));
    expect(padded.read(72, 16)).toEqual(mixed.read(45, 16));
    expect(padShortClips(shaped, 16)).toBe(shaped);
    const tuned = await runToEnd(fineTune({ ...options, corpus: mixed, labels: Int32Array.of(0, 1, 2, 0), steps: 3 }));
    expect((await tuned.predict(mixed)).every((p) => p >= 0 && p <= 1)).toBe(true);
  });

  test('leaves clips labelled -1 out, and refuses what cannot be trained on', async () => {
    const few = labels.map((l, i) => (i < 12 ? l : -1));
    await runToEnd(fineTune({ ...options, labels: few, steps: 3 }));
    const refused = (more: object, code: string) =>
      expect(runToEnd(fineTune({ ...options, ...more }))).rejects.toMatchObject({ code });
    await refused({ labels: labels.subarray(1) }, 'ERR_ARGUMENT');
    await refused({ labels: labels.map((l) => Math.min(l, 1)) }, 'ERR_ARGUMENT');
    await refused({ labels: labels.map(() => 3) }, 'ERR_ARGUMENT');
    await refused({ classes: ['one'] }, 'ERR_ARGUMENT');
  });
});

test('the shapes of all tasks have a value for every parameter', () => {
  for (const text of every) {
    const graph = graphOf(text);
    const params = initialParameters(graph.graph, 1);
    for (const p of graph.graph.params) expect(params.get(p.name)).toHaveLength(sizeOf(p.shape));
  }
});
