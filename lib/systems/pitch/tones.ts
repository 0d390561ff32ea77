// Synthetic tones whose pitch is known because it was chosen: melodies of notes with many timbres, glides, vibrato and gaps.
// They calibrate a trained network, and the `pesto` objective ties the classes to notes with them.
import type { Random } from '../../util/random.js';

/** Sound with its fundamental frequency at every sample; 0 where nothing sounds. */
export interface Melody {
  samples: Float32Array;
  hz: Float32Array;
}

export interface MelodyOptions {
  sampleRate: number;
  seconds: number;
  /** Range of fundamentals. */
  lowHz: number;
  highHz: number;
}

/** What a note sounds like: amplitudes of its harmonics, how fast they decay, how loud the breath is. */
interface Timbre {
  amplitudes: Float64Array;
  /** Nepers a second: of all, and on top of it for every harmonic above the first. */
  decay: number;
  brightnessDecay: number;
  breath: number;
  /** Slow random change of period, as a share. */
  jitter: number;
}

const MOST_HARMONICS = 48;
/** Attack and release, seconds. */
const RAMP = 0.008;

/** Notes one after the other, a third of them with a gap behind. Levels vary by 12 dB. */
export function melody({ sampleRate, seconds, lowHz, highHz }: MelodyOptions, random: Random): Melody {
  const total = Math.round(seconds * sampleRate);
  const [samples, hz] = [new Float32Array(total), new Float32Array(total)];
  let before = logUniform(lowHz, highHz, random);
  for (let at = 0; at < total; ) {
    // Half of the notes are near the one before, as in music and speech.
    const near = before * 2 ** random.uniform(-0.5, 0.5);
    const start = random.uniform() < 0.5 && near > lowHz && near < highHz ? near : logUniform(lowHz, highHz, random);
    const length = Math.min(total - at, Math.round(random.uniform(0.12, 1.2) * sampleRate));
    const curve = hz.subarray(at, at + length);
    const timbre = drawTimbre(start, sampleRate, random);
    before = pitchCurve(curve, start, sampleRate, timbre.jitter, random);
    render(samples.subarray(at, at + length), curve, timbre, sampleRate, random);
    at += length + (random.uniform() < 0.35 ? Math.round(random.uniform(0.03, 0.4) * sampleRate) : 0);
  }
  return { samples, hz };
}

/** Fills `curve` with fundamentals in Hz and returns the last. */
function pitchCurve(curve: Float32Array, start: number, rate: number, jitter: number, random: Random): number {
  const kind = random.uniform();
  // Octaves a second; a glide may be as fast as speech is.
  const slope = kind < 0.35 ? random.uniform(-1.5, 1.5) : kind < 0.6 ? random.uniform(-0.2, 0.2) : 0;
  const depth = random.uniform() < 0.3 ? random.uniform(0.1, 1) / 12 : 0;
  const speed = random.uniform(3.5, 7.5);
  const phase = random.uniform(0, 2 * Math.PI);
  const seconds = curve.length / rate;
  const base = start * 2 ** ((-slope * seconds) / 2);
  const smooth = Math.exp(-1 / (0.006 * rate));
  const kick = jitter * Math.sqrt(1 - smooth * smooth);
  let drift = 0;
  for (let i = 0; i < curve.length; i++) {
    const t = i / rate;
    if (jitter > 0) drift = smooth * drift + kick * random.uniform(-1.73, 1.73);
    curve[i] = base * 2 ** (slope * t + (depth / 2) * Math.sin(2 * Math.PI * speed * t + phase) + drift);
  }
  return curve[curve.length - 1]!;
}

