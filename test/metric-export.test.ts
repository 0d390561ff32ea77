// The metric in ONNX Runtime: features or waveforms of two sounds in, the same distance and curve out.
import { createRequire } from 'node:module';
import * as ort from 'onnxruntime-web';
import { expect, it } from 'vitest';
import { readAudio } from '../lib/audio/index.js';
import { buildModelOnnx } from '../lib/export/onnx.js';
import { onnxBytes } from '../lib/export/onnx-builder.js';
import { logMel } from '../lib/features/log-mel.js';
import { frontEnds, type Width } from '../lib/systems/cdpam/front-end.js';
import { defaultConfig, FRAMES, parametersOf } from '../lib/systems/cdpam/network.js';
import { PerceptualMetric } from '../lib/systems/cdpam/perceptual-metric.js';
import { initialWeights, trainingGraph } from '../lib/systems/cdpam/training-graph.js';
import { Random } from '../lib/util/random.js';

ort.env.wasm.numThreads = 1;

const weights = initialWeights(trainingGraph(defaultConfig, 2), 7);
const metric = PerceptualMetric.fromModel(
  {
    ...{ config: defaultConfig, calibration: { half: 0.05, slope: 2 }, provenance: {} },
    weights: new Map(parametersOf(defaultConfig).map(({ name }) => [name, weights.get(name)!])),
  },
  { threads: 1 },
);

it.each([
  ['narrow', 'features'],
  ['narrow', 'waveform'],
  ['wide', 'features'],
] as const)('has parity at %s width from %s', async (width: Width, input) => {
  const frontEnd = frontEnds[width];
  const samples = (FRAMES - 1) * frontEnd.hop + frontEnd.windowLength;
  const packages = createRequire(import.meta.url).resolve('supersonic-scsynth-samples/package.json');
  const file = packages.replace('package.json', 'samples/loop_amen.flac');
  const clip = (await readAudio(file, { sampleRate: frontEnd.sampleRate })).slice(0, samples);
  const random = new Random(1);
  const test = clip.map((v) => v + 0.01 * random.normal());

  const session = await ort.InferenceSession.create(onnxBytes(buildModelOnnx(metric.deployed(width), { input }).model));
  const feeds: Record<string, ort.Tensor> = {};
  for (const [i, sound] of [clip, test].entries()) {
    const name = session.inputNames[i]!;
    const values = input === 'waveform' ? sound : await logMel(sound, { frontEnd });
    const shape = input === 'waveform' ? [1, samples] : [1, FRAMES, frontEnd.bands];
    feeds[name] = new ort.Tensor('float32', values, shape);
  }
  expect(session.inputNames.map((name) => name.replace(/[^a-z].*/, ''))).toEqual(['reference', 'test']);
  const { distance, curve } = await session.run(feeds);
  await session.release();
  const expected = await metric.compare(clip, test, { sampleRate: frontEnd.sampleRate });
  expect(distance!.dims).toEqual([1, 1]);
  expect(curve!.dims).toEqual([1, FRAMES, 1]);
  expect(Math.abs((distance!.data as Float32Array)[0]! / expected.distance - 1)).toBeLessThan(1e-3);
  const largest = Math.max(...expected.curve);
  (curve!.data as Float32Array).forEach((v, t) => {
    expect(Math.abs(v - expected.curve[t]!)).toBeLessThan(1e-3 * largest);
  });
});
