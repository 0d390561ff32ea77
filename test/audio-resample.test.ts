// The resampler: response over many tones and rates, alignment, lengths, instruction sets, cancellation.
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { Audio2VecError, capabilities, resample } from '../lib/index.js';
import { sine } from './audio-fixtures.js';

const RATES = [8000, 11025, 12000, 16001, 22050, 24000, 32000, 44100, 44101, 48000, 88200, 96000, 192000];
const decibels = (ratio: number) => 20 * Math.log10(ratio);

/** Amplitude of the component at `hertz` in samples at 16 kHz, away from the edges; Hann-weighted. */
function amplitudeAt(samples: Float32Array, hertz: number, edge = 200): number {
  let re = 0;
  let im = 0;
  let weights = 0;
  const n = samples.length - 2 * edge;
  for (let i = 0; i < n; i++) {
    const weight = 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / n);
    const angle = (2 * Math.PI * hertz * (i + edge)) / 16000;
    re += weight * samples[i + edge] * Math.cos(angle);
    im += weight * samples[i + edge] * Math.sin(angle);
    weights += weight;
  }
  return (2 * Math.hypot(re, im)) / weights;
}

const rms = (samples: Float32Array, edge: number) => {
  const inside = samples.subarray(edge, samples.length - edge);
  return Math.sqrt(inside.reduce((sum, x) => sum + x * x, 0) / inside.length);
};

describe('resample', () => {
  it.each(RATES)('from %i Hz: flat within 0.1 dB up to 7 kHz (or 7/8 of the Nyquist frequency)', async (rate) => {
    const top = Math.min(7000, (rate * 7) / 16);
    for (const hertz of [50, 440, 1000, 0.4 * top, 0.7 * top, 0.9 * top, 0.97 * top, top]) {
      const out = await resample(sine(hertz, rate, rate / 2), rate);
      expect(Math.abs(decibels(amplitudeAt(out, hertz) / 0.5)), `${hertz} Hz`).toBeLessThan(0.1);
    }
  });

  it.each(RATES.filter((rate) => rate > 16100))('from %i Hz: tones above 8 kHz are 80 dB down', async (rate) => {
    const tones = [8000.5, 8050, 8100, 8200, 8300, 9000, 10000, 12500, 15999, 16000.5, 20000, 31000, 47000, 90000];
    for (const hertz of tones.filter((tone) => tone < rate / 2)) {
      const out = await resample(sine(hertz, rate, rate / 2, 1), rate);
      // Everything that is left in the output, wherever it folded to.
      expect(decibels(rms(out, 200) / Math.SQRT1_2), `${hertz} Hz`).toBeLessThan(-80);
    }
  });

  it('upsampling leaves no images above the source Nyquist frequency', async () => {
    for (const rate of [8000, 11025]) {
      const hertz = 0.3 * rate;
      const out = await resample(sine(hertz, rate, rate / 2), rate);
      expect(decibels(amplitudeAt(out, rate - hertz) / 0.5), `${rate}`).toBeLessThan(-80);
    }
  });

  it.each(RATES)('from %i Hz: the output is the same signal at the same time', async (rate) => {
    const hertz = 300;
    const out = await resample(sine(hertz, rate, rate / 2, 0.5, 0.7), rate);
    const ideal = sine(hertz, 16000, out.length, 0.5, 0.7);
    let worst = 0;
    for (let i = 200; i < out.length - 200; i++) worst = Math.max(worst, Math.abs(out[i] - ideal[i]));
    expect(worst).toBeLessThan(1e-4);
  });

  it('gives max(1, round(n * 16000 / rate)) samples', async () => {
    for (const rate of [1000, 8000, 16000, 44100, 44101, 96000, 768000]) {
      for (const n of [1, 2, 3, 47, 48, 441, 10007]) {
        const out = await resample(new Float32Array(n).fill(0.25), rate);
        expect(out.length, `${n} at ${rate}`).toBe(Math.max(1, Math.round((n * 16000) / rate)));
        expect(out.every(Number.isFinite)).toBe(true);
      }
    }
    expect((await resample(new Float32Array(0), 44100)).length).toBe(0);
  });

  it('keeps a constant, stays in [-1, 1], and passes 16 kHz through', async () => {
    const constant = await resample(new Float32Array(44100).fill(0.75), 44100);
    expect(Math.max(...constant.subarray(100, -100).map((x) => Math.abs(x - 0.75)))).toBeLessThan(1e-6);
    const square = Float32Array.from({ length: 48000 }, (_, i) => (i % 200 < 100 ? 1 : -1));
    expect(Math.max(...(await resample(square, 48000)).map(Math.abs))).toBe(1);
    const noise = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i * i));
    expect(await resample(noise, 16000)).toEqual(noise);
    expect(await resample(Float32Array.of(3, -2, 0.5), 16000)).toEqual(Float32Array.of(1, -1, 0.5));
  });

  it('does not depend on how the work is cut into blocks', async () => {
    // 44101 Hz interpolates between phases, 44100 does not; both need several blocks here.
    for (const rate of [44100, 44101]) {
      const long = Float32Array.from({ length: 4 * rate }, (_, i) => Math.sin(i * 0.3) * Math.cos(i * 0.0007));
      const whole = await resample(long, rate);
      const from = rate; // one second, a whole number of output samples
      const part = await resample(long.subarray(from), rate);
      expect(part.subarray(300)).toEqual(whole.subarray(16300));
    }
  });

  it('gives the same on every instruction set, to rounding', async () => {
    const here = await resample(
      Float32Array.from({ length: 9000 }, (_, i) => Math.sin(i * i * 0.001)),
      44101,
    );
    for (const isa of capabilities().available) {
      const answer = execFileSync(process.execPath, ['-e', CHILD], { env: { ...process.env, AUDIO2VEC_ISA: isa } });
      const there = new Float32Array(new Uint8Array(answer).buffer);
      expect(there.length).toBe(here.length);
      expect(Math.max(...there.map((x, i) => Math.abs(x - here[i]))), isa).toBeLessThan(2e-6);
    }
  });

  it('refuses wrong arguments', async () => {
    const samples = new Float32Array(10);
    for (const rate of [0, 999, 768001, 44100.5, Number.NaN, -8000]) {
      await expect(resample(samples, rate)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    }
    await expect(resample([0.5] as never, 44100)).rejects.toThrow(Audio2VecError);
    await expect(resample(Float32Array.of(0, Number.NaN), 44100)).rejects.toThrow('sample 1 ');
  });

  it('can be aborted on the way, and does not block the event loop', async () => {
    const minutes = new Float32Array(48000 * 600);
    const reason = new Error('enough');
    const controller = new AbortController();
    const aborted = resample(minutes, 48000, { signal: controller.signal });
    controller.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    await expect(resample(minutes, 48000, { signal: controller.signal })).rejects.toBe(reason);

    const work = resample(minutes, 48000);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await work;
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(3);
  });
});

/** Resamples the same noise with this checkout's addon in a process of its own: an instruction set is chosen once. */
const CHILD = `
const addon = require(process.cwd() + '/build/Release/audio2vec.node');
const samples = Float32Array.from({ length: 9000 }, (_, i) => Math.sin(i * i * 0.001));
const output = new Float32Array(Math.round(samples.length * 16000 / 44101));
const layout = { bytes: new Uint8Array(samples.buffer), encoding: 4, bigEndian: false, channels: 1,
  frames: samples.length, expanded: new Float32Array(256), blockBytes: 0, first: 0 };
addon.toMono(layout, 44101, output, new Int32Array(1), 0, 16000).then(() =>
  process.stdout.write(Buffer.from(output.buffer)));
`;
