// What recordings meet on the way to a microphone: rooms and loudspeakers (filters), other sound (noise, backgrounds).
import type { Random } from '../../util/random.js';

/** Coefficients of a filter of second order (Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients"),
 * divided by a0. */
type Biquad = [b0: number, b1: number, b2: number, a1: number, a2: number];

/** Filters samples in place by a random equaliser: a few broad resonances and notches, a tilt, and at times everything
 * below or above some frequency taken away. Pitch stays, timbre does not. */
export function equalise(samples: Float32Array, sampleRate: number, random: Random): void {
  const filters: Biquad[] = [];
  for (let n = random.int(4); n > 0; n--) {
    const hz = 80 * (5000 / 80) ** random.uniform();
    filters.push(peaking(hz, random.uniform(0.5, 4), random.uniform(-14, 12), sampleRate));
  }
  const cut = random.uniform();
  if (cut < 0.3) filters.push(...Array(2).fill(highPass(100 * 8 ** random.uniform(), sampleRate)));
  else if (cut < 0.5) filters.push(...Array(2).fill(lowPass(800 * 6 ** random.uniform(), sampleRate)));
  for (const filter of filters) run(samples, filter);
}

/** Noise of many kinds, to draw from: making it takes much longer than the rest of a training step. */
export function noises(count: number, seconds: number, sampleRate: number, random: Random): Float32Array[] {
  return Array.from({ length: count }, () => {
    const out = new Float32Array(Math.round(seconds * sampleRate));
    noise(out, sampleRate, random);
    return out;
  });
}

/** Fills `out` with noise of a random colour, steady, in bursts or as crackle; its level is 1 (root mean square). */
function noise(out: Float32Array, sampleRate: number, random: Random): void {
  const kind = random.uniform();
  if (kind < 0.12) {
    const density = 0.0005 * 100 ** random.uniform();
    for (let i = 0; i < out.length; i++) out[i] = random.uniform() < density ? random.normal() : 0;
  } else {
    // A sum of uniform numbers is near enough to normal and faster.
    for (let i = 0; i < out.length; i++) out[i] = random.uniform(-1, 1) + random.uniform(-1, 1);
  }
  if (kind > 0.3) {
    const colour = random.uniform(0, 0.99);
    let last = 0;
    for (let i = 0; i < out.length; i++) {
      last = out[i]! + colour * last;
      out[i] = last;
    }
  }
  if (random.uniform() < 0.5) equalise(out, sampleRate, random);
  if (random.uniform() < 0.3) {
    const hz = 100 * 40 ** random.uniform();
    run(out, peaking(hz, random.uniform(0.5, 3), random.uniform(10, 30), sampleRate));
  }
  if (random.uniform() < 0.3) {
    const speed = (2 * Math.PI * random.uniform(1, 25)) / sampleRate;
    const phase = random.uniform(0, 2 * Math.PI);
    const depth = random.uniform();
    for (let i = 0; i < out.length; i++) out[i]! *= 1 + depth * Math.sin(speed * i + phase);
  }
  // As of s and f, and as of knocks and keys.
  if (random.uniform() < 0.25) {
    const filter = highPass(1000 * 5 ** random.uniform(), sampleRate);
    for (let n = 0; n < 2; n++) run(out, filter);
  }
  if (random.uniform() < 0.25) bursts(out, sampleRate, random);
  scale(out, 1 / Math.max(1e-9, rms(out)));
}

/** Makes bursts of steady noise, each dying away. */
function bursts(out: Float32Array, sampleRate: number, random: Random): void {
  const often = random.uniform(1.5, 12) / sampleRate;
  const decay = Math.exp(-1 / (0.004 * 40 ** random.uniform() * sampleRate));
  let level = 0;
  for (let i = 0; i < out.length; i++) {
    if (random.uniform() < often) level = random.uniform(0.3, 1);
    level *= decay;
    out[i]! *= level + 1e-3;
  }
}

/** Adds `other` at this ratio of powers in dB. Silence stays without noise: there is nothing to compare it with. */
export function mix(samples: Float32Array, other: Float32Array, snr: number): void {
  const gain = (rms(samples) / Math.max(1e-9, rms(other))) * 10 ** (-snr / 20);
  for (let i = 0; i < samples.length; i++) samples[i]! += gain * other[i]!;
}

export function rms(samples: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < samples.length; i++) sum += samples[i]! * samples[i]!;
  return Math.sqrt(sum / Math.max(1, samples.length));
}

export function scale(samples: Float32Array, by: number): void {
  for (let i = 0; i < samples.length; i++) samples[i]! *= by;
}

function run(x: Float32Array, [b0, b1, b2, a1, a2]: Biquad): void {
  let [s1, s2] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    const v = x[i]!;
    const y = b0 * v + s1;
    s1 = b1 * v - a1 * y + s2;
    s2 = b2 * v - a2 * y;
    x[i] = y;
  }
}

function peaking(hz: number, q: number, db: number, rate: number): Biquad {
  const { cos, alpha } = angle(hz, q, rate);
  const a = 10 ** (db / 40);
  const a0 = 1 + alpha / a;
  return [(1 + alpha * a) / a0, (-2 * cos) / a0, (1 - alpha * a) / a0, (-2 * cos) / a0, (1 - alpha / a) / a0];
}

function highPass(hz: number, rate: number): Biquad {
  const { cos, alpha } = angle(hz, Math.SQRT1_2, rate);
  const a0 = 1 + alpha;
  return [(1 + cos) / 2 / a0, -(1 + cos) / a0, (1 + cos) / 2 / a0, (-2 * cos) / a0, (1 - alpha) / a0];
}

function lowPass(hz: number, rate: number): Biquad {
  const { cos, alpha } = angle(hz, Math.SQRT1_2, rate);
  const a0 = 1 + alpha;
  return [(1 - cos) / 2 / a0, (1 - cos) / a0, (1 - cos) / 2 / a0, (-2 * cos) / a0, (1 - alpha) / a0];
}

function angle(hz: number, q: number, rate: number): { cos: number; alpha: number } {
  const w = (2 * Math.PI * hz) / rate;
  return { cos: Math.cos(w), alpha: Math.sin(w) / (2 * q) };
}
