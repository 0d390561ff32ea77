import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { buildOnnx } from '../lib/export/onnx.js';
import { onnxBytes } from '../lib/export/onnx-builder.js';
import { measureParity } from '../lib/export/parity.js';
import { encoderGraph } from '../lib/model/encoder-model.js';
import { forward64 } from './helpers/forward64.js';
import { logMel64 } from './helpers/log-mel64.js';
import { randomModel, uniform } from './helpers/models.js';

const model = randomModel();
const { frames, bands } = model.config;
const sliceSamples = 400 + 160 * (frames - 1);

describe('log-mel in', () => {
  it('x', async () => {
    const random = uniform(3);
    const logMel = Float32Array.from({ length: 2 * frames * bands }, () => -12 + 14 * random());
    const parity = await measureParity(onnxBytes(buildOnnx(model)), [
      { input: logMel, shape: [2, frames, bands], expected: embed64(logMel) },
    ]);
    console.log(parity);
  });
  it('y', async () => {
    const random = uniform(3);
    const wave = Float32Array.from({ length: 2 * sliceSamples }, () => random() - 0.5);
    const logMel = [0, 1].flatMap((i) => [...logMel64(wave.subarray(i * sliceSamples, (i + 1) * sliceSamples))]);
    const bytes = onnxBytes(buildOnnx(model, { input: 'waveform' }));
    console.log(bytes.length);
    console.log(
      await measureParity(bytes, [
        { input: wave, shape: [2, sliceSamples], expected: embed64(Float32Array.from(logMel)) },
      ]),
    );
    const any = onnxBytes(buildOnnx(model, { input: 'waveform', samples: 'any', hop: 40 }));
    const s = await InferenceSession.create(any);
    for (const n of [1, 15599, 15600, 15601, 15600 + 160 * 40 - 1, 15600 + 160 * 40, 60000]) {
      const r = await s.run({ waveform: new Tensor('float32', new Float32Array(n).fill(0.1), [1, n]) });
      console.log(n, r.embedding!.dims);
    }
  });
});

function embed64(logMel: Float32Array): Float32Array {
  const { graph, input, output } = encoderGraph(model.config);
  const out: number[] = [];
  for (let s = 0; s < logMel.length; s += frames * bands) {
    const x = Float64Array.from(
      logMel.subarray(s, s + frames * bands),
      (v, i) => (v - model.mean[i % bands]!) / model.std[i % bands]!,
    );
    out.push(...forward64(graph.nodes, model.weights, { [input.name]: x }).get(output.name)!);
  }
  return Float32Array.from(out);
}
