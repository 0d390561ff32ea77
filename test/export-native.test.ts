// What an export must prove for real: the files, in their runtimes, against the native front end and engine.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Encoder } from '../lib/embed/encoder.js';
import { Network } from '../lib/engine/network.js';
import { exportOnnx } from '../lib/export/export-onnx.js';
import { exportTflite } from '../lib/export/export-tflite.js';
import { buildOnnx } from '../lib/export/onnx.js';
import { onnxBytes } from '../lib/export/onnx-builder.js';
import { openOnnx } from '../lib/export/onnx-runtime.js';
import { measureParity } from '../lib/export/parity.js';
import { logMel } from '../lib/features/log-mel.js';
import { encoderGraph } from '../lib/models/encoder-model.js';
import { randomModel } from './helpers/models.js';
import { recording } from './helpers/recordings.js';

const model = randomModel(21);
const { frames, bands } = model.config;
const sliceSamples = 400 + 160 * (frames - 1);
const count = 3;

let folder: string;
let samples: Float32Array;
let slices: Float32Array;
let expected: Float32Array;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-native-'));
  samples = (await recording('loop_amen')).slice(0, count * sliceSamples);
  slices = new Float32Array(count * frames * bands);
  for (let i = 0; i < count; i++) {
    slices.set(await logMel(samples.slice(i * sliceSamples, (i + 1) * sliceSamples)), i * frames * bands);
  }
  const { graph, input, output } = encoderGraph(model.config);
  const network = new Network(graph.nodes, { maxExamples: count, threads: 1 });
  network.setParameters(new Map(model.weights));
  const values = slices.map((v, i) => (v - model.mean[i % bands]!) / model.std[i % bands]!);
  expected = await network.forward({ examples: count, inputs: { [input.name]: { values } } }, output.name);
});
afterAll(() => rm(folder, { recursive: true }));

describe('against the native engine', () => {
  const logMelCases = () => [{ input: slices, shape: [count, frames, bands], expected }];
  const waveformCases = () => [{ input: samples, shape: [count, sliceSamples], expected }];

  it('ONNX, log-mel in: max abs error at most 1e-4', async () => {
    const { parity } = await exportOnnx(join(folder, 'log-mel.onnx'), model, { cases: logMelCases() });
    expect(parity.embeddings).toBe(count);
    expect(parity.maxAbsError).toBeLessThanOrEqual(1e-4);
  });

  it('ONNX, waveform in: max abs error at most 1e-3', async () => {
    const { parity } = await exportOnnx(join(folder, 'waveform.onnx'), model, {
      input: 'waveform',
      cases: waveformCases(),
    });
    expect(parity.maxAbsError).toBeLessThanOrEqual(1e-3);
  });

  it.each([
    [undefined, 1],
    [undefined, 3000],
    [undefined, sliceSamples],
    [undefined, sliceSamples + 159],
    [undefined, sliceSamples + 160],
    [undefined, 3 * sliceSamples],
    [frames, 2 * sliceSamples + 500],
    [7, sliceSamples + 1300],
    [frames + 30, 2 * sliceSamples],
  ])('ONNX, a recording: slices every %s frames, of %i samples', async (hop, length) => {
    const encoder = Encoder.fromModel(model, { threads: 1 });
    const clip = samples.slice(0, length);
    const wanted = await encoder.timestampEmbeddings(clip, { hop });
    const session = await openOnnx(onnxBytes(buildOnnx(model, { input: 'waveform', samples: 'any', hop })));
    const cases = [{ input: clip, shape: [1, length], expected: wanted.embeddings }];
    expect((await measureParity(session, cases)).maxAbsError).toBeLessThanOrEqual(1e-3);
  });

  it('LiteRT, both', async () => {
    const one = await exportTflite(join(folder, 'log-mel.tflite'), model, { batch: count, cases: logMelCases() });
    expect(one.parity.maxAbsError).toBeLessThanOrEqual(1e-4);
    const options = { input: 'waveform', batch: count, cases: waveformCases() } as const;
    const two = await exportTflite(join(folder, 'waveform.tflite'), model, options);
    expect(two.parity.maxAbsError).toBeLessThanOrEqual(1e-3);
  });
});
