// The pitch network in other runtimes: a waveform in, Hz and confidence out.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportModel } from '../lib/export/export-model.js';
import { liteRt } from '../lib/export/litert-runtime.js';
import { buildModelOnnx } from '../lib/export/onnx.js';
import { onnxBytes } from '../lib/export/onnx-builder.js';
import { onnxRuntime } from '../lib/export/onnx-runtime.js';
import type { OutputParity } from '../lib/export/output-parity.js';
import { buildModelTflite } from '../lib/export/tflite.js';
import { initialParameters } from '../lib/graph/initial-parameters.js';
import { pitchConfig } from '../lib/systems/pitch/config.js';
import { PitchEstimator } from '../lib/systems/pitch/estimator.js';
import { pitchGraph } from '../lib/systems/pitch/model.js';
import { mix, noises } from '../lib/systems/pitch/sounds.js';
import { melody } from '../lib/systems/pitch/tones.js';
import { Random } from '../lib/util/random.js';

const FRAMES = 50;

/** A second of melody in noise, with digital silence within, and what the estimator says of the frames that the file
 * answers for. */
async function expected() {
  const estimator = await PitchEstimator.pretrained();
  const length = (FRAMES + 4 - 1) * 320;
  const options = { sampleRate: 16_000, seconds: length / 16_000, lowHz: 70, highHz: 1200 };
  const { samples } = melody(options, new Random('export'));
  mix(samples, noises(1, options.seconds, 16_000, new Random('export'))[0]!, 20);
  samples.fill(0, 6000, 10_000);
  const track = await estimator.estimate(samples, { smoothing: 'none' });
  return {
    estimator,
    samples,
    hz: track.hz.slice(2, -2),
    confidence: track.confidence.slice(2, -2),
  };
}

function compare(hz: Float32Array, confidence: Float32Array, wanted: { hz: Float32Array; confidence: Float32Array }) {
  expect(hz.length).toBe(FRAMES);
  let [pitched, silent] = [0, 0];
  for (let t = 0; t < FRAMES; t++) {
    if (wanted.hz[t] === 0) {
      silent++;
      expect(hz[t]).toBe(0);
    } else if (wanted.confidence[t]! > 0.1) {
      pitched++;
      // What is left are decibels that were summed in another order.
      expect(Math.abs(1200 * Math.log2(hz[t]! / wanted.hz[t]!)), `frame ${t}`).toBeLessThan(0.02);
    }
    expect(Math.abs(confidence[t]! - wanted.confidence[t]!)).toBeLessThan(1e-3);
  }
  expect(pitched).toBeGreaterThan(20);
  expect(silent).toBeGreaterThan(2);
}

it('ONNX: waveform in, Hz and confidence out', async () => {
  const { estimator, samples, ...wanted } = await expected();
  const { model } = buildModelOnnx(estimator.deployed(FRAMES), { input: 'waveform' });
  const ort = await onnxRuntime();
  const session = await ort.InferenceSession.create(onnxBytes(model));
  const waveform = new ort.Tensor('float32', samples, [1, samples.length]);
  const { hz, confidence } = await session.run({ waveform });
  expect(hz!.dims).toEqual([1, FRAMES, 1]);
  compare(hz!.data as Float32Array, confidence!.data as Float32Array, wanted);
});

it('LiteRT: waveform in, Hz and confidence out', async () => {
  const { estimator, samples, ...wanted } = await expected();
  const builder = await buildModelTflite(estimator.deployed(FRAMES), { input: 'waveform' });
  const { litert } = await liteRt();
  const model = await litert.loadAndCompile(builder.build(), { accelerator: 'wasm' });
  const tensor = new litert.Tensor(samples, [1, samples.length]);
  const outputs = await model.run(tensor);
  const names = model.getOutputDetails().map((o) => o.name);
  const [hz, confidence] = ['hz', 'confidence'].map((name) => outputs[names.indexOf(name)]!.toTypedArray());
  compare(hz as Float32Array, confidence as Float32Array, wanted);
  tensor.delete();
  for (const output of outputs) output.delete();
  model.delete();
});

describe('files', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'audio2vec-pitch-files-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** Its position need not be at a strong peak, and confidence takes the weak ones for what they are. */
  it.each(['onnx', 'tflite'])('of a network after SPICE pass the check of parity, .%s', async (ending) => {
    const { frontEnd, channels } = pitchConfig({ objective: 'spice', channels: 4 });
    const shape = { objective: 'spice', frontEnd, channels } as const;
    const weights = initialParameters(pitchGraph(shape, 1).graph, 3) as Map<string, Float32Array>;
    const calibration = { offset: 50, slope: 40 };
    const estimator = PitchEstimator.fromModel({ ...shape, weights, calibration, threshold: 0.5, provenance: {} });
    const file = join(folder, `spice.${ending}`);
    const { parity } = await exportModel(file, estimator.deployed(), { input: 'waveform' });
    const error = ({ maxAbsError, largest }: OutputParity) => maxAbsError / largest;
    expect(error(parity.outputs.hz!)).toBeLessThan(1e-3);
    expect(error(parity.outputs.confidence!)).toBeLessThan(1e-2);
    expect(parity.outputs.confidence!.largest).toBeGreaterThan(0.4);
  });

  it.each([
    ['onnx', '"float32" or "float16" for pitch'],
    ['tflite', '"float32" for pitch as .tflite'],
  ])('of integers are refused before anything is read, .%s', async (ending, possible) => {
    const estimator = await PitchEstimator.pretrained();
    const exported = exportModel(join(folder, `int8.${ending}`), estimator.deployed(), { precision: 'int8' });
    const message = expect.stringContaining(`precision must be ${possible}`);
    await expect(exported).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message });
  });
});

it('has a number of frames', async () => {
  const estimator = await PitchEstimator.pretrained();
  for (const frames of [0, -1, 1.5, Number.NaN]) {
    const refusal = { code: 'ERR_ARGUMENT', message: expect.stringContaining('frames must be an integer from 1') };
    expect(() => estimator.deployed(frames)).toThrow(expect.objectContaining(refusal));
  }
});
