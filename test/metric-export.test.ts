// The metric in ONNX Runtime and LiteRT: features or waveforms of two sounds in, the same distance and curve out.
import { createRequire } from 'node:module';
import * as ort from 'onnxruntime-web';
import { expect, it } from 'vitest';
import { readAudio } from '../lib/audio/index.js';
import { liteRt } from '../lib/export/litert-runtime.js';
import { buildModelOnnx } from '../lib/export/onnx.js';
import { onnxBytes } from '../lib/export/onnx-builder.js';
import { buildModelTflite } from '../lib/export/tflite.js';
import { logMel } from '../lib/features/log-mel.js';
import { frontEnds, type Width } from '../lib/systems/cdpam/front-end.js';
import { defaultConfig, FRAMES, parametersOf } from '../lib/systems/cdpam/network.js';
import { PerceptualMetric, type SoundDifference } from '../lib/systems/cdpam/perceptual-metric.js';
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

/** A slice of a recording and a noisy version of it, as a file takes them. */
async function pair(width: Width, input: 'features' | 'waveform') {
  const frontEnd = frontEnds[width];
  const samples = (FRAMES - 1) * frontEnd.hop + frontEnd.windowLength;
  const packages = createRequire(import.meta.url).resolve('supersonic-scsynth-samples/package.json');
  const file = packages.replace('package.json', 'samples/loop_amen.flac');
  const clip = (await readAudio(file, { sampleRate: frontEnd.sampleRate })).slice(0, samples);
  const random = new Random(1);
  const test = clip.map((v) => v + 0.01 * random.normal());
  const shape = input === 'waveform' ? [1, samples] : [1, FRAMES, frontEnd.bands];
  const given = async (x: Float32Array) => (input === 'waveform' ? x : logMel(x, { frontEnd }));
  const expected = await metric.compare(clip, test, { sampleRate: frontEnd.sampleRate });
  return { feeds: [await given(clip), await given(test)] as const, shape, expected };
}

function expectParity(expected: SoundDifference, distance: Float32Array, curve: Float32Array): void {
  expect([distance.length, curve.length]).toEqual([1, FRAMES]);
  expect(Math.abs(distance[0]! / expected.distance - 1)).toBeLessThan(1e-3);
  const largest = Math.max(...expected.curve);
  curve.forEach((v, t) => {
    expect(Math.abs(v - expected.curve[t]!)).toBeLessThan(1e-3 * largest);
  });
}

const kinds = [
  ['narrow', 'features'],
  ['narrow', 'waveform'],
  ['wide', 'features'],
] as const;

it.each(kinds)('has parity in ONNX Runtime at %s width from %s', async (width, input) => {
  const { feeds, shape, expected } = await pair(width, input);
  const session = await ort.InferenceSession.create(onnxBytes(buildModelOnnx(metric.deployed(width), { input }).model));
  expect(session.inputNames.map((name) => name.replace(/[^a-z].*/, ''))).toEqual(['reference', 'test']);
  const tensors = session.inputNames.map((name, i) => [name, new ort.Tensor('float32', feeds[i]!, shape)]);
  const { distance, curve } = await session.run(Object.fromEntries(tensors));
  await session.release();
  expect([distance!.dims, curve!.dims]).toEqual([
    [1, 1],
    [1, FRAMES, 1],
  ]);
  expectParity(expected, distance!.data as Float32Array, curve!.data as Float32Array);
});

it.each(kinds)('has parity in LiteRT at %s width from %s', async (width, input) => {
  const { feeds, shape, expected } = await pair(width, input);
  const { litert } = await liteRt();
  const built = await buildModelTflite(metric.deployed(width), { input });
  const model = await litert.loadAndCompile(built.build(), { accelerator: 'wasm' });
  const names = model.getInputDetails().map(({ name }) => name);
  const tensors = names.map((name) => new litert.Tensor(feeds[name.startsWith('reference') ? 0 : 1], shape));
  const outputs = await model.run(tensors);
  const values = await Promise.all(outputs.map(async (o) => Float32Array.from((await o.data()) as Float32Array)));
  const at = (name: string) => values[model.getOutputDetails().findIndex((d) => d.name.startsWith(name))]!;
  expectParity(expected, at('distance'), at('curve'));
});
