// Pretraining that begins with an encoder: what is taken, what is refused, what is remembered. The engine is a stand-in.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pretrainedFile } from '../lib/embed/encoder.js';
import { exportEncoder } from '../lib/export/export-encoder.js';
import { loadEncoderModel, saveEncoderModel } from '../lib/models/encoder-model.js';
import { initialParameters } from '../lib/models/initial-weights.js';
import { renderReport } from '../lib/report/report.js';
import { runReport } from '../lib/report/run-report.js';
import type { PretrainingConfig } from '../lib/systems/audio2vec/config.js';
import { chooseTasks } from '../lib/systems/audio2vec/tasks/index.js';
import { trainingGraph } from '../lib/systems/audio2vec/training-graph.js';
import { loadCheckpoint } from '../lib/train/checkpoint.js';
import type { Step } from '../lib/train/loop.js';
import { type PretrainOptions, pretrain, resumePretraining } from '../lib/train/pretrain.js';
import { readRunLog } from '../lib/train/run-log.js';
import { fakeNetworkFactory } from './helpers/fake-network.js';
import { memoryStore } from './helpers/memory-store.js';
import { randomModel } from './helpers/models.js';

const shape = { frames: 16, bands: 8, channels: [3, 4], embedding: 6 };
const corpus = memoryStore(
  Array.from({ length: 30 }, (_, i) => 60 + 7 * i),
  8,
);
/** Trained elsewhere: with other statistics than this corpus has. */
const model = { ...randomModel(7, shape), frontEnd: corpus.frontEnd };

let folder: string;
let file: string;
let runs = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-from-'));
  file = join(folder, 'first.safetensors');
  await saveEncoderModel(file, model);
});
afterAll(() => rm(folder, { recursive: true }));
const fresh = () => join(folder, `run-${runs++}`);

const options = (out: string, more: Partial<PretrainOptions> = {}): PretrainOptions => ({
  ...{ corpus, out, batchSize: 4, steps: 6, warmUp: 0, heldOut: 0.3, task: 'cbow', from: file },
  createNetwork: fakeNetworkFactory(),
  ...more,
});

async function collect(steps: AsyncIterable<Step>, until = Number.POSITIVE_INFINITY): Promise<void> {
  for await (const { step } of steps) if (step === until) break;
}

const checkpointOf = (out: string) => loadCheckpoint(join(out, 'checkpoint.safetensors'));

test('the encoder begins with its weights, the head with random ones, and both see its normalisation', async () => {
  const out = fresh();
  const seen: { mean: Float32Array }[] = [];
  const fake = fakeNetworkFactory();
  const createNetwork: typeof fake = (graph, o) => {
    seen.push({ mean: Float32Array.from(o.mean!) });
    return fake(graph, o);
  };
  // Steps smaller than float32 can add.
  await collect(pretrain(options(out, { learningRate: 1e-60, whiten: false, createNetwork })));
  const { params } = (await checkpointOf(out)).state;
  const random = initialParameters(trainingGraph(shape, chooseTasks('cbow', 16)).graph, 1);
  for (const [name, values] of params) expect(values, name).toEqual(model.weights.get(name) ?? random.get(name));
  expect([...model.weights.keys()].every((name) => params.has(name))).toBe(true);
  expect(seen[0]!.mean).toEqual(model.mean);
  const trained = await loadEncoderModel(join(out, 'encoder.safetensors'));
  expect([trained.config, trained.mean, trained.std]).toEqual([model.config, model.mean, model.std]);
  expect(trained.weights).toEqual(model.weights);
});

test('the run, its model and its report say what it began with', async () => {
  const out = fresh();
  await collect(pretrain(options(out)));
  const { from } = (await readRunLog(out)).config;
  expect(from).toMatchObject({ name: 'first.safetensors', fingerprint: expect.stringMatching(/^[0-9a-f]{32}$/) });
  const { provenance } = await loadEncoderModel(join(out, 'encoder.safetensors'));
  expect(provenance.from).toEqual({ name: from!.name, fingerprint: from!.fingerprint });
  const page = renderReport(await runReport(out));
  expect(page).toContain('beginning with the encoder &#34;first.safetensors&#34;');
  expect(page).toContain(from!.fingerprint);
});

test('a run, by its folder, is begun with as well; interrupted, it needs it no more and has the same bits', async () => {
  const [first, whole, parts] = [fresh(), fresh(), fresh()];
  await collect(pretrain(options(first)));
  await collect(pretrain(options(whole, { from: first })));
  await collect(pretrain(options(parts, { from: first })), 3);
  await rm(first, { recursive: true });
  await collect(resumePretraining({ ...options(parts), from: undefined } as PretrainOptions));
  const [a, b] = await Promise.all([whole, parts].map((out) => loadEncoderModel(join(out, 'encoder.safetensors'))));
  expect(b).toEqual(a);
  expect((a!.provenance.from as PretrainingConfig['from'])!.name).toBe(first.slice(folder.length + 1));
});

test('another shape is refused by name, the same one may be said', async () => {
  const refused = expect(collect(pretrain(options(fresh(), { encoder: { channels: [3, 5] } })))).rejects;
  await refused.toMatchObject({
    code: 'ERR_ARGUMENT',
    message: 'encoder.channels must be 3,4, as of the encoder to begin with (first.safetensors), got "3,5".',
  });
  await collect(pretrain(options(fresh(), { encoder: shape })));
});

test('what is no encoder to train on is refused with the reason', async () => {
  const wrong = (from: string) => collect(pretrain(options(fresh(), { from })));
  await expect(wrong(join(folder, 'none.safetensors'))).rejects.toMatchObject({ code: 'ERR_FILE' });
  const pitch = pretrainedFile.replace('audio2vec.safetensors', 'pitch.safetensors');
  await expect(wrong(pitch)).rejects.toMatchObject({
    code: 'ERR_MODEL_FORMAT',
    message: expect.stringContaining('encoder'),
  });
  const packed = join(folder, 'packed.safetensors');
  await exportEncoder(packed, model, { precision: 'int8', clips: [new Float32Array(16000)] });
  await expect(wrong(packed)).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('from') });
  // An encoder of other bands than the corpus has.
  await expect(wrong('pretrained')).rejects.toMatchObject({
    code: 'ERR_ARGUMENT',
    message: expect.stringMatching(/from must be an encoder with the front end of the corpus .*"bands":8.*"bands":64/),
  });
});
