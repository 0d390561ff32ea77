// The golden vectors of the float64 reference that all implementations share, beside the repository. They are no part of
// it; where they are missing this says so.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { capabilities } from '../lib/native/addon.js';
import { formants, lpc, lpcAreas } from '../lib/systems/articulation/lpc.js';
import { reflections, sectionAreas, tubeDenominator, tubeResonances } from '../lib/systems/articulation/tube.js';
import { VocalTract } from '../lib/systems/articulation/vocal-tract.js';
import { vocalTract64 } from './helpers/vocal-tract64.js';

const shared = process.env.AUDIO2VEC_SHARED ?? fileURLToPath(new URL('../../shared', import.meta.url));
const file = `${shared}/peers/golden/vocal_tract.json`;
const present = existsSync(file);
if (!present) {
  console.warn(`\n*** NOT TESTED: ${file} is missing. Set AUDIO2VEC_SHARED to the folder that has peers/golden. ***\n`);
}

interface Golden {
  shapes: Record<string, number[]>[];
  source: { f0: number; open_quotient: number; tilt: number; aspiration: number; samples: number[] };
  trajectory: { params: number[][]; hop: number; samples: number[] };
  frication: { area: number[]; at: number; seed: number; gain: number; samples: number[] };
  lpc: { a: number[]; reflections: number[]; error: number; areas: number[] };
}
const golden = (present ? JSON.parse(readFileSync(file, 'utf8')) : undefined) as Golden;

/** Twelve parameters in [-1, 1] → a frame, as the reference defines them. */
const frame = (p: readonly number[]) => [
  ...p.slice(0, 8).map((x) => 0.95 + 0.75 * x),
  80 * 4 ** ((p[8]! + 1) / 2),
  0.6 + 0.3 * p[9]!,
  0.45 + 0.45 * p[10]!,
  0.15 + 0.15 * p[11]!,
  ...[1, 0, 13, 0],
];

function difference(found: ArrayLike<number>, wanted: readonly number[]): number {
  expect(found.length).toBe(wanted.length);
  const peak = Math.max(...wanted.map(Math.abs));
  const worst = Math.max(...wanted.map((x, i) => Math.abs(x - found[i]!)));
  expect(peak).toBeGreaterThan(0);
  return worst / peak;
}

describe.skipIf(!present)('the shared reference', () => {
  const ends = Float32Array.of(17.5, 0.75, -0.85, 0.999);

  it('has the tubes of ours: areas, reflection, filter, formants', () => {
    for (const shape of golden.shapes) {
      const areas = sectionAreas(frame(shape.params!).slice(0, 8));
      expect(difference(areas, shape.areas!)).toBeLessThan(1e-10);
      expect(difference(reflections(areas), shape.reflections!)).toBeLessThan(1e-10);
      expect(difference(tubeDenominator(areas), shape.denominator!)).toBeLessThan(1e-10);
      const lossless = { glottalReflection: 1, wallLoss: 1 };
      expect(difference(tubeDenominator(areas, lossless), shape.denominator_lossless!)).toBeLessThan(1e-10);
      expect(difference(formants(tubeResonances(areas)), shape.formants!)).toBeLessThan(1e-8);
    }
  });

  it('has our double-precision sound, and our linear prediction of it', () => {
    const { params, hop, samples } = golden.trajectory;
    const exact = vocalTract64({ frames: params.map(frame), hop, samples: samples.length, seed: 1 });
    expect(difference(exact, samples)).toBeLessThan(1e-9);
    const held = vocalTract64({ frames: [frame(golden.shapes[0]!.params!)], hop: 160, samples: 800, seed: 1 });
    const found = lpc(held.subarray(240, 640), 16);
    expect(difference(found.a, golden.lpc.a)).toBeLessThan(1e-6);
    expect(difference(found.reflections, golden.lpc.reflections)).toBeLessThan(1e-6);
    expect(difference([found.error], [golden.lpc.error])).toBeLessThan(1e-6);
    expect(difference(lpcAreas(found.reflections), golden.lpc.areas)).toBeLessThan(1e-6);
  });

  it.each(capabilities().available)('has the impulse responses of %s', (isa) => {
    const tract = new VocalTract({ isa });
    for (const shape of golden.shapes) {
      const silent = frame(shape.params!);
      silent[11] = 0;
      silent[12] = 0;
      const frames = Float32Array.from(silent);
      const pulse = { frames, utterance: ends, samples: 96, excitation: Float32Array.of(1) };
      const lossless = { ...pulse, utterance: Float32Array.of(17.5, 1, -0.85, 1) };
      const [a, b] = tract.synthesizeSync([pulse, lossless]);
      expect(difference(a!, shape.impulse_response!)).toBeLessThan(1e-5);
      expect(difference(b!, shape.impulse_response_lossless!)).toBeLessThan(1e-5);
    }
  });

  it.each(capabilities().available)('has the trajectory and the frication of %s', (isa) => {
    const { params, hop, samples } = golden.trajectory;
    const frames = Float32Array.from(params.flatMap(frame));
    const [y] = new VocalTract({ isa, hop }).synthesizeSync([
      { frames, utterance: ends, samples: samples.length, seed: 1 },
    ]);
    // Ours has reflection coefficients that are linear over a millisecond, the reference exact ones at every sample: -53 dB.
    expect(difference(y!, samples)).toBeLessThan(3e-3);

    const { at, seed, gain, samples: hiss } = golden.frication;
    const noisy = frame(golden.shapes[1]!.params!);
    for (const [c, x] of [
      [11, 0],
      [12, 0],
      [13, gain],
      [14, at],
    ] as const)
      noisy[c] = x;
    const controls = { frames: Float32Array.from(noisy), utterance: ends, samples: hiss.length, seed };
    expect(difference(new VocalTract({ isa }).synthesizeSync([controls])[0]!, hiss)).toBeLessThan(1e-5);
  });

  it('has the source of ours, heard through a tube', () => {
    // The reference lists its source; a tube of uniform width turns both into sound by the same filter.
    const { f0, open_quotient, tilt, aspiration, samples } = golden.source;
    const radii = new Array(8).fill(1);
    const tract = { hop: 160, samples: samples.length, seed: 1 };
    const own = vocalTract64({ ...tract, frames: [[...radii, f0, open_quotient, tilt, aspiration, 1, 0, 13, 0]] });
    const silent = [[...radii, 100, 0.5, 0, 0, 0, 0, 13, 0]];
    const theirs = vocalTract64({ ...tract, frames: silent, excitation: samples });
    expect(difference(own, [...theirs])).toBeLessThan(1e-9);
  });
});
