// The gradient of log-mel with respect to the samples, against an independent derivation in double precision (the
// definition with a plain DFT), which is itself held against central differences.
import { createRequire } from 'node:module';
import { beforeAll, describe, expect, it } from 'vitest';
import { readAudio } from '../lib/audio/index.js';
import { defaultFrontEnd, type LogMelConfig } from '../lib/features/front-end-config.js';
import { checkFrontEnd, frameCount, logMelGradient, logMelGradientSync } from '../lib/features/log-mel.js';
import { capabilities } from '../lib/native/addon.js';
import { Random } from '../lib/util/random.js';
import { logMelGradient64 } from './helpers/log-mel-gradient64.js';
import { logMel64 } from './helpers/log-mel64.js';

const { available: isas } = capabilities();
const N = 3000;

const wave = (length: number, f: (seconds: number, i: number) => number) =>
  Float32Array.from({ length }, (_, i) => f(i / 16000, i));
function normal(length: number, level = 1, seed = 1): Float32Array {
  const rng = new Random(seed);
  return Float32Array.from({ length }, () => level * rng.normal());
}

const signals: Record<string, Float32Array> = {
  noise: normal(N, 0.1),
  'loud noise': normal(N, 1000),
  'a chirp': wave(N, (t) => 0.7 * Math.sin(2 * Math.PI * (50 * t + 7000 * t * t))),
  'a full-scale sine of 97 Hz': wave(N, (t) => Math.sin(2 * Math.PI * 97 * t)),
  'a full-scale sine of 3 kHz': wave(N, (t) => Math.sin(2 * Math.PI * 3000 * t)),
  'a constant': new Float32Array(N).fill(1),
  'a click': wave(N, (_, i) => (i === 1000 ? 1 : 0)),
  silence: new Float32Array(N),
  'noise of one 16-bit step': normal(N, 0.7).map((x) => Math.round(x) / 32768),
};
beforeAll(async () => {
  const samples = createRequire(import.meta.url).resolve('supersonic-scsynth-samples/package.json');
  for (const name of ['loop_amen', 'ambi_choir', 'guit_e_fifths']) {
    const recording = await readAudio(samples.replace('package.json', `samples/${name}.flac`));
    signals[name] = recording.slice(3000, 3000 + N);
  }
});

/** The definition is slow: once for each waveform and front end. */
const known = new Map<string, Float64Array>();
function definition(name: string, x: Float32Array, weights: Float32Array, frontEnd = defaultFrontEnd): Float64Array {
  const key = JSON.stringify([name, frontEnd]);
  const gradient = known.get(key) ?? logMelGradient64(Float64Array.from(x), weights, frontEnd);
  known.set(key, gradient);
  return gradient;
}

