// Linear prediction and the tube as a formula.
import { describe, expect, it } from 'vitest';
import {
  formants,
  levinson,
  lpc,
  lpcAreas,
  preEmphasis,
  resonances,
  stepDown,
  stepUp,
} from '../lib/systems/articulation/lpc.js';
import { reflections, sectionAreas, tubeDenominator, tubeResonances } from '../lib/systems/articulation/tube.js';
import { Random } from '../lib/util/random.js';
import { vocalTract64 } from './helpers/vocal-tract64.js';

const uniform = new Float64Array(16).fill(1);
const randomRadii = (random: Random) => Array.from({ length: 8 }, () => random.uniform(0.2, 1.7));
function close(found: ArrayLike<number>, wanted: ArrayLike<number>, digits = 9): void {
  expect(found.length).toBe(wanted.length);
  for (let i = 0; i < wanted.length; i++) expect(found[i], `[${i}]`).toBeCloseTo(wanted[i]!, digits);
}

describe('a tube', () => {
  it('of uniform area resonates at odd multiples of c / 4L', () => {
    for (const length of [8, 14, 17.5, 20]) {
      const found = tubeResonances(uniform, length).slice(0, 3);
      for (const [i, { frequency, bandwidth }] of found.entries()) {
        expect(frequency).toBeCloseTo(((2 * i + 1) * 35000) / (4 * length), 6);
        expect(bandwidth).toBeCloseTo((153.4944 * 17.5) / length, 2);
      }
    }
  });

  it('of two halves with closed glottis and open lips has the resonances of the textbook', () => {
    // tan²(ω l / c) = A₂ / A₁, Rabiner and Schafer.
    const areas = [...new Array(8).fill(1), ...new Array(8).fill(8)];
    const [f1, f2] = tubeResonances(areas, 17.5, { glottalReflection: 1, lipReflection: -1, wallLoss: 1 });
    const lowest = (Math.atan(Math.sqrt(8)) * 350) / (2 * Math.PI * 0.0875);
    expect(f1!.frequency).toBeCloseTo(lowest, 6);
    expect(f2!.frequency).toBeCloseTo((Math.PI * 350) / (2 * Math.PI * 0.0875) - lowest, 6);
  });

  it('has the areas that follow from its filter', () => {
    const random = new Random(3);
    for (let n = 0; n < 20; n++) {
      const areas = sectionAreas(randomRadii(random));
      const d = tubeDenominator(areas, { glottalReflection: 1, lipReflection: -0.85, wallLoss: 1 });
      const ks = stepDown(d);
      expect(ks[15]).toBeCloseTo(0.85, 12); // minus the lips'
      close(
        ks.subarray(0, 15),
        reflections(areas).map((k) => -k),
      );
      const scale = Math.exp(areas.reduce((sum, a) => sum + Math.log(a), 0) / 16);
      close(
        lpcAreas(ks),
        areas.map((a) => a / scale),
      );
    }
  });

  it('is as wide as its radii say', () => {
    close(sectionAreas([1, 1, 1, 1, 1, 1, 1, 1]), uniform);
    close(sectionAreas([0, 2], 2), [0.25, 2.25]);
    expect(() => sectionAreas([1])).toThrow(/radii must be two or more/);
  });
});

