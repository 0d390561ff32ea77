// The network of articulatory inversion on phones: ONNX and LiteRT say what the engine says.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { Network } from '../lib/engine/network.js';
import { liteRt } from '../lib/export/litert-runtime.js';
import { buildModelOnnx } from '../lib/export/onnx.js';
import { onnxBytes } from '../lib/export/onnx-builder.js';
import { buildModelTflite } from '../lib/export/tflite.js';
import { logMel } from '../lib/features/log-mel.js';
import { samplesOf } from '../lib/features/slices.js';
import { initialParameters } from '../lib/graph/initial-parameters.js';
import type { DeployedModel } from '../lib/models/deployed-model.js';
import { articulationFrontEnd as frontEnd, WINDOW } from '../lib/systems/articulation/articulation-config.js';
import { inferenceGraph } from '../lib/systems/articulation/inversion-graph.js';
import { deployedInversion } from '../lib/systems/articulation/inversion-model.js';
import { Random } from '../lib/util/random.js';

const bands = frontEnd.bands;
const shape = { frames: WINDOW, bands, channels: 32, frameParameters: 15, utteranceParameters: 1 };
const random = new Random('export');
const deployed: DeployedModel = deployedInversion({
  ...{ shape, frontEnd, process: 'vocal-tract', level: 8, provenance: {} },
  frameParameters: Array.from({ length: 15 }, (_, i) => `p${i}`),
  utteranceParameters: ['length'],
  mean: Float32Array.from({ length: bands }, () => random.uniform(-1, 2)),
  std: Float32Array.from({ length: bands }, () => random.uniform(1, 4)),
  weights: initialParameters(inferenceGraph(shape), 3),
});
const waveform = Float32Array.from({ length: samplesOf(WINDOW, frontEnd) }, () => 0.3 * random.normal());

async function native(): Promise<{ frames: Float32Array; utterance: Float32Array; features: Float32Array }> {
  const features = await logMel(waveform, { frontEnd });
  const { mean, std } = deployed.inputs[0]!;
  using network = new Network(deployed.graph, { maxExamples: 1, threads: 1, mean, std });
  network.setParameters(new Map(deployed.weights));
  const store = { frames: WINDOW, native: features };
  const batch = { examples: 1, inputs: { features: { frames: new Float64Array(1), store } } };
  const { frames, utterance } = await network.outputs(batch, ['frames', 'utterance']);
  return { frames: frames!, utterance: utterance!, features };
}

const difference = (a: ArrayLike<number>, b: Float32Array) =>
  b.reduce((most, x, i) => Math.max(most, Math.abs(x - a[i]!)), a.length === b.length ? 0 : Number.POSITIVE_INFINITY);

it('ONNX, from features and from a waveform', async () => {
  const wanted = await native();
  for (const [input, values, size] of [
    ['features', wanted.features, [1, WINDOW, bands]],
    ['waveform', waveform, [1, waveform.length]],
  ] as const) {
    const { model } = buildModelOnnx(deployed, { input });
    const session = await InferenceSession.create(onnxBytes(model));
    const found = await session.run({ [session.inputNames[0]!]: new Tensor('float32', values, size) });
    expect(found.frames!.dims).toEqual([1, WINDOW, 15]);
    expect(difference(found.frames!.data as Float32Array, wanted.frames)).toBeLessThan(2e-4);
    expect(difference(found.utterance!.data as Float32Array, wanted.utterance)).toBeLessThan(2e-4);
    await session.release();
  }
});

it('LiteRT', async () => {
  const wanted = await native();
  const { litert } = await liteRt();
  const model = await litert.loadAndCompile((await buildModelTflite(deployed)).build(), { accelerator: 'wasm' });
  const x = new litert.Tensor(wanted.features, [1, WINDOW, bands]);
  const results = await model.run([x]);
  const names = model.getOutputDetails().map((o) => o.name);
  for (const name of ['frames', 'utterance'] as const) {
    const values = (await results[names.indexOf(name)]!.data()) as Float32Array;
    expect(difference(values, wanted[name])).toBeLessThan(2e-4);
  }
  for (const tensor of [x, ...results]) tensor.delete();
  model.delete();
});
