// Speech codes on phones: ONNX and LiteRT give the codes and vectors that the library gives.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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
const recordingOf = (logMelFrames: number) => sound(samplesOf(logMelFrames, speech.frontEnd));
const waveform = recordingOf(3 * frames);

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

it('windows of a recording of any length begin at code frames, as the metadata say', async () => {
  const recording = recordingOf(3 * 337 + 2);
  const { model } = buildModelOnnx(deployed, { input: 'waveform', samples: 'any' });
  const { value } = model.metadataProps.find(({ key }) => key === 'audio2vec.slices')!;
  expect(JSON.parse(value)).toEqual({ frames: 300, hop: 150, step: 3 });
  const session = await InferenceSession.create(onnxBytes(model));
  const results = await session.run({ waveform: new Tensor('float32', recording, [1, recording.length]) });
  await session.release();
  const whole = await speech.encode(recording);
  const { books } = speech;
  const found = results.codes!.data as Float32Array;
  // The last one ends with the last of 337 code frames.
  const starts = [0, 50, 100, 150, 200, 237];
  expect(results.codes!.dims).toEqual([starts.length, frames, books]);
  for (const [k, start] of starts.entries()) {
    const inner = (all: ArrayLike<number>, from: number) =>
      Array.from(all).slice((from + 4) * books, (from + frames - 4) * books);
    expect(inner(found, k * frames)).toEqual(inner(whole.codes, start));
  }
  expect(() => buildModelOnnx(deployed, { input: 'waveform', samples: 'any', hop: 199 })).toThrow(
    'hop must be a multiple of the 3 frames that outputs stand for, got 199',
  );
});

it('a recording of any length is verified before its file is written', async () => {
  const file = join(await mkdtemp(join(tmpdir(), 'audio2vec-codes-any-')), 'codes.onnx');
  const { parity } = await exportModel(file, deployed, {
    input: 'waveform',
    samples: 'any',
    clips: [recordingOf(1013)],
  });
  expect(parity.outputs.codes!.agreement).toBeGreaterThan(0.99);
  expect(parity.outputs.context!.relativeError).toBeLessThan(1e-3);
  await rm(dirname(file), { recursive: true });
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
