// Waveforms that a constant-Q transform is tested on.
import { createRequire } from 'node:module';
import { readAudio } from '../../lib/audio/index.js';
import { Random } from '../../lib/util/random.js';

export const wave = (length: number, f: (seconds: number, i: number) => number) =>
  Float32Array.from({ length }, (_, i) => f(i / 16000, i));

export function noise(length: number, level = 1, seed = 1): Float32Array {
  const rng = new Random(seed);
  return wave(length, () => rng.uniform(-level, level));
}

export const sine = (length: number, hz: number, level = 1) =>
  wave(length, (t) => level * Math.sin(2 * Math.PI * hz * t));

/** Pulses of a gliding voice through two resonances. */
function voice(length: number): Float32Array {
  const x = new Float32Array(length);
  let phase = 0;
  const y = [0, 0, 0, 0];
  for (let i = 0; i < length; i++) {
    phase += (140 + 40 * Math.sin((2 * Math.PI * 3 * i) / 16000)) / 16000;
    const pulse = phase >= 1 ? 1 : 0;
    phase %= 1;
    const [a, b] = [1.9 * y[0]! - 0.94 * y[1]! + pulse, 1.4 * y[2]! - 0.92 * y[3]! + pulse];
    [y[1], y[0], y[3], y[2]] = [y[0]!, a, y[2]!, b];
    x[i] = 0.05 * (a + b);
  }
  return x;
}

/** Half a second each; they begin and end in the middle of things. */
export async function signals(length = 8000): Promise<Record<string, Float32Array>> {
  const all: Record<string, Float32Array> = {
    'white noise': noise(length),
    chirp: wave(length, (t) => 0.7 * Math.sin(2 * Math.PI * (30 * t + 7900 * t * t))),
    'a sine of 55 Hz': sine(length, 55),
    'a sine of 440 Hz': sine(length, 440),
    'a sine of 1.3 kHz': sine(length, 1300),
    'a sine of 5 kHz': sine(length, 5000),
    'a sine of 7 kHz': sine(length, 7000),
    'a full-scale square wave': wave(length, (t) => (Math.sin(2 * Math.PI * 441 * t) >= 0 ? 1 : -1)),
    'a full-scale constant': new Float32Array(length).fill(1),
    'a click': wave(length, (_, i) => (i === 3000 ? 1 : 0)),
    'samples of alternating sign': wave(length, (_, i) => (i % 2 ? 1 : -1)),
    'a voice': voice(length),
    'a voice 60 dB down': voice(length).map((x) => x / 1000),
  };
  const samples = createRequire(import.meta.url).resolve('supersonic-scsynth-samples/package.json');
  for (const name of ['loop_amen', 'ambi_choir', 'guit_e_fifths']) {
    const recording = await readAudio(samples.replace('package.json', `samples/${name}.flac`));
    all[name] = recording.slice(2000, 2000 + length);
  }
  return all;
}
