// The registry of front ends: what it checks, PCM as the second of them, and what adding one takes.
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Encoder } from '../lib/embed/encoder.js';
import { exportEncoder } from '../lib/export/export-encoder.js';
import { defaultLimits } from '../lib/export/export-onnx.js';
import { beyondLimits } from '../lib/export/parity.js';
import {
  featureStream,
  features,
  featuresGradient,
  featuresGradientSync,
  featuresSync,
} from '../lib/features/compute.js';
import { defaultFrontEnd } from '../lib/features/front-end-config.js';
import { checkFrontEnd, frameCount, frameTime, frameWidth, storedFrontEnd } from '../lib/features/front-ends.js';
import { samplesOf, sliceMiddle } from '../lib/features/slices.js';
import { type EncoderModel, loadEncoderModel, saveEncoderModel } from '../lib/models/encoder-model.js';
import { corpusFacts } from '../lib/train/corpus.js';
import { Random } from '../lib/util/random.js';
import { parseSafetensors, writeSafetensors } from '../lib/util/safetensors.js';
import { memoryStore } from './helpers/memory-store.js';
import { randomModel } from './helpers/models.js';
import { recording } from './helpers/recordings.js';

const root = join(import.meta.dirname, '..');
let folder: string;
let drums: Float32Array;
beforeAll(async () => {
  // Inside the project, so that a copy of the library finds the packages that it needs.
  folder = mkdtempSync(join(root, 'build', 'front-ends-'));
  drums = (await recording('loop_amen')).slice(0, 20_000);
});
afterAll(() => rmSync(folder, { recursive: true }));

const pcm = { kind: 'pcm', hop: 64 } as const;
function noise(length: number): Float32Array {
  const rng = new Random(3);
  return Float32Array.from({ length }, () => rng.uniform(-1, 1));
}

describe('configurations', () => {
  it('are log-mel without a kind', () => {
    expect(checkFrontEnd({ bands: 32 })).toEqual({ ...defaultFrontEnd, bands: 32 });
    expect(checkFrontEnd(pcm)).toEqual({ kind: 'pcm', sampleRate: 16000, hop: 64 });
    const { kind, ...old } = defaultFrontEnd;
    expect(kind).toBe('log-mel');
    expect(storedFrontEnd(old)).toEqual(defaultFrontEnd);
  });

  it('are refused by name', () => {
    const refuses = (call: () => unknown, message: RegExp) => {
      const error = { code: 'ERR_ARGUMENT', message: expect.stringMatching(message) };
      expect(call).toThrow(expect.objectContaining(error));
    };
    // biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
    const any = (x: unknown) => x as any;
    refuses(
      () => checkFrontEnd(any({ kind: 'wavelet' })),
      /^frontEnd.kind must be one of .*log-mel, .*pcm.*got "wavelet"/,
    );
    refuses(() => checkFrontEnd(any({ kind: 'pcm', bands: 3 })), /^frontEnd must be made of kind, sampleRate, hop/);
    refuses(() => checkFrontEnd({ kind: 'pcm', hop: 0.5 }), /^frontEnd.hop must be an integer/);
    refuses(() => checkFrontEnd(any(null)), /^frontEnd must be an object/);
    const { hop, ...rest } = defaultFrontEnd;
    refuses(() => storedFrontEnd(rest), /^frontEnd.hop must be given/);
    refuses(() => storedFrontEnd('log-mel'), /^frontEnd must be an object/);
    expect(hop).toBe(160);
  });

  it('say when their frames are', () => {
    expect(frameTime(0, defaultFrontEnd)).toBe(0.0125);
    expect(frameTime(10, defaultFrontEnd)).toBe(0.1125);
    expect(frameTime(3, checkFrontEnd(pcm))).toBe(224 / 16000);
    expect(sliceMiddle(48, 96, defaultFrontEnd)).toBe(0.9675);
    for (const config of [defaultFrontEnd, checkFrontEnd(pcm)]) {
      for (const frames of [1, 2, 17]) {
        expect(frameCount(samplesOf(frames, config), config)).toBe(frames);
        expect(frameCount(samplesOf(frames, config) - 1, config)).toBe(frames - 1);
      }
    }
  });
});

