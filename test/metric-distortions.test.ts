// Distortions: the same seed gives the same samples, a stronger level spoils more of the same, and what nobody hears is
// small.
import { describe, expect, it } from 'vitest';
import {
  type DistortionKind,
  distortRows,
  drawInaudible,
  families,
  heard,
  levelOf,
} from '../lib/systems/cdpam/distortions.js';
import { Random } from '../lib/util/random.js';

const count = 16320;
const random = new Random(1);
/** A voiced sound that comes and goes, and another recording. */
const clip = Float32Array.from({ length: count }, (_, i) => {
  const envelope = 0.1 * (1 + Math.sin(i * 0.002)) * Math.sin((Math.PI * i) / count);
  let x = 0;
  for (let h = 1; h < 30; h++) x += Math.sin(0.055 * h * i + h * h) / h;
  return envelope * x + 0.0005 * random.normal();
});
const other = Float32Array.from({ length: count }, () => 0.05 * random.normal());

async function distorted(kind: DistortionKind, level: number, seed = 5): Promise<Float32Array> {
  const rows = new Float32Array(3 * count);
  rows.set(clip);
  rows.set(other, 2 * count);
  await distortRows(rows, count, 16000, [{ from: 0, to: 1, other: 2, distortions: [{ kind, level, seed }] }]);
  expect(rows.subarray(0, count)).toEqual(clip);
  return rows.slice(count, 2 * count);
}

const size = (x: Float32Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length);
const error = (y: Float32Array) => size(y.map((v, i) => v - clip[i]!));

describe.each(Object.entries(families))('%s', (kind, family) => {
  it('is decided by its seed, and worse at every level', async () => {
    const levels = [0, 0.25, 0.5, 0.75, 1].map((u) => levelOf(family, u));
    const all = [];
    for (const level of levels) all.push(await distorted(kind as DistortionKind, level));
    for (const y of all) expect(y.every(Number.isFinite)).toBe(true);
    const errors = all.map(error);
    expect(errors[4]).toBeGreaterThan(errors[0]!);
    // Aliasing comes and goes with the factor.
    if (kind !== 'hold') expect(errors).toEqual([...errors].sort((a, b) => a - b));
    expect(await distorted(kind as DistortionKind, levels[3]!)).toEqual(all[3]);
    const drawn = !['lowpass', 'bandpass', 'clip', 'bits', 'hold', 'gain'].includes(kind);
    if (drawn) expect(await distorted(kind as DistortionKind, levels[3]!, 6)).not.toEqual(all[3]);
  });

  it('is heard the more, the stronger it is: by half and by nearly all where it says so', () => {
    const chances = [0, 0.25, 0.5, 0.75, 1].map((u) => heard(family, levelOf(family, u)));
    expect(chances).toEqual([...chances].sort((a, b) => a - b));
    expect(heard(family, family.half)).toBeCloseTo(0.5, 5);
    expect(heard(family, family.clear)).toBeCloseTo(0.95, 5);
  });
});

describe('distortions', () => {
  it('have the levels that they say', async () => {
    const noise = (await distorted('noise-white', 20)).map((v, i) => v - clip[i]!);
    expect(20 * Math.log10(size(clip) / size(noise))).toBeCloseTo(20, 3);
    const steady = (await distorted('noise-steady', 10)).map((v, i) => v - clip[i]!);
    expect(20 * Math.log10(size(clip) / size(steady))).toBeCloseTo(10, 3);
    const masked = (await distorted('noise-masked', 30)).map((v, i) => v - clip[i]!);
    expect(Math.abs(20 * Math.log10(size(clip) / size(masked)) - 30)).toBeLessThan(1);
    const late = await distorted('delay', 2);
    const shifted = late.slice(32).map((v, i) => v - clip[i]!);
    expect(size(shifted)).toBeLessThan(1e-3 * size(clip));
    const same = await distorted('detune', 0);
    expect(error(same)).toBeLessThan(2e-3 * size(clip));
  });

  it('of silence are finite', async () => {
    const rows = new Float32Array(2 * count);
    for (const kind of Object.keys(families) as DistortionKind[]) {
      const request = {
        from: 0,
        to: 1,
        other: 0,
        distortions: [{ kind, level: levelOf(families[kind as keyof typeof families], 0.9), seed: 3 }],
      };
      await distortRows(rows, count, 16000, [request]);
      expect(rows.every(Number.isFinite), kind).toBe(true);
      rows.fill(0);
    }
  });

  it('come one after the other, and read what went before', async () => {
    const rows = new Float32Array(3 * count);
    rows.set(clip);
    const half = { kind: 'gain', level: 6.0206, seed: 1 } as const;
    await distortRows(rows, count, 16000, [
      { from: 0, to: 1, distortions: [half, half] },
      { from: 1, to: 2, distortions: [] },
    ]);
    expect(rows.subarray(2 * count)).toEqual(rows.subarray(count, 2 * count));
    const ratio = size(rows.subarray(count, 2 * count)) / size(clip);
    expect(Math.abs(Math.log2(ratio))).toBeCloseTo(2, 3);
  });

  it('that nobody hears follow from the generator and differ', () => {
    const draw = () => Array.from({ length: 300 }, (_, i) => drawInaudible(new Random(i)));
    const all = draw();
    expect(draw()).toEqual(all);
    expect(new Set(all.flat().map((d) => d.kind)).size).toBe(9);
    expect(all.some((list) => list.length === 2)).toBe(true);
  });

  it('refuse rows and levels that are none', async () => {
    const rows = new Float32Array(count);
    const refuse = (from: number, level: number, kind = 'gain') =>
      expect(
        distortRows(rows, count, 16000, [
          { from, to: 0, distortions: [{ kind: kind as DistortionKind, level, seed: 1 }] },
        ]),
      ).rejects;
    await refuse(1, 1).toMatchObject({ code: 'ERR_ARGUMENT' });
    await refuse(0, Number.NaN).toMatchObject({ code: 'ERR_ARGUMENT' });
    await refuse(0, 1, 'louder').toMatchObject({ code: 'ERR_ARGUMENT' });
    await refuse(0, 1, 'noise-steady').toMatchObject({ message: expect.stringMatching(/^other/) });
    await expect(distortRows(rows, 0, 16000, [])).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });
});