function drawTimbre(f0: number, rate: number, random: Random): Timbre {
  const count = Math.max(1, Math.min(MOST_HARMONICS, Math.floor((0.475 * rate) / f0 / 1.2)));
  const db = new Float64Array(count);
  const tilt = random.uniform(0, 14);
  for (let h = 0; h < count; h++) db[h] = -tilt * Math.log2(h + 1);
  const kind = random.int(8);
  if (kind <= 1) addFormants(db, f0, random);
  if (kind === 2) for (let h = 0; h < count; h++) db[h]! += random.uniform(-30, 0);
  if (kind === 3) for (let h = 1; h < count; h += 2) db[h]! -= random.uniform(15, 50);
  if (kind === 4) db.fill(-80, 0, Math.min(count - 1, 1 + random.int(3)));
  if (kind === 5) for (let h = 1; h < count; h++) db[h]! -= random.uniform(15, 60);
  if (kind === 6) db[random.int(Math.min(count, 6))]! += random.uniform(10, 25);
  if (kind === 4 && count > 3) for (let h = 0; h < count; h++) db[h]! += random.uniform(-8, 0);
  const amplitudes = Float64Array.from(db, (x) => 10 ** (x / 20));
  let power = 0;
  for (const a of amplitudes) power += (a * a) / 2;
  const level = 0.1 * 10 ** (random.uniform(-6, 6) / 20);
  for (let h = 0; h < count; h++) amplitudes[h]! *= level / Math.sqrt(power);
  const plucked = random.uniform() < 0.3;
  return {
    amplitudes,
    decay: plucked ? random.uniform(0.5, 4) : 0,
    brightnessDecay: plucked ? random.uniform(0, 0.6) : 0,
    breath: random.uniform() < 0.4 ? level * 10 ** (random.uniform(-40, -12) / 20) : 0,
    jitter: random.uniform() < 0.2 ? random.uniform(0.001, 0.012) : 0,
  };
}

/** Three resonances, about as those of vowels. */
function addFormants(db: Float64Array, f0: number, random: Random): void {
  const formants = [random.uniform(250, 900), random.uniform(700, 2600), random.uniform(2200, 3800)];
  for (let h = 0; h < db.length; h++) {
    let gain = 0;
    for (const f of formants) gain += 1 / (1 + (((h + 1) * f0 - f) / (40 + 0.05 * f)) ** 2);
    db[h] = db[h]! * 0.5 + 10 * Math.log10(gain + 3e-4);
  }
}

function render(out: Float32Array, hz: Float32Array, timbre: Timbre, rate: number, random: Random): void {
  const { amplitudes, decay, brightnessDecay, breath } = timbre;
  const now = amplitudes.slice();
  let phase = random.uniform(0, 2 * Math.PI);
  let noise = 0;
  // Half of the notes have cosines, which makes pulses of them, as a voice; the others sines.
  const turn = random.uniform() < 0.5 ? Math.PI / 2 : 0;
  for (let i = 0; i < out.length; i++) {
    if (i % 64 === 0 && decay > 0) {
      for (let h = 0; h < now.length; h++)
        now[h] = amplitudes[h]! * Math.exp(-(decay + h * brightnessDecay) * (i / rate));
    }
    phase += (2 * Math.PI * hz[i]!) / rate;
    // sin((h + 1)φ) = 2 cos φ sin(hφ) - sin((h - 1)φ), with the phase turned.
    const twice = 2 * Math.cos(phase);
    let [previous, current] = [Math.sin(turn), Math.sin(phase + turn)];
    let sum = 0;
    for (let h = 0; h < now.length; h++) {
      sum += now[h]! * current;
      const next = twice * current - previous;
      previous = current;
      current = next;
    }
    if (breath > 0) {
      noise = 0.5 * noise + random.uniform(-1.5, 1.5);
      sum += breath * noise;
    }
    const edge = Math.min(i, out.length - 1 - i) / rate;
    out[i] = edge < RAMP ? sum * (0.5 - 0.5 * Math.cos((Math.PI * edge) / RAMP)) : sum;
  }
}

function logUniform(low: number, high: number, random: Random): number {
  return low * (high / low) ** random.uniform();
}
