import { createRequire } from 'node:module';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { readAudio } from '../lib/audio/index.js';
import { defaultFrontEnd, type LogMelConfig } from '../lib/features/front-end-config.js';
import { checkFrontEnd, frameCount, LogMelStream, logMel, logMelSync } from '../lib/features/log-mel.js';
import { capabilities } from '../lib/native/addon.js';
import { Random } from '../lib/util/random.js';
import { logMel64 } from './helpers/log-mel64.js';

const { available: isas } = capabilities();

function worstDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= worst)) worst = difference; // NaN too
  }
  return worst;
}

const wave = (length: number, f: (seconds: number, i: number) => number) =>
  Float32Array.from({ length }, (_, i) => f(i / 16000, i));
function noise(length: number, level = 1, seed = 1): Float32Array {
  const rng = new Random(seed);
  return wave(length, () => rng.uniform(-level, level));
}
const sine = (length: number, hz: number, level = 1) => wave(length, (t) => level * Math.sin(2 * Math.PI * hz * t));

/** The definition is slow: once for each waveform and front end. */
const known = new Map<string, Float64Array>();
function reference(name: string, x: Float32Array, frontEnd = defaultFrontEnd): Float64Array {
  const key = JSON.stringify([name, frontEnd]);
  const features = known.get(key) ?? logMel64(x, frontEnd);
  known.set(key, features);
  return features;
}

const N = 8000;
// Pure tones are the hard case: every band but a few is rounding error of a loud signal, or not.
const signals: Record<string, Float32Array> = {
  chirp: wave(N, (t) => 0.7 * Math.sin(2 * Math.PI * (50 * t + 7000 * t * t))),
  'quiet chirp': wave(N, (t) => 0.01 * Math.sin(2 * Math.PI * (50 * t + 7000 * t * t))),
  'white noise': noise(N, 0.1),
  'full-scale noise': noise(N),
  silence: new Float32Array(N),
  'a full-scale sine of 97 Hz': sine(N, 97),
  'a full-scale sine of 1 kHz': sine(N, 1000),
  'a full-scale sine of 7 kHz': sine(N, 7000),
  'a full-scale square wave': wave(N, (t) => (Math.sin(2 * Math.PI * 441 * t) >= 0 ? 1 : -1)),
  'a full-scale constant': new Float32Array(N).fill(1),
  'the largest 16-bit values': wave(N, (_, i) => (i % 2 ? 32767 / 32768 : -1)),
  'a click': wave(N, (_, i) => (i === 3000 ? 1 : 0)),
  'noise of one 16-bit step': noise(N, 1.5).map((x) => Math.round(x) / 32768),
  denormals: noise(N, 1e-40),
};

beforeAll(async () => {
  const samples = createRequire(import.meta.url).resolve('supersonic-scsynth-samples/package.json');
  for (const name of ['loop_amen', 'ambi_choir', 'guit_e_fifths']) {
    const recording = await readAudio(samples.replace('package.json', `samples/${name}.flac`));
    signals[name] = recording.slice(0, 2 * N);
  }
});

