import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { features, featuresSync } from '../lib/features/compute.js';
import { cqtFrontEnd } from '../lib/features/cqt.js';
import { type CqtConfig, checkCqt, defaultCqt, spiceCqt } from '../lib/features/cqt-config.js';
import { frameCount, frameTime } from '../lib/features/front-ends.js';
import { capabilities } from '../lib/native/addon.js';
import { noise, signals, sine } from './helpers/cqt-signals.js';
import { cqt64 } from './helpers/cqt64.js';

const { available: isas } = capabilities();
const all = await signals();
const magnitude = (c: Partial<CqtConfig> = {}) => checkCqt({ ...c, output: 'magnitude' });

/** Largest difference from the definition, as a share of the largest magnitude of it, in the given frames. */
function errorOf(ours: Float32Array, reference: Float64Array, bins: number, frames?: readonly number[]): number {
  let [worst, largest] = [0, 0];
  for (let i = 0; i < reference.length; i++) {
    const at = frames ? frames[Math.floor(i / bins)]! * bins + (i % bins) : i;
    const difference = Math.abs(ours[at]! - reference[i]!);
    if (!(difference <= worst)) worst = difference; // NaN too
    largest = Math.max(largest, reference[i]!);
  }
  return worst / largest;
}

/** The definition is slow: once for each waveform and configuration. */
const known = new Map<string, Float64Array>();
function reference(name: string, config: CqtConfig, x = all[name]!, frames?: readonly number[]): Float64Array {
  const key = JSON.stringify([name, config]);
  const found = known.get(key) ?? cqt64(x, config, frames);
  known.set(key, found);
  return found;
}

describe.each(isas)('the constant-Q transform on %s', (isa) => {
  it.each([
    ['the default', magnitude()],
    ['the front end of SPICE', magnitude(spiceCqt)],
  ])('agrees with the definition in double precision on every signal: %s', (_, config) => {
    const errors = Object.entries(all).map(([name, x]) => {
      const ours = featuresSync(x, { frontEnd: config, isa });
      expect(ours.length).toBe((Math.floor(x.length / config.hop) + 1) * config.bins);
      return [name, errorOf(ours, reference(name, config), config.bins)] as const;
    });
    expect(errors.length).toBeGreaterThan(14);
    expect(errors.filter(([, error]) => !(error <= 2e-4))).toEqual([]);
  });

  it.each<Partial<CqtConfig>>([
    { window: 'blackman' },
    { gamma: 0, binsPerOctave: 12, bins: 84, hop: 512 },
    { gamma: 0, binsPerOctave: 12, lowestHz: 110, bins: 1, hop: 64 },
    { gamma: 20, binsPerOctave: 24, lowestHz: 65.4, bins: 150, hop: 160 },
    { hop: 147, bins: 130 },
    { hop: 1, lowestHz: 1000, bins: 17 },
    { hop: 40000, bins: 100 },
    { filterScale: 0.5, hop: 96 },
    { filterScale: 2, gamma: 30, hop: 320 },
    { sampleRate: 44100, hop: 512, lowestHz: 27.5, bins: 88 * 3 },
    { binsPerOctave: 1, bins: 7, lowestHz: 60, gamma: 0 },
    { lowestHz: 5000, binsPerOctave: 48, bins: 32, gamma: 0 },
  ])('computes any configuration: %o', (given) => {
    const config = magnitude(given);
    const x = noise(20000);
    const count = frameCount(x.length, config);
    const frames = [...new Set([0, 1, 13, count - 1].filter((m) => m < count))];
    const ours = featuresSync(x, { frontEnd: config, isa });
    expect(errorOf(ours, reference('20000 samples of noise', config, x, frames), config.bins, frames)).toBeLessThan(
      1e-4,
    );
  });

  it('gives the same bits however many frames and threads compute them', async () => {
    const x = noise(160000);
    const whole = featuresSync(x, { frontEnd: defaultCqt, isa });
    for (const threads of [1, 2, 3]) expect(await features(x, { frontEnd: defaultCqt, isa, threads })).toEqual(whole);
    // A frame that lies far enough from the ends is itself in a shorter recording.
    const { hop, bins } = defaultCqt;
    for (const frames of [12, 13, 19]) {
      const part = featuresSync(x.subarray(40 * hop, (40 + frames) * hop), { frontEnd: defaultCqt, isa });
      expect(part.subarray(5 * bins, 7 * bins)).toEqual(whole.subarray(45 * bins, 47 * bins));
    }
  });
});