describe('files from before there were kinds', () => {
  it('load: models are the same, to the bit', async () => {
    const model = randomModel(5);
    const file = join(folder, 'now.safetensors');
    await saveEncoderModel(file, model);
    const { tensors, metadata } = parseSafetensors(readFileSync(file), file);
    const { kind, ...old } = JSON.parse(metadata.front_end!);
    expect(kind).toBe('log-mel');
    const before = join(folder, 'before.safetensors');
    const owned = new Map(
      [...tensors].map(([name, t]) => [name, { shape: t.shape, data: Float32Array.from(t.data as Float32Array) }]),
    );
    await writeSafetensors(before, owned, { ...metadata, front_end: JSON.stringify(old) });
    expect((await loadEncoderModel(before)).frontEnd).toEqual(defaultFrontEnd);
    const [a, b] = [await Encoder.load(file), await Encoder.load(before)];
    expect(await b.sceneEmbedding(drums)).toEqual(await a.sceneEmbedding(drums));
  });

  it('and runs know their corpus again: its fingerprint is what it was', () => {
    // As computed by the release before this one, from the same store.
    expect(corpusFacts(memoryStore([30, 40], 64, 3)).fingerprint).toBe('dcfab6ac43a3d4bcf71e89b2d8aa0495');
  });
});

describe('PCM', () => {
  it('is the samples, whole frames of them', async () => {
    const x = noise(1000);
    expect(frameWidth(checkFrontEnd(pcm))).toBe(64);
    expect(featuresSync(x, { frontEnd: pcm })).toEqual(x.slice(0, 960));
    expect(await features(x, { frontEnd: pcm })).toEqual(x.slice(0, 960));
    x[77] = Number.NaN;
    await expect(features(x, { frontEnd: pcm })).rejects.toThrow(/^samples\[77\] must be finite/);
    expect(() => featuresSync(x, { frontEnd: pcm })).toThrow(/^samples\[77\] must be finite/);
  });

  it('has a gradient, and 0 where no frame reaches', async () => {
    const [x, g] = [noise(200), noise(192)];
    const expected = new Float32Array(200);
    expected.set(g);
    expect(await featuresGradient(x, g, { frontEnd: pcm })).toEqual(expected);
    expect(featuresGradientSync(x, g, { frontEnd: pcm, out: new Float32Array(200).fill(9) })).toEqual(expected);
  });

  it('streams the same bits, whatever the chunks', () => {
    const x = noise(2000);
    fc.assert(
      fc.property(fc.array(fc.nat(300), { minLength: 2, maxLength: 30 }), (cuts) => {
        const stream = featureStream({ frontEnd: pcm });
        const out: number[] = [];
        let at = 0;
        for (const length of [...cuts, x.length]) {
          out.push(...stream.push(x.subarray(at, at + length)));
          at = Math.min(x.length, at + length);
        }
        expect(Float32Array.from(out)).toEqual(x.slice(0, 1984));
      }),
      { numRuns: 30 },
    );
  });

  it('lets the event loop turn, and stops when its signal aborts', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const long = features(new Float32Array(2 ** 24), { frontEnd: pcm, signal: controller.signal });
    controller.abort(reason);
    await expect(long).rejects.toBe(reason);
  });

  it('makes an encoder of its own: saved, embedded, streamed, exported with the waveform as input', async () => {
    const config = { frames: 32, bands: 64, channels: [4, 8], embedding: 10 };
    const model: EncoderModel = {
      ...randomModel(53, config),
      frontEnd: checkFrontEnd(pcm),
      mean: new Float32Array(64),
      std: new Float32Array(64).fill(0.1),
    };
    const file = join(folder, 'pcm.safetensors');
    await saveEncoderModel(file, model);
    const encoder = await Encoder.load(file);
    expect(encoder.frontEnd).toEqual({ kind: 'pcm', sampleRate: 16000, hop: 64 });
    const { embeddings, timestamps } = await encoder.timestampEmbeddings(drums);
    expect(timestamps[0]).toBe(64);
    const streamed: number[] = [];
    const stream = encoder.stream();
    for (let at = 0; at < drums.length; at += 777)
      streamed.push(...stream.push(drums.subarray(at, at + 777)).embeddings);
    streamed.push(...stream.flush().embeddings);
    expect(Float32Array.from(streamed)).toEqual(embeddings);
    for (const [ending, samples] of [
      ['onnx', 'slice'],
      ['onnx', 'any'],
      ['tflite', 'slice'],
    ] as const) {
      const options = { input: 'waveform', samples, clips: [drums] } as const;
      const { parity } = await exportEncoder(join(folder, `pcm.${ending}`), model, options);
      expect(beyondLimits(parity, defaultLimits('float32', 'waveform'))).toEqual([]);
    }
  });
});

