import { beforeAll, describe, expect, it } from 'vitest';
import { defaultFrontEnd } from '../lib/features/front-end-config.js';
import { checkFrontEnd, frameCount } from '../lib/features/log-mel.js';
import {
  type PseudoLabelName,
  pseudoLabelNames,
  pseudoLabels,
  pseudoLabelTable,
} from '../lib/features/pseudo-labels.js';
import { capabilities } from '../lib/native/addon.js';
import { Random } from '../lib/util/random.js';
import { columns64 } from './helpers/pseudo-labels64.js';
import { recording } from './helpers/recordings.js';
import { sharedJson } from './helpers/shared.js';

const { available: isas } = capabilities();
const N = 4800;
const wave = (f: (seconds: number, i: number) => number, length = N) =>
  Float32Array.from({ length }, (_, i) => f(i / 16000, i));
const noise = (level: number, seed = 1, length = N) => {
  const rng = new Random(seed);
  return wave(() => rng.uniform(-level, level), length);
};
const voice = (hz: number) => {
  const rng = new Random(hz);
  return wave((t) => {
    let x = 0.002 * rng.normal();
    for (let h = 1; h < 12; h++) x += (0.1 * Math.sin(2 * Math.PI * hz * h * t * (1 + 0.2 * t))) / h;
    return x;
  });
};

const signals: Record<string, Float32Array> = {
  'voice of 110 Hz': voice(110),
  'voice of 333 Hz': voice(333),
  'white noise': noise(0.1),
  'full-scale noise': noise(1),
  silence: new Float32Array(N),
  'noise of one 16-bit step': noise(1.5, 3).map((x) => Math.round(x) / 32768),
  'a click': wave((_, i) => (i === 2000 ? 1 : 0)),
  'a full-scale sine of 97 Hz': wave((t) => Math.sin(2 * Math.PI * 97 * t)),
  'a constant': new Float32Array(N).fill(0.5),
};
const definition = new Map<string, ReturnType<typeof columns64>>();

beforeAll(async () => {
  for (const name of ['loop_amen', 'ambi_choir']) signals[name] = (await recording(name)).slice(0, N);
  for (const [name, x] of Object.entries(signals)) definition.set(name, columns64(x));
}, 60_000);

/** Largest error relative to `scale + |value|`, and how many frames exceed `limit`. */
function compare(ours: ArrayLike<number>, theirs: ArrayLike<number>, scale: number, limit: number) {
  expect(ours.length).toBe(theirs.length);
  let worst = 0;
  let beyond = 0;
  for (let i = 0; i < ours.length; i++) {
    const error = Math.abs(ours[i]! - theirs[i]!) / (scale + Math.abs(theirs[i]!));
    if (!(error <= limit)) beyond++;
    if (!(error <= worst)) worst = error; // NaN too
  }
  return { worst, beyond };
}

describe('pseudo-labels in float64', () => {
  it('agree with the definition to 1e-9 on every signal', async () => {
    for (const [name, x] of Object.entries(signals)) {
      const { columns, frames } = await pseudoLabels(x, { isa: 'float64' });
      expect(frames).toBe(frameCount(x.length));
      for (const label of pseudoLabelNames) {
        const { worst } = compare(columns[label], definition.get(name)![label], 1, 1e-9);
        expect(worst, `${label} of ${name}`).toBeLessThan(1e-9);
      }
    }
  });

  const golden = sharedJson('peers/golden/pretext_labels.json');
  it.skipIf(!golden)('agree with the reference to 1e-9', async () => {
    for (const [clip, rows] of Object.entries<number[][]>(golden.frame_labels)) {
      const bytes = Buffer.from(golden.pcm16_base64[Number(clip)], 'base64');
      const samples = Float32Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readInt16LE(2 * i) / 32768);
      const { columns } = await pseudoLabels(samples, { isa: 'float64' });
      for (const [k, label] of (golden.labels as PseudoLabelName[]).entries()) {
        const { worst } = compare(
          columns[label],
          rows.map((row) => row[k]!),
          1e-3,
          1e-9,
        );
        expect(worst, `${label} of clip ${clip}`).toBeLessThan(1e-9);
      }
    }
  });
});

/** Limits in single precision, relative to scale + |value|; frames where a decision may fall otherwise. */
const single: Record<PseudoLabelName, { scale: number; limit: number }> = {
  f0: { scale: 1, limit: 1e-4 },
  voicing: { scale: 1, limit: 1e-5 },
  hnr: { scale: 1, limit: 1e-2 },
  alpha: { scale: 10, limit: 1e-4 },
  rms: { scale: 1e-3, limit: 1e-6 },
  zcr: { scale: 1, limit: 1e-6 },
  centroid: { scale: 100, limit: 1e-4 },
  flux: { scale: 0.01, limit: 1e-4 },
  level: { scale: 10, limit: 1e-5 },
  spread: { scale: 100, limit: 1e-4 },
  rolloff: { scale: 1, limit: 1e-6 },
  flatness: { scale: 10, limit: 1e-3 },
};