describe('outputs', () => {
  it('of a sine on a bin are its amplitude, level and logarithm', () => {
    for (const k of [40, 100, 180, 251]) {
      const hz = defaultCqt.lowestHz * 2 ** (k / 36);
      const at = (output: CqtConfig['output']) => {
        const frontEnd = checkCqt({ output });
        return featuresSync(sine(16000, hz, 0.25), { frontEnd })[31 * 252 + k]!;
      };
      expect(at('magnitude')).toBeCloseTo(0.25, 3);
      expect(at('db')).toBeCloseTo(20 * Math.log10(0.25), 1);
      expect(at('log')).toBeCloseTo(Math.log(0.25), 2);
    }
  });

  it('follow from each other', () => {
    const x = all['a voice']!;
    const m = featuresSync(x, { frontEnd: magnitude() });
    const floor = 1e-3;
    const db = featuresSync(x, { frontEnd: checkCqt({ output: 'db', floor }) });
    const log = featuresSync(x, { frontEnd: checkCqt({ output: 'log', floor }) });
    for (let i = 0; i < m.length; i++) {
      const power = m[i]! ** 2 + floor ** 2;
      expect(Math.abs(db[i]! - 10 * Math.log10(power))).toBeLessThan(2e-5);
      expect(Math.abs(log[i]! - Math.log(power) / 2)).toBeLessThan(2e-6);
    }
  });

  it.each(isas)('of silence are the floor, exactly, on %s', (isa) => {
    for (const [given, value] of [
      [{ output: 'magnitude' }, 0],
      [{ output: 'db' }, -100],
      [{ output: 'db', floor: 0.003 }, Math.fround(20 * Math.log10(0.003))],
      [{ output: 'log', floor: 1e-4 }, Math.fround(Math.log(1e-4))],
    ] as const) {
      const frontEnd = checkCqt(given);
      expect(new Set(featuresSync(new Float32Array(5000), { frontEnd, isa }))).toEqual(new Set([value]));
      expect(Math.fround(cqtFrontEnd.silence(frontEnd))).toBe(value);
    }
  });
});

describe('frames', () => {
  it.each([
    [0, 0],
    [1, 1],
    [255, 1],
    [256, 2],
    [16000, 63],
  ])('%i samples give %i', async (samples, frames) => {
    expect(frameCount(samples, defaultCqt)).toBe(frames);
    expect((await features(new Float32Array(samples), { frontEnd: defaultCqt })).length).toBe(frames * 252);
    expect(featuresSync(new Float32Array(samples), { frontEnd: defaultCqt }).length).toBe(frames * 252);
    if (frames > 0) expect(cqtFrontEnd.sampleCount(frames, defaultCqt)).toBeLessThanOrEqual(samples);
  });

  it('are centred on their time', () => {
    const x = new Float32Array(16000);
    x[256 * 20] = 1;
    const y = featuresSync(x, { frontEnd: magnitude() });
    const bin = (m: number, k: number) => y[m * 252 + k]!;
    for (const k of [0, 100, 200]) {
      expect(bin(20, k)).toBeGreaterThan(bin(21, k));
      // Mirrored about it, but for rounding.
      for (const d of [1, 2, 3])
        expect(Math.abs(bin(20 + d, k) / bin(20, k) - bin(20 - d, k) / bin(20, k))).toBeLessThan(1e-4);
    }
    expect(frameTime(20, defaultCqt)).toBeCloseTo(0.32, 10);
  });

  it('need no samples beyond the latency', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Partial<CqtConfig>>({}, { gamma: 0, bins: 100 }, { hop: 100 }, { gamma: 25, hop: 160 }),
        fc.constantFrom(...isas),
        (given, isa) => {
          const config = magnitude(given);
          const latency = cqtFrontEnd.latency(config);
          const [m, x] = [10, noise(40000)];
          const upToIt = x.slice(0, m * config.hop + latency + 1);
          const rest = new Float32Array(x.length);
          rest.set(upToIt);
          const frame = (y: Float32Array) => y.subarray(m * config.bins, (m + 1) * config.bins);
          const [a, b] = [x, rest].map((samples) => frame(featuresSync(samples, { frontEnd: config, isa })));
          expect(b).toEqual(a);
        },
      ),
      { numRuns: 16 },
    );
    // Half of the longest filter, and the half-band filters.
    expect(cqtFrontEnd.latency(defaultCqt)).toBe(1265);
  });
});