const toy = `
import { DONE, type FrontEnd, checkRange, fillIn, NOT_FINITE, slidingFrames } from './front-end.js';

export interface PowerConfig {
  kind: 'power';
  sampleRate: number;
  hop: number;
}
const defaults: PowerConfig = { kind: 'power', sampleRate: 16000, hop: 64 };

/** Power of each of 16 pieces of a frame. */
function run(samples: Float32Array, out: Float32Array): number {
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (let n = 0; n < 4; n++) sum += samples[4 * i + n]! ** 2;
    out[i] = sum;
    if (!Number.isFinite(out[i])) return NOT_FINITE;
  }
  return DONE;
}

export const powerFrontEnd: FrontEnd<PowerConfig> = {
  kind: 'power',
  title: 'power',
  defaults,
  check(given) {
    const config = fillIn(given, defaults);
    checkRange(config, 'sampleRate', 1000, 384000, false);
    if (config.hop !== 64) throw new Error('hop');
    return config;
  },
  width: () => 16,
  ...slidingFrames<PowerConfig>(({ hop }) => hop),
  silence: () => 0,
  kernel: () => ({ runSync: run, run: async (samples, out) => run(samples, out) }),
  emit(writer, waveform, samples, { hop }) {
    const frames = writer.windows('frames', waveform, { samples, length: hop, hop });
    const squares = writer.node('Mul', 'squares', [frames, frames]);
    const sums = Float32Array.from({ length: hop * 16 }, (_, i) => (Math.floor(i / 16 / 4) === i % 16 ? 1 : 0));
    return writer.node('MatMul', 'power', [squares, writer.constant('sums', sums, [hop, 16])]);
  },
};
`;

describe('a front end of your own', () => {
  it('is one file and one line', async () => {
    cpSync(join(root, 'lib'), join(folder, 'lib'), { recursive: true });
    writeFileSync(join(folder, 'lib', 'features', 'power.ts'), toy);
    const list = join(folder, 'lib', 'features', 'front-end-list.ts');
    writeFileSync(list, `${readFileSync(list, 'utf8')}export { powerFrontEnd } from './power.js';\n`);
    const { compilerOptions } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'));
    const changed = { ...compilerOptions, noEmit: false, declaration: false, outDir: 'out', rootDir: '.' };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: changed, include: ['lib'] }));
    // Types are checked, too.
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    await promisify(execFile)(process.execPath, [tsc, '-p', folder]);
    const corpus = join(folder, 'corpus');
    cpSync(join(root, 'test', 'helpers'), corpus, { recursive: true }); // a folder; the recordings come from read()
    writeFileSync(join(corpus, 'a.wav'), '');
    const lib = join(folder, 'out', 'lib', 'index.js');
    const script = `
      import assert from 'node:assert';
      import * as a2v from ${JSON.stringify(lib)};
      const samples = Float32Array.from({ length: 20000 }, (_, i) => Math.sin(i * i / 9e5) * Math.cos(i / 500));
      const frontEnd = { kind: 'power' };
      const power = await a2v.features(samples, { frontEnd });
      assert.equal(power.length, 312 * 16);
      const stream = a2v.featureStream({ frontEnd });
      const chunks = Array.from({ length: 200 }, (_, i) => stream.push(samples.subarray(100 * i, 100 * i + 100)));
      assert.deepEqual(chunks.flatMap((c) => [...c]), [...power]);
      await assert.rejects(a2v.featuresGradient(samples, power, { frontEnd }), /a front end that has a gradient/);
      const { store } = await a2v.buildFeatureStore(${JSON.stringify(corpus)}, ${JSON.stringify(join(folder, 'power.a2v'))},
        { frontEnd, columns: { pcm: { frontEnd: { kind: 'pcm', hop: 64 } } }, read: async () => samples });
      assert.deepEqual(store.read(0, store.frames), power);
      assert.deepEqual(store.frontEnd, { kind: 'power', sampleRate: 16000, hop: 64 });
      store.close();
      const model = await a2v.loadEncoderModel(${JSON.stringify(join(folder, 'power.safetensors'))});
      model.frontEnd = a2v.checkFrontEnd(frontEnd);
      await a2v.saveEncoderModel(${JSON.stringify(join(folder, 'power2.safetensors'))}, model);
      const encoder = await a2v.Encoder.load(${JSON.stringify(join(folder, 'power2.safetensors'))});
      for (const file of ['power.onnx', 'power.tflite']) {
        const { parity } = await a2v.exportEncoder(${JSON.stringify(folder)} + '/' + file, encoder.model,
          { input: 'waveform', clips: [samples] });
        console.log(JSON.stringify(parity));
      }`;
    const model = { ...randomModel(54, { frames: 32, bands: 16, channels: [4, 8], embedding: 10 }) };
    model.frontEnd = { ...defaultFrontEnd, bands: 16 };
    await saveEncoderModel(join(folder, 'power.safetensors'), model);
    const env = { ...process.env, AUDIO2VEC_ADDON: join(root, 'build', 'Release', 'audio2vec.node') };
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { env });
    const parities = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(parities).toHaveLength(2);
    for (const parity of parities) expect(beyondLimits(parity, defaultLimits('float32', 'waveform'))).toEqual([]);
  }, 180_000);
});