describe.each(isas)('log-mel on %s', (isa) => {
  it('agrees with the definition in double precision on every signal', () => {
    const errors = Object.entries(signals).map(([name, x]) => {
      return [name, worstDifference(logMelSync(x, { isa }), reference(name, x))] as const;
    });
    expect(errors.length).toBeGreaterThan(15);
    expect(errors.filter(([, error]) => !(error <= 1e-4))).toEqual([]);
    // What single precision can do by itself is better than that.
    const rounding = Object.fromEntries(errors)['white noise']!;
    expect(rounding).toBeLessThan(4e-6);
  });

  it.each<Partial<LogMelConfig>>([
    { fftSize: 64, windowLength: 64, hop: 16, bands: 5, lowHz: 0, highHz: 8000 },
    { fftSize: 128, windowLength: 100, hop: 100, bands: 16 },
    { fftSize: 256, windowLength: 256, hop: 7, bands: 20 },
    { fftSize: 512, windowLength: 33, hop: 200, bands: 40, logOffset: 1e-10 },
    { fftSize: 1024, windowLength: 1024, hop: 1, bands: 1 },
    { fftSize: 2048, windowLength: 1103, hop: 441, sampleRate: 44100, bands: 128, lowHz: 0, highHz: 22050 },
    { fftSize: 4096, windowLength: 4095, hop: 333, bands: 80, highHz: 4000 },
    { fftSize: 4096, windowLength: 2, hop: 3, bands: 512, logOffset: 1 },
  ])('computes any front end: %o', (options) => {
    const frontEnd = checkFrontEnd(options);
    const frames = 19;
    for (const [name, x] of Object.entries({ noise: noise(20000), sine: sine(20000, 300) })) {
      const samples = x.subarray(0, frontEnd.windowLength + (frames - 1) * frontEnd.hop);
      const ours = logMelSync(samples, { frontEnd, isa });
      expect(ours.length).toBe(frames * frontEnd.bands);
      expect(worstDifference(ours, reference(name, samples, frontEnd))).toBeLessThan(1e-4);
    }
  });

  it('gives a frame the same bits wherever it stands and however many are computed with it', async () => {
    const x = signals.loop_amen!;
    const all = logMelSync(x, { isa });
    for (const t of [0, 1, 15, 16, 17, 40, frameCount(x.length) - 1]) {
      const alone = logMelSync(x.subarray(160 * t, 160 * t + 400), { isa });
      expect(alone).toEqual(all.subarray(64 * t, 64 * (t + 1)));
    }
    for (const threads of [2, 3]) expect(await logMel(x, { isa, threads })).toEqual(all);
  });
});

describe('instruction sets', () => {
  it('agree with the portable one: to 16 ulp of single precision where that decides', () => {
    for (const x of [signals['white noise']!, signals['full-scale noise']!, signals.silence!]) {
      const portable = logMelSync(x, { isa: 'portable' });
      for (const isa of isas) {
        const other = logMelSync(x, { isa });
        const ulps = other.map((v, i) => Math.abs(v - portable[i]!) / (2 ** -23 * Math.max(1, Math.abs(v))));
        expect(Math.max(...ulps)).toBeLessThanOrEqual(16);
      }
    }
  });
});

describe('frames', () => {
  it.each([
    [0, 0],
    [1, 0],
    [399, 0],
    [400, 1],
    [559, 1],
    [560, 2],
    [160000, 998],
  ])('%i samples give %i', async (samples, frames) => {
    expect(frameCount(samples)).toBe(frames);
    expect((await logMel(new Float32Array(samples))).length).toBe(frames * 64);
  });

  it('of silence are ln(1e-6)', async () => {
    expect(new Set(await logMel(new Float32Array(1000)))).toEqual(new Set([Math.fround(Math.log(1e-6))]));
  });
});

