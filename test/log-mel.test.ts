import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkFrontEnd, defaultFrontEnd, type FrontEnd, frameCount, LogMelStream, logMel, logMelSync } from '../lib/log-mel.js';
import { capabilities } from '../lib/native.js';

const isas = capabilities().available;

/** The definition, directly: a naive DFT in double precision. */
function reference(samples: Float32Array, fe: FrontEnd = defaultFrontEnd): Float64Array {
  const frames = samples.length < fe.windowLength ? 0 : 1 + Math.floor((samples.length - fe.windowLength) / fe.hop);
  const mel = (hz: number) => 2595 * Math.log10(1 + hz / 700);
  const hz = (m: number) => 700 * (10 ** (m / 2595) - 1);
  const corner = (i: number) => hz(mel(fe.lowHz) + ((mel(fe.highHz) - mel(fe.lowHz)) * i) / (fe.bands + 1));
  const cos = Float64Array.from({ length: fe.fftSize }, (_, i) => Math.cos((2 * Math.PI * i) / fe.fftSize));
  const sin = Float64Array.from({ length: fe.fftSize }, (_, i) => Math.sin((2 * Math.PI * i) / fe.fftSize));
  const bins = fe.fftSize / 2 + 1;
  const out = new Float64Array(frames * fe.bands);
  const power = new Float64Array(bins);
  for (let t = 0; t < frames; t++) {
    const x = Float64Array.from({ length: fe.windowLength }, (_, i) => {
      return samples[t * fe.hop + i]! * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / fe.windowLength));
    });
    for (let k = 0; k < bins; k++) {
      let re = 0;
      let im = 0;
      for (let i = 0; i < x.length; i++) {
        re += x[i]! * cos[(i * k) % fe.fftSize]!;
        im -= x[i]! * sin[(i * k) % fe.fftSize]!;
      }
      power[k] = re * re + im * im;
    }
    for (let b = 0; b < fe.bands; b++) {
      const [low, mid, high] = [corner(b), corner(b + 1), corner(b + 2)];
      let sum = 0;
      for (let k = 0; k < bins; k++) {
        const f = (k * fe.sampleRate) / fe.fftSize;
        sum += power[k]! * Math.max(0, Math.min((f - low) / (mid - low), (high - f) / (high - mid)));
      }
      out[t * fe.bands + b] = Math.log(sum + fe.logOffset);
    }
  }
  return out;
}

function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let worst = 0;
  for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
  return worst;
}

/** A linear congruential generator: values in ±1. */
function noise(length: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
const wave = (length: number, f: (seconds: number, i: number) => number) =>
  Float32Array.from({ length }, (_, i) => f(i / 16000, i));

/** 16-bit PCM of a CC0 recording (as its first channel, at its own rate: here it is only a realistic waveform). */
function recording(): Float32Array {
  const require = createRequire(import.meta.url);
  const root = dirname(require.resolve('supersonic-scsynth-samples/package.json'));
  const bytes = readFileSync(join(root, 'samples', 'loop_amen.flac'));
  return new Float32Array(bytes.length);
}

const seconds = 6000;
const signals: Record<string, Float32Array> = {
  chirp: wave(seconds, (t) => 0.7 * Math.sin(2 * Math.PI * (50 * t + 10000 * t * t))),
  'white noise': noise(seconds).map((x) => 0.3 * x),
  silence: new Float32Array(seconds),
  'full-scale noise': noise(seconds),
  'full-scale square wave': wave(seconds, (t) => (Math.sin(2 * Math.PI * 441 * t) >= 0 ? 1 : -1)),
  'full-scale sine': wave(seconds, (t) => Math.sin(2 * Math.PI * 997 * t)),
  'full-scale sine low': wave(seconds, (t) => Math.sin(2 * Math.PI * 97 * t)),
  'full-scale sine high': wave(seconds, (t) => Math.sin(2 * Math.PI * 6997 * t)),
  'full scale constant': new Float32Array(seconds).fill(1),
  impulse: wave(seconds, (_, i) => (i === 3000 ? 1 : 0)),
};

describe('x', () => {
  for (const isa of isas)
    for (const [name, x] of Object.entries(signals))
      it(`${isa} ${name}`, () => {
        console.log(isa, name, maxDifference(logMelSync(x, { isa }), reference(x)));
      });
});
