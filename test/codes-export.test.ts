// Speech codes on phones: ONNX and LiteRT give the codes and vectors that the library gives.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { exportModel } from '../lib/export/export-model.js';
import { liteRt } from '../lib/export/litert-runtime.js';
import { buildModelOnnx } from '../lib/export/onnx.js';
import { onnxBytes } from '../lib/export/onnx-builder.js';
import { prepareModel } from '../lib/export/prepared.js';
import { buildModelTflite } from '../lib/export/tflite.js';
import { logMel } from '../lib/features/log-mel.js';
import { samplesOf } from '../lib/features/slices.js';
import { deployedCodes } from '../lib/systems/wav2vec-c/deployed.js';
import { SpeechCodes } from '../lib/systems/wav2vec-c/system.js';
import { codesModel, sound } from './helpers/codes.js';

const speech = SpeechCodes.fromModel(codesModel(), { threads: 1 });
const deployed = deployedCodes(speech.model, 3);
const frames = 100;
const waveform = sound(samplesOf(3 * frames, speech.frontEnd));

/** What the library says of code frames that the ends of a window do not reach: 4 for codes and latents, 11 for context. */
async function library() {
  const latents = await speech.encode(waveform, { vectors: 'latents' });
  const context = await speech.encode(waveform, { vectors: 'context' });
  return [
    ['codes', 4, speech.books, Float32Array.from(latents.codes), 0],
    ['latents', 4, speech.widths.latents, latents.vectors!, 1e-3],
    ['context', 11, speech.widths.context, context.vectors!, 1e-3],
  ] as const;
}

async function expectSame(found: (name: string) => Promise<Float32Array>) {
  for (const [name, reach, width, wanted, tolerance] of await library()) {
    const values = await found(name);
    expect(values.length).toBe(frames * width);
    let worst = 0;
    for (let i = reach * width; i < (frames - reach) * width; i++) {
      worst = Math.max(worst, Math.abs(values[i]! - wanted[i]!));
    }
    expect(worst, name).toBeLessThanOrEqual(tolerance);
  }
}

it.each(['features', 'waveform'] as const)('ONNX, from %s', async (input) => {
  const session = await InferenceSession.create(onnxBytes(buildModelOnnx(deployed, { input }).model));
  const x =
    input === 'waveform'
      ? new Tensor('float32', waveform, [1, waveform.length])
      : new Tensor('float32', await logMel(waveform, { frontEnd: speech.frontEnd as never }), [1, 3 * frames, 64]);
  const results = await session.run({ [session.inputNames[0]!]: x });
  await expectSame(async (name) => results[name]!.data as Float32Array);
  await session.release();
});

it.each([
  ['onnx', 'int8', '"float32" or "float16" for codes'],
  ['tflite', 'float16', '"float32" for codes as .tflite'],
] as const)('an .%s of %s is refused before anything is read', async (ending, precision, possible) => {
  await expect(exportModel(join(tmpdir(), `codes.${ending}`), deployed, { precision })).rejects.toMatchObject({
    code: 'ERR_ARGUMENT',
    message: expect.stringContaining(`precision must be ${possible}, got "${precision}"`),
  });
});

it('is proved by how many codes agree, not by the difference of their numbers', () => {
  const outputs = prepareModel(deployed, 'features').outputs.map(({ name, discrete }) => [name, discrete]);
  expect(outputs).toEqual([
    ['codes', true],
    ['latents', false],
    ['context', false],
  ]);
});

it('LiteRT', async () => {
  const { litert } = await liteRt();
  const model = await litert.loadAndCompile((await buildModelTflite(deployed)).build(), { accelerator: 'wasm' });
  const x = new litert.Tensor(await logMel(waveform, { frontEnd: speech.frontEnd as never }), [1, 3 * frames, 64]);
  const results = await model.run([x]);
  const names = model.getOutputDetails().map((o) => o.name);
  await expectSame(async (name) => (await results[names.indexOf(name)]!.data()) as Float32Array);
  for (const tensor of [x, ...results]) tensor.delete();
  model.delete();
});