describe('logMel', () => {
  it('reads nothing beyond a view of a larger array', () => {
    const around = new Float32Array(3000).fill(Number.NaN);
    around.set(noise(1000), 1000);
    expect(logMelSync(around.subarray(1000, 2000))).toEqual(logMelSync(noise(1000)));
  });

  it('writes to `out` when given, and nothing beyond the frames', async () => {
    const out = new Float32Array(1000).fill(7);
    const result = await logMel(noise(800), { out });
    expect(result.buffer).toBe(out.buffer);
    expect(result).toEqual(logMelSync(noise(800)));
    expect(new Set(out.subarray(result.length))).toEqual(new Set([7]));
  });

  it('names the sample that is not finite', async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const x = noise(5000);
      x[1234] = bad;
      const error = { code: 'ERR_ARGUMENT', message: `samples[1234] must be finite, got ${bad}.` };
      await expect(logMel(x)).rejects.toMatchObject(error);
      expect(() => logMelSync(x)).toThrow(expect.objectContaining(error));
    }
    await expect(logMel(noise(5000).map((x) => 1e30 * x))).rejects.toThrow(/power overflows/);
  });

  it('takes loud samples that are not in ±1', async () => {
    const x = noise(2000, 1e6);
    expect(worstDifference(await logMel(x), logMel64(x))).toBeLessThan(1e-4);
  });

  it('copies shared and resizable memory', async () => {
    const x = noise(1000);
    const shared = new Float32Array(new SharedArrayBuffer(4000));
    shared.set(x);
    expect(await logMel(shared)).toEqual(await logMel(x));
    const out = new Float32Array(new SharedArrayBuffer(4000));
    await expect(logMel(x, { out })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });

  it('is right when samples are transferred meanwhile, and says so of an array to be filled', async () => {
    const take = (array: Float32Array) => structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
    const expected = logMelSync(noise(16_000));
    const samples = noise(16_000);
    const call = logMel(samples);
    new Uint8Array(take(samples) as unknown as ArrayBuffer).fill(255);
    expect(await call).toEqual(expected);
    const out = new Float32Array(expected.length);
    const filling = logMel(noise(16_000), { out });
    take(out);
    await expect(filling).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/transferred/),
    });
  });

  it('stops when its signal aborts', async () => {
    const reason = new Error('enough');
    await expect(logMel(noise(1000), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const long = logMel(new Float32Array(16000 * 1200), { signal: controller.signal });
    controller.abort(reason);
    await expect(long).rejects.toBe(reason);
  });

  it('refuses wrong arguments by name', async () => {
    const refuses = (call: () => Promise<unknown>, message: RegExp) => {
      return expect(call()).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(message) });
    };
    // biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
    const any = (x: unknown) => x as any;
    await refuses(() => logMel(any([1, 2])), /^samples must be a Float32Array/);
    await refuses(() => logMel(noise(10), { threads: 0 }), /^threads must be/);
    await refuses(() => logMel(noise(800), { out: new Float32Array(10) }), /^out must be .* at least 192/);
    await refuses(() => logMel(noise(10), { frontEnd: any({ hopp: 1 }) }), /hopp/);
    await expect(logMel(noise(10), { isa: 'mmx' })).rejects.toMatchObject({ code: 'ERR_ISA' });
  });
});

describe('checkFrontEnd', () => {
  it('fills in the defaults', () => {
    expect(checkFrontEnd()).toEqual(defaultFrontEnd);
    expect(checkFrontEnd({ hop: 80 })).toEqual({ ...defaultFrontEnd, hop: 80 });
  });

  it.each<Partial<LogMelConfig>>([
    { sampleRate: 0 },
    { windowLength: 513 },
    { windowLength: 1 },
    { windowLength: 399.5 },
    { hop: 0 },
    { fftSize: 32 },
    { fftSize: 500 },
    { fftSize: 8192 },
    { bands: 0 },
    { bands: 513 },
    { lowHz: -1 },
    { lowHz: 7800 },
    { highHz: 8001 },
    { logOffset: 0 },
    { logOffset: Number.NaN },
  ])('refuses %o', (options) => {
    const [key] = Object.keys(options);
    const error = { code: 'ERR_ARGUMENT', message: expect.stringContaining(`frontEnd.${key}`) };
    expect(() => checkFrontEnd(options)).toThrow(expect.objectContaining(error));
  });
});

describe('LogMelStream', () => {
  it('gives the bits of one call, whatever the chunks', () => {
    const x = noise(6000, 0.5);
    const frontEnds = [{}, { windowLength: 100, hop: 300 }, { windowLength: 512, hop: 512 }, { hop: 11 }];
    const whole = frontEnds.map((frontEnd) => logMelSync(x, { frontEnd }));
    fc.assert(
      fc.property(fc.nat(3), fc.array(fc.nat(1500), { minLength: 4, maxLength: 60 }), (which, cuts) => {
        const stream = new LogMelStream({ frontEnd: frontEnds[which] });
        const frames: number[] = [];
        let at = 0;
        for (const length of [...cuts, x.length]) {
          frames.push(...stream.push(x.subarray(at, at + length)));
          at = Math.min(x.length, at + length);
        }
        expect(Float32Array.from(frames)).toEqual(whole[which]);
      }),
      { numRuns: 60 },
    );
  });

  it('starts afresh after reset and after an error', () => {
    const stream = new LogMelStream();
    const x = noise(900);
    stream.push(noise(377));
    stream.reset();
    expect(stream.push(x)).toEqual(logMelSync(x));
    expect(() => stream.push(new Float32Array(500).fill(Number.NaN))).toThrow(/finite/);
    expect(stream.push(x)).toEqual(logMelSync(x));
  });
});
