// Speech codes in use: recordings, streams, decoding, the model file.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Network } from '../lib/engine/network.js';
import { features } from '../lib/features/compute.js';
import { deployedCodes } from '../lib/systems/wav2vec-c/deployed.js';
import { loadCodesModel, saveCodesModel } from '../lib/systems/wav2vec-c/model.js';
import { SpeechCodes } from '../lib/systems/wav2vec-c/system.js';
import { codesModel, sound } from './helpers/codes.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-codes-'));
});
afterAll(() => rm(folder, { recursive: true }));

const model = codesModel();
const speech = SpeechCodes.fromModel(model, { threads: 1 });

describe('encode', () => {
  test('a code of each book every 30 ms, with its time', async () => {
    const { codes, timestamps, vectors } = await speech.encode(sound(16000));
    expect(timestamps.length).toBe(32); // 98 log-mel frames
    expect(codes.length).toBe(64);
    expect(new Set(codes).size).toBeGreaterThan(2);
    expect(Math.max(...codes)).toBeLessThan(8);
    expect([timestamps[0], timestamps[1]]).toEqual([22.5, 52.5]);
    expect(vectors).toBeUndefined();
    expect(speech.bitsPerSecond).toBeCloseTo(200, 9);
    expect(speech.frameSeconds).toBeCloseTo(0.03, 12);
  });

  test('less than a code frame is coded as if silence followed', async () => {
    const short = sound(300);
    const padded = new Float32Array(720);
    padded.set(short);
    expect((await speech.encode(short)).codes).toEqual((await speech.encode(padded)).codes);
  });

  test('codes do not depend on threads or on what is asked for beside them', async () => {
    const samples = sound(50000);
    const plain = await speech.encode(samples);
    const others = SpeechCodes.fromModel(model, { threads: 3 });
    const [latents, context] = await Promise.all([
      others.encode(samples, { vectors: 'latents' }),
      others.encode(samples, { vectors: 'context' }),
    ]);
    for (const { codes } of [latents, context]) expect(codes).toEqual(plain.codes);
    expect(latents.vectors!.length).toBe(plain.timestamps.length * 16);
    expect(context.vectors).not.toEqual(latents.vectors);
  });

  test('what is far away changes no code, and no context vector', async () => {
    const [a, b] = [sound(80000, 1), sound(80000, 1)];
    b.fill(0, 60000);
    const [x, y] = [await speech.encode(a, { vectors: 'context' }), await speech.encode(b, { vectors: 'context' })];
    const same = (60000 - 400) / 480; // code frames before the change
    const codes = Math.floor(same - 4) * 2;
    const vectors = Math.floor(same - 11) * 30;
    expect(x.codes.subarray(0, codes)).toEqual(y.codes.subarray(0, codes));
    expect(x.vectors!.subarray(0, vectors)).toEqual(y.vectors!.subarray(0, vectors));
    expect(x.vectors).not.toEqual(y.vectors);
  });

  test('wrong samples and options are told, an abort ends it', async () => {
    await expect(speech.encode(new Float32Array(0))).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(speech.encode(Float32Array.of(0, Number.NaN))).rejects.toThrow('samples[1]');
    // Wherever it is: in a window in the middle, in the last samples, which no code is made of.
    for (const at of [0, 4_000, 69_000, 69_999]) {
      const bad = sound(70_000);
      bad[at] = Number.POSITIVE_INFINITY;
      await expect(speech.encode(bad)).rejects.toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringContaining(`samples[${at}]`),
      });
    }
    await expect(speech.encode(sound(800), { vectors: 'all' as never })).rejects.toThrow('vectors');
    await expect(speech.encode(sound(800), { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow(
      'enough',
    );
  });
});

describe('stream', () => {
  for (const vectors of [undefined, 'latents', 'context'] as const) {
    test(`chunks of any size give the bits of the whole recording (${vectors ?? 'codes only'})`, async () => {
      const stream = speech.stream({ vectors });
      for (const [length, chunk] of [
        [70000, 1600],
        [70000, 100000],
        [20011, 7],
        [719, 100],
        [100, 33],
        [41000, 480],
      ] as const) {
        const samples = sound(length, length);
        const whole = await speech.encode(samples, { vectors });
        const got: { codes: number[]; times: number[]; vectors: number[] } = { codes: [], times: [], vectors: [] };
        const take = (due: ReturnType<typeof stream.push>) => {
          got.codes.push(...due.codes);
          got.times.push(...due.timestamps);
          got.vectors.push(...(due.vectors ?? []));
        };
        for (let at = 0; at < length; at += chunk) take(stream.push(samples.subarray(at, at + chunk)));
        take(stream.flush());
        expect(got.codes).toEqual([...whole.codes]);
        expect(got.times).toEqual([...whole.timestamps]);
        expect(got.vectors).toEqual([...(whole.vectors ?? [])]);
      }
    });
  }

  test('codes come no later than the stream says', () => {
    const stream = speech.stream();
    const samples = sound(32000);
    for (let at = 0; at < samples.length; at += 160) {
      const { timestamps } = stream.push(samples.subarray(at, at + 160));
      for (const ms of timestamps) expect((at + 160) / 16 - ms).toBeLessThanOrEqual(1000 * stream.delay + 10);
    }
    expect(stream.delay).toBeLessThan(0.4);
  });

  test('a sample that is not finite is refused and forgotten', async () => {
    const stream = speech.stream();
    stream.push(sound(5000));
    expect(() => stream.push(Float32Array.of(0, Number.POSITIVE_INFINITY))).toThrow('chunk[1]');
    const codes = [...stream.push(sound(16000)).codes, ...stream.flush().codes];
    expect(codes).toEqual([...(await speech.encode(sound(16000))).codes]);
  });
});

describe('decode', () => {
  test('codes become log-mel, three frames each, whatever follows far away', async () => {
    const { codes } = await speech.encode(sound(60000));
    const logMel = await speech.decode(codes);
    expect(logMel.length).toBe((codes.length / 2) * 3 * 64);
    expect(logMel.every(Number.isFinite)).toBe(true);
    const part = await speech.decode(codes.subarray(0, 100));
    expect(part.subarray(0, 49 * 192)).toEqual(logMel.subarray(0, 49 * 192));
  });

  test('what is no code is refused', async () => {
    await expect(speech.decode([0, 8])).rejects.toThrow('codes[1]');
    await expect(speech.decode([0, 1, 2])).rejects.toThrow('[frames, 2]');
    await expect(speech.decode([])).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });
});

describe('the model file', () => {
  test('holds half the bytes and gives the same codes', async () => {
    const file = join(folder, 'codes.safetensors');
    await saveCodesModel(file, model);
    const again = await loadCodesModel(file);
    expect(again).toEqual(model);
    const values = [...model.weights.values()].reduce((n, w) => n + w.length, 0);
    expect((await readFile(file)).length).toBeLessThan(2 * values + 8000);
  });

  test('damage and other files are told', async () => {
    const file = join(folder, 'codes.safetensors');
    const bytes = await readFile(file);
    const { writeFile } = await import('node:fs/promises');
    const bad = join(folder, 'bad.safetensors');
    await writeFile(bad, bytes.subarray(0, bytes.length - 2));
    await expect(SpeechCodes.load(bad)).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT' });
    await expect(SpeechCodes.load(join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_FILE' });
  });
});

test('the deployed model gives the same codes and vectors as the library', async () => {
  const deployed = deployedCodes(model, 4);
  const network = new Network(deployed.graph, { maxExamples: 1, threads: 1, mean: model.mean, std: model.std });
  network.setParameters(new Map(deployed.weights) as never);
  const samples = sound(66000);
  const logMel = await features(samples, {});
  const { [deployed.outputs[0]!.node]: codes, context } = await network.outputs(
    {
      examples: 1,
      inputs: { log_mel: { frames: Float64Array.of(0), store: { frames: logMel.length / 64, native: logMel } } },
    },
    [deployed.outputs[0]!.node, 'context'],
  );
  const whole = await speech.encode(samples, { vectors: 'context' });
  // Where neither the window's ends nor those of the recording reach.
  expect([...codes!.subarray(10 * 2, 120 * 2)]).toEqual([...whole.codes.subarray(10 * 2, 120 * 2)]);
  context!.subarray(40 * 16, 90 * 16).forEach((v, i) => {
    expect(v).toBeCloseTo(whole.vectors![40 * 16 + i]!, 4);
  });
});