describe('bad input', () => {
  it('names the sample that is not finite', async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const x = noise(5000);
      x[1234] = bad;
      const error = { code: 'ERR_ARGUMENT', message: `samples[1234] must be finite, got ${bad}.` };
      await expect(features(x, { frontEnd: defaultCqt, threads: 2 })).rejects.toMatchObject(error);
      expect(() => featuresSync(x, { frontEnd: defaultCqt })).toThrow(expect.objectContaining(error));
    }
    // What went wrong leaves nothing behind.
    expect(featuresSync(new Float32Array(3000), { frontEnd: defaultCqt })).toEqual(
      new Float32Array(12 * 252).fill(-100),
    );
    await expect(
      features(
        noise(5000).map((x) => 1e30 * x),
        { frontEnd: defaultCqt },
      ),
    ).rejects.toThrow(/overflows/);
  });

  it('stops when its signal aborts', async () => {
    const reason = new Error('enough');
    const controller = new AbortController();
    const options = { frontEnd: defaultCqt, signal: controller.signal };
    const long = features(new Float32Array(16000 * 600), options);
    controller.abort(reason);
    await expect(long).rejects.toBe(reason);
    await expect(features(noise(100), options)).rejects.toBe(reason);
  });

  it('reads nothing beyond a view of a larger array', () => {
    const around = new Float32Array(9000).fill(Number.NaN);
    around.set(noise(3000), 3000);
    const inside = featuresSync(around.subarray(3000, 6000), { frontEnd: defaultCqt });
    expect(inside).toEqual(featuresSync(noise(3000), { frontEnd: defaultCqt }));
  });

  it.each<[Partial<CqtConfig>, RegExp]>([
    [{ sampleRate: 0 }, /frontEnd\.sampleRate/],
    [{ binsPerOctave: 0 }, /frontEnd\.binsPerOctave/],
    [{ binsPerOctave: 12.5 }, /frontEnd\.binsPerOctave/],
    [{ lowestHz: 0 }, /frontEnd\.lowestHz/],
    [{ lowestHz: Number.NaN }, /frontEnd\.lowestHz/],
    [{ bins: 0 }, /frontEnd\.bins/],
    [{ bins: 300 }, /frontEnd\.bins must be at most 286 \(higher ones/],
    [{ hop: 0.5 }, /frontEnd\.hop/],
    [{ window: 'hamming' as 'hann' }, /frontEnd\.window must be one of hann, blackman, got "hamming"/],
    [{ gamma: -1 }, /frontEnd\.gamma/],
    [{ filterScale: 0 }, /frontEnd\.filterScale/],
    [
      { lowestHz: 3000, bins: 40, binsPerOctave: 50, gamma: 1900, filterScale: 0.1 },
      /frontEnd\.filterScale .* 4 samples/,
    ],
    [{ output: 'power' as 'db' }, /frontEnd\.output/],
    [{ floor: 0 }, /frontEnd\.floor/],
    [{ lowestHz: 1, gamma: 0 }, /frontEnd\.lowestHz .* at most 131072 samples/],
    [
      { lowestHz: 24, bins: 1000, binsPerOctave: 120, gamma: 0, filterScale: 1.05, hop: 255, sampleRate: 16000 },
      /frontEnd\.hop/,
    ],
    [{ hopp: 1 } as object, /hopp/],
  ])('refuses %o', (given, message) => {
    const call = () => cqtFrontEnd.check(given);
    expect(call).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringMatching(message) }));
  });
});