describe.each(isas)('pseudo-labels on %s', (isa) => {
  it('agree with the definition', async () => {
    const bad: string[] = [];
    for (const [name, x] of Object.entries(signals)) {
      const { columns } = await pseudoLabels(x, { isa });
      for (const label of pseudoLabelNames) {
        const { scale, limit } = single[label];
        const { worst, beyond } = compare(columns[label], definition.get(name)![label], scale, limit);
        if (beyond > 0) bad.push(`${label} of ${name}: ${beyond} frames, worst ${worst}`);
      }
    }
    expect(bad).toEqual([]);
  });

  it.each([
    { fftSize: 512, windowLength: 400, hop: 480 },
    { fftSize: 256, windowLength: 255, hop: 7 },
    { fftSize: 2048, windowLength: 1103, hop: 441, sampleRate: 44100, highHz: 22050 },
    { fftSize: 64, windowLength: 64, hop: 16, sampleRate: 1000, lowHz: 0, highHz: 500, bands: 4 },
  ])('follow any front end: %o', async (options) => {
    const frontEnd = checkFrontEnd(options);
    const x = noise(0.3, 5, frontEnd.windowLength + 18 * frontEnd.hop);
    const { columns, frames } = await pseudoLabels(x, { isa, frontEnd });
    expect(frames).toBe(19);
    const expected = columns64(x, frontEnd);
    for (const label of pseudoLabelNames) {
      const { scale, limit } = single[label];
      expect(compare(columns[label], expected[label], scale, limit).beyond, label).toBe(0);
    }
  });

  it('give a frame the same bits whatever is computed with it', async () => {
    const x = new Float32Array(16000 * 8);
    for (let at = 0; at < x.length; at += N) x.set(signals.loop_amen!.subarray(0, x.length - at), at);
    const all = await pseudoLabels(x, { isa });
    for (const threads of [2, 3]) expect(await pseudoLabels(x, { isa, threads })).toEqual(all);
    const part = await pseudoLabels(x.subarray(160 * 10, 160 * 50 + 400), { isa });
    // YIN looks before and after the frame; two frames from the ends of a part nothing is missing.
    for (const label of pseudoLabelNames)
      expect(part.columns[label].subarray(2, 38)).toEqual(all.columns[label].subarray(12, 48));
  });
});

describe('pseudoLabels', () => {
  it('are one entry each with definition, unit and source', () => {
    expect(new Set(pseudoLabelNames).size).toBe(pseudoLabelTable.length);
    for (const { name, unit, meaning, definition, source } of pseudoLabelTable) {
      expect([name, unit, meaning, definition, source].every((text) => text.length > 0)).toBe(true);
    }
  });

  it('finds the pitch of steady tones to 2 cents', async () => {
    for (const hz of [70, 118.5, 200, 333.3, 480]) {
      const x = wave((t) => 0.1 * [1, 2, 3, 4].reduce((s, h) => s + Math.sin(2 * Math.PI * h * hz * t) / h, 0));
      const { columns } = await pseudoLabels(x);
      const steady = Array.from(columns.f0.subarray(3, -3)).sort((a, b) => a - b);
      expect(Math.abs(1200 * Math.log2(steady[steady.length >> 1]! / hz))).toBeLessThan(2);
    }
  });

  it('has no frames of less than a window, and one flux of zero of one', async () => {
    expect((await pseudoLabels(new Float32Array(399))).frames).toBe(0);
    const { frames, columns } = await pseudoLabels(noise(0.1, 1, 400));
    expect([frames, columns.flux[0]]).toEqual([1, 0]);
  });

  it('names the sample that is not finite, wherever it is', async () => {
    for (const at of [0, 1234, N - 1]) {
      const x = noise(0.1);
      x[at] = Number.NaN;
      await expect(pseudoLabels(x)).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: /^samples\[\d+\] must be/ });
    }
    await expect(pseudoLabels(noise(1).map((x) => 1e30 * x))).rejects.toThrow(/power overflows/);
  });

  it('refuses wrong arguments and stops when told', async () => {
    await expect(pseudoLabels([1] as never)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(pseudoLabels(noise(1), { isa: 'mmx' })).rejects.toMatchObject({ code: 'ERR_ISA' });
    await expect(pseudoLabels(noise(1), { threads: 0 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(pseudoLabels(noise(1), { frontEnd: { hop: 0 } })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    const reason = new Error('enough');
    await expect(pseudoLabels(noise(1), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const long = pseudoLabels(new Float32Array(16000 * 600), { signal: controller.signal });
    controller.abort(reason);
    await expect(long).rejects.toBe(reason);
    expect(checkFrontEnd()).toEqual(defaultFrontEnd);
  });
});