/** Largest difference, as a share of the largest value. */
function error(ours: Float32Array, expected: Float64Array): number {
  expect(ours.length).toBe(expected.length);
  let [worst, largest] = [0, 1e-30];
  for (let i = 0; i < ours.length; i++) {
    const difference = Math.abs(ours[i]! - expected[i]!);
    if (!(difference <= worst)) worst = difference; // NaN too
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return worst / largest;
}

function sameBits(a: Float32Array, b: Float32Array): boolean {
  const bytes = (x: Float32Array) => Buffer.from(x.buffer, x.byteOffset, x.byteLength);
  return bytes(a).equals(bytes(b));
}

describe('the definition', () => {
  it.each(['noise', 'loop_amen', 'ambi_choir', 'a chirp'])('agrees with central differences on %s', (name) => {
    const x = Float64Array.from(signals[name]!.subarray(0, 800));
    const weights = normal(frameCount(x.length) * 64, 1, 5);
    const loss = (samples: Float64Array) => {
      return logMel64(samples).reduce((sum, y, i) => sum + y * weights[i]!, 0);
    };
    const gradient = logMelGradient64(x, weights, defaultFrontEnd);
    const largest = gradient.reduce((a, g) => Math.max(a, Math.abs(g)), 0);
    for (const at of [1, 57, 200, 399, 400, 641, 719]) {
      const h = 1e-6;
      const moved = (by: number) => {
        const y = x.slice();
        y[at]! += by;
        return loss(y);
      };
      const numeric = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
      expect(Math.abs(gradient[at]! - numeric) / largest, `${name}[${at}]`).toBeLessThan(1e-5);
    }
  });
});

describe.each(isas)('the gradient of log-mel on %s', (isa) => {
  const limit = isa === 'float64' ? 1e-6 : 2e-5;

  it('agrees with the definition on every signal', () => {
    const weights = normal(frameCount(N) * 64, 1, 7);
    const errors = Object.entries(signals).map(([name, x]) => {
      const expected = definition(name, x, weights);
      return [name, error(logMelGradientSync(x, weights, { isa }), expected)] as const;
    });
    expect(errors.length).toBe(12);
    expect(errors.filter(([, e]) => !(e <= limit))).toEqual([]);
  });

  it.each<Partial<LogMelConfig>>([
    { fftSize: 64, windowLength: 64, hop: 16, bands: 5, lowHz: 0, highHz: 8000 },
    { fftSize: 128, windowLength: 100, hop: 100, bands: 16 },
    { fftSize: 256, windowLength: 255, hop: 7, bands: 20 },
    { fftSize: 512, windowLength: 33, hop: 200, bands: 40, logOffset: 1e-10 },
    { fftSize: 1024, windowLength: 1024, hop: 1, bands: 1 },
    { fftSize: 2048, windowLength: 1103, hop: 441, sampleRate: 44100, bands: 128, lowHz: 0, highHz: 22050 },
    { fftSize: 4096, windowLength: 4095, hop: 333, bands: 80, highHz: 4000 },
    { fftSize: 4096, windowLength: 2, hop: 3, bands: 512, logOffset: 1 },
  ])('of any front end: %o', (options) => {
    const frontEnd = checkFrontEnd(options);
    const frames = 19;
    const samples = normal(frontEnd.windowLength + (frames - 1) * frontEnd.hop + 5, 0.1);
    const weights = normal(frames * frontEnd.bands, 1, 9);
    const ours = logMelGradientSync(samples, weights, { frontEnd, isa });
    expect(error(ours, definition('noise of any length', samples, weights, frontEnd))).toBeLessThan(limit);
  });

  it('has the same bits with any number of threads, at once and on the calling thread', async () => {
    const x = normal(160 * 9000, 0.1, 3);
    const weights = normal(frameCount(x.length) * 64, 1, 4);
    const alone = logMelGradientSync(x, weights, { isa });
    for (const threads of [1, 2, 3]) {
      expect(sameBits(await logMelGradient(x, weights, { isa, threads }), alone)).toBe(true);
    }
    // Frames far away change nothing.
    const part = logMelGradientSync(x.subarray(160 * 100, 160 * 130), weights.subarray(6400, 6400 + 28 * 64), { isa });
    expect(part.subarray(400, 160 * 26)).toEqual(alone.subarray(160 * 100 + 400, 160 * 126));
  });
});

describe('logMelGradient', () => {
  it('is finite and 0 for silence, and 0 where no frame reaches', async () => {
    const ones = (frames: number) => new Float32Array(frames * 64).fill(1);
    expect(new Set(await logMelGradient(new Float32Array(1000), ones(4)))).toEqual(new Set([0]));
    const tail = await logMelGradient(normal(559), ones(1));
    expect(new Set(tail.subarray(400))).toEqual(new Set([0]));
    expect(new Set(await logMelGradient(normal(399), ones(0)))).toEqual(new Set([0]));
    expect(await logMelGradient(new Float32Array(0), ones(0))).toEqual(new Float32Array(0));
    expect(new Set(await logMelGradient(normal(399), ones(0), { out: new Float32Array(500).fill(3) }))).toEqual(
      new Set([0]),
    );
  });

  it('goes down a loss: samples move towards the log-mel of others', async () => {
    const target = logMel64(signals.loop_amen!);
    const x = Float32Array.from(signals.loop_amen!, (v, i) => v + 0.02 * Math.sin(i));
    const distance = () => {
      const difference = Float32Array.from(logMel64(x), (y, i) => y - target[i]!);
      return { difference, loss: difference.reduce((sum, d) => sum + d * d, 0) };
    };
    const before = distance().loss;
    for (let step = 0; step < 30; step++) {
      const { difference } = distance();
      const gradient = await logMelGradient(x, difference);
      const largest = gradient.reduce((a, g) => Math.max(a, Math.abs(g)), 0);
      for (let i = 0; i < x.length; i++) x[i]! -= (5e-4 * gradient[i]!) / largest;
    }
    expect(distance().loss).toBeLessThan(0.9 * before);
  });

  it('stops when its signal aborts', async () => {
    const reason = new Error('enough');
    const x = new Float32Array(16000 * 600);
    const weights = new Float32Array(frameCount(x.length) * 64);
    const controller = new AbortController();
    const long = logMelGradient(x, weights, { signal: controller.signal });
    controller.abort(reason);
    await expect(long).rejects.toBe(reason);
    await expect(logMelGradient(x, weights, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it('refuses wrong arguments by name', async () => {
    const x = normal(800);
    const weights = normal(3 * 64);
    const refuses = (call: () => Promise<unknown>, message: RegExp) => {
      return expect(call()).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(message) });
    };
    // biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
    await refuses(() => logMelGradient(x, [1] as any), /^gradient must be a Float32Array/);
    await refuses(() => logMelGradient(x, normal(64)), /^gradient must be \[3 frames, 64\], 192 values, got 64/);
    await refuses(() => logMelGradient(x, weights, { out: x }), /^out must be memory of its own/);
    await refuses(() => logMelGradient(x, weights, { out: new Float32Array(10) }), /^out must be .* at least 800/);
    await refuses(() => logMelGradient(x, weights, { frontEnd: { kind: 'pcm' } }), /^frontEnd.kind must be "log-mel"/);
    for (const [name, samples, gradient] of [
      ['samples', x.map((v, i) => (i === 7 ? Number.NaN : v)), weights],
      ['gradient', x, weights.map((v, i) => (i === 7 ? Number.POSITIVE_INFINITY : v))],
    ] as const) {
      await refuses(() => logMelGradient(samples, gradient), new RegExp(`^${name}\\[7\\] must be finite`));
    }
  });
});