describe('linear prediction', () => {
  const random = new Random(1);
  const ks = Array.from({ length: 12 }, () => random.uniform(-0.9, 0.9));

  it('steps up and down', () => {
    close(stepDown(stepUp(ks)), ks);
    close(stepUp([0.5]), [1, 0.5]);
    expect(() => stepDown([1, 0.3, 1.2])).toThrow(/k2 = 1.2/);
  });

  it('finds the filter whose autocorrelation it is given', () => {
    const a = stepUp(ks);
    const h = new Float64Array(20000);
    for (let n = 0; n < h.length; n++) {
      h[n] = n === 0 ? 1 : 0;
      for (let k = 1; k < a.length && k <= n; k++) h[n]! -= a[k]! * h[n - k]!;
    }
    const r = Array.from({ length: 13 }, (_, lag) => h.reduce((sum, x, i) => sum + x * (h[i + lag] ?? 0), 0));
    const found = levinson(r);
    close(found.a, a, 6);
    close(found.reflections, ks, 6);
    expect(found.error).toBeCloseTo(1, 6);
  });

  it('solves the normal equations of a stretch of sound', () => {
    const x = Float32Array.from({ length: 400 }, () => random.uniform(-1, 1));
    const { a, error } = lpc(x, 10);
    const w = Array.from(x, (v, i) => v * (0.54 - 0.46 * Math.cos((2 * Math.PI * i) / 399)));
    const r = (lag: number) => w.reduce((sum, v, i) => sum + v * (w[i + Math.abs(lag)] ?? 0), 0) * (lag ? 1 : 1 + 1e-9);
    for (let i = 0; i <= 10; i++) {
      const row = a.reduce((sum, v, j) => sum + v * r(i - j), 0);
      expect(row).toBeCloseTo(i === 0 ? error : 0, 6);
    }
  });

  it('takes silence, and tones that it predicts perfectly', () => {
    expect(lpc(new Float32Array(100), 8)).toEqual({
      a: Float64Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0),
      reflections: new Float64Array(8),
      error: 0,
    });
    const tone = Float32Array.from({ length: 800 }, (_, i) => Math.sin((2 * Math.PI * 1000 * i) / 16000));
    const { reflections: found, a } = lpc(tone, 8);
    expect(found.every((k) => Math.abs(k) < 1)).toBe(true);
    const [narrowest] = resonances(a, 16000).sort((p, q) => p.bandwidth - q.bandwidth);
    expect(narrowest!.frequency).toBeCloseTo(1000, 0);
  });

  it('refuses what it cannot solve, by name', () => {
    expect(() => lpc(new Float32Array(8), 8)).toThrow(/^order must be an integer from 1 to 7/);
    expect(() => lpc(Float32Array.of(1, Number.NaN, 2), 1)).toThrow(/^samples must be finite/);
    expect(() => levinson([])).toThrow(/^r must be/);
  });
});

describe('resonances', () => {
  it('are the pole pairs that a filter was made of', () => {
    const pairs = [
      { frequency: 500, bandwidth: 60 },
      { frequency: 1480, bandwidth: 90 },
      { frequency: 2600, bandwidth: 1200 },
      { frequency: 3500, bandwidth: 150 },
    ];
    let a = [1];
    for (const { frequency, bandwidth } of pairs) {
      const radius = Math.exp((-Math.PI * bandwidth) / 16000);
      const pair = [1, -2 * radius * Math.cos((2 * Math.PI * frequency) / 16000), radius * radius];
      a = Array.from({ length: a.length + 2 }, (_, n) => pair.reduce((sum, p, i) => sum + p * (a[n - i] ?? 0), 0));
    }
    const found = resonances([...a, 0], 16000); // a zero coefficient at the end changes nothing
    for (const [i, pair] of pairs.entries()) {
      expect(found[i]!.frequency).toBeCloseTo(pair.frequency, 6);
      expect(found[i]!.bandwidth).toBeCloseTo(pair.bandwidth, 6);
    }
    expect(formants(found).map(Math.round)).toEqual([500, 1480, 3500]);
    expect(formants(found, { widest: 2000, count: 5 }).map(Math.round)).toEqual([500, 1480, 2600, 3500, Number.NaN]);
    expect(resonances([1], 16000)).toEqual([]);
  });

  it('of synthesised vowels are found again in their sound', () => {
    const random = new Random(12);
    const errors: number[] = [];
    for (let n = 0; n < 10; n++) {
      const radii = Array.from({ length: 8 }, () => random.uniform(0.5, 1.4));
      const frames = [[...radii, 100, 0.5, 0.4, 0, 1, 0, 13, 0]];
      const y = vocalTract64({ frames, hop: 160, samples: 2400, seed: 1 }).subarray(800);
      const heard = formants(resonances(lpc(preEmphasis(y), 18).a, 16000));
      const known = formants(tubeResonances(sectionAreas(radii)));
      for (let i = 0; i < 2; i++) errors.push(Math.abs(heard[i]! / known[i]! - 1));
    }
    errors.sort((a, b) => a - b);
    expect(errors).toHaveLength(20);
    expect(errors[10]).toBeLessThan(0.04);
  });
});
