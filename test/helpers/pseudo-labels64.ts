// An independent implementation of the pseudo-labels in double precision: the definitions, with a plain DFT.
import { defaultFrontEnd } from '../../lib/features/front-end-config.js';
import type { LogMelConfig } from '../../lib/features/log-mel-config.js';
import { type PseudoLabelName, pseudoLabelNames } from '../../lib/features/pseudo-labels.js';

type Values = Record<PseudoLabelName, number>;

/** One row of all labels for every frame. */
export function pseudoLabels64(samples: Float32Array, fe: LogMelConfig = defaultFrontEnd): Values[] {
  const frames = samples.length < fe.windowLength ? 0 : 1 + Math.floor((samples.length - fe.windowLength) / fe.hop);
  const spectra = Array.from({ length: frames }, (_, t) => powerSpectrum(samples, t * fe.hop, fe));
  const rows = spectra.map((power, t) => {
    const x = samples.subarray(t * fe.hop, t * fe.hop + fe.windowLength);
    return { ...waveform(x), ...spectral(power, fe), ...pitch(samples, t, fe), flux: fluxAt(spectra, t) };
  });
  for (const row of rows) if (row.rms <= 1e-4) row.f0 = 0;
  return rows;
}

export function columns64(samples: Float32Array, fe?: LogMelConfig): Record<PseudoLabelName, number[]> {
  const rows = pseudoLabels64(samples, fe);
  return Object.fromEntries(pseudoLabelNames.map((name) => [name, rows.map((row) => row[name])])) as never;
}

const sum = (values: ArrayLike<number>, f = (v: number, _i: number) => v) => {
  let s = 0;
  for (let i = 0; i < values.length; i++) s += f(values[i]!, i);
  return s;
};
const decibels = (power: number) => 10 * Math.log10(power);

function powerSpectrum(samples: Float32Array, at: number, { windowLength, fftSize }: LogMelConfig): Float64Array {
  const cos = Float64Array.from({ length: fftSize }, (_, i) => Math.cos((2 * Math.PI * i) / fftSize));
  const sin = Float64Array.from({ length: fftSize }, (_, i) => Math.sin((2 * Math.PI * i) / fftSize));
  const x = Float64Array.from({ length: windowLength }, (_, n) => {
    return samples[at + n]! * (0.5 - 0.5 * Math.cos((2 * Math.PI * n) / windowLength));
  });
  const out = new Float64Array(fftSize / 2 + 1);
  for (let k = 0; k < out.length; k++) {
    let [re, im] = [0, 0];
    for (let n = 0; n < windowLength; n++) {
      re += x[n]! * cos[(k * n) % fftSize]!;
      im -= x[n]! * sin[(k * n) % fftSize]!;
    }
    out[k] = re * re + im * im;
  }
  return out;
}

function waveform(x: Float32Array) {
  const square = sum(x, (v) => v * v) / x.length;
  let changes = 0;
  for (let i = 1; i < x.length; i++) if (x[i]! >= 0 !== x[i - 1]! >= 0) changes++;
  return { rms: Math.sqrt(square), level: decibels(square + 1e-10), zcr: changes / (x.length - 1) };
}

function spectral(power: Float64Array, { sampleRate, fftSize }: LogMelConfig) {
  const hz = (k: number) => (k * sampleRate) / fftSize;
  const energy = sum(power);
  const low = sum(power, (p, k) => (hz(k) >= 50 && hz(k) < 1000 ? p : 0));
  const high = sum(power, (p, k) => (hz(k) >= 1000 && hz(k) <= 5000 ? p : 0));
  const centroid = sum(power, (p, k) => p * hz(k)) / (energy + 1e-10);
  let below = 0;
  let last = 0;
  while (last < power.length - 1 && below + power[last]! < 0.85 * energy) below += power[last++]!;
  return {
    alpha: decibels((low + 1e-10) / (high + 1e-10)),
    centroid,
    spread: Math.sqrt(sum(power, (p, k) => p * (hz(k) - centroid) ** 2) / (energy + 1e-10)),
    rolloff: hz(last),
    flatness: sum(power, (p) => decibels(p + 1e-10)) / power.length - decibels(energy / power.length + 1e-10),
  };
}

function fluxAt(spectra: Float64Array[], t: number): number {
  if (spectra.length < 2) return 0;
  const normalised = (power: Float64Array) => {
    const total = sum(power, Math.sqrt) + 1e-10;
    return power.map((p) => Math.sqrt(p) / total);
  };
  const before = normalised(spectra[Math.max(1, t) - 1]!);
  return Math.sqrt(sum(normalised(spectra[Math.max(1, t)]!), (m, k) => (m - before[k]!) ** 2));
}

function pitch(samples: Float32Array, t: number, { sampleRate, windowLength, hop }: LogMelConfig) {
  const longest = Math.floor(sampleRate / 60);
  const shortest = Math.round(sampleRate / 500);
  const start = t * hop - Math.floor(longest / 2);
  const around = Float64Array.from({ length: windowLength + longest + 1 }, (_, i) => samples[start + i] ?? 0);
  const x = (i: number) => around[i]!;
  const over = (f: (j: number) => number) => {
    let s = 0;
    for (let j = 0; j < windowLength; j++) s += f(j);
    return s;
  };
  const energy = over((j) => x(j) ** 2);
  const dips = new Float64Array(longest + 1).fill(1);
  let total = 0;
  for (let lag = 1; lag <= longest; lag++) {
    const d = over((j) => (x(j) - x(j + lag)) ** 2);
    const kept = d < 1e-12 * (energy + 1e-30) ? 0 : d;
    total += kept;
    if (total > 0) dips[lag] = (kept * lag) / total;
  }
  let lag = dips.findIndex((d, i) => i >= shortest && d < 0.15);
  if (lag >= 0) {
    while (lag < longest && dips[lag + 1]! < dips[lag]!) lag++;
  } else {
    lag = dips.indexOf(Math.min(...dips.subarray(shortest)), shortest);
  }
  const [a, b, c] = [dips[lag - 1]!, dips[lag]!, dips[lag + 1]!];
  const inside = lag > shortest && lag < longest && a - 2 * b + c > 1e-12;
  const fine = inside ? lag + (0.5 * (a - c)) / (a - 2 * b + c) : lag;
  const shifted = over((j) => x(j + lag) ** 2);
  const r = over((j) => x(j) * x(j + lag)) / Math.sqrt(energy * shifted + 1e-12);
  const cut = Math.min(1 - 1e-4, Math.max(1e-3, r));
  return {
    f0: b < 0.3 ? sampleRate / fine : 0,
    voicing: Math.min(1, Math.max(0, 1 - b)),
    hnr: decibels(cut / (1 - cut)),
  };
}
