// Linear prediction: the all-pole filter nearest to a stretch of sound (Markel and Gray, "Linear Prediction of Speech", 1976).
import { argumentError } from './errors.js';

export interface LinearPrediction {
  /** The inverse filter 1 + a_1 z^-1 + … + a_p z^-p. */
  a: Float64Array;
  /** Reflection coefficients k_1 … k_p, each below 1 in size. */
  reflections: Float64Array;
  /** Energy that prediction leaves. */
  error: number;
}

/** The Levinson-Durbin recursion: from autocorrelations r_0 … r_p the inverse filter that leaves the least error. Silence
 * (r_0 = 0) gives the filter 1. */
export function levinson(r: ArrayLike<number>): LinearPrediction {
  const order = r.length - 1;
  if (order < 0) throw argumentError('r', 'autocorrelations from lag 0 on', 'none');
  const a = new Float64Array(order + 1);
  const reflections = new Float64Array(order);
  let error = r[0]!;
  a[0] = 1;
  for (let i = 1; i <= order && error > 0; i++) {
    let unpredicted = 0;
    for (let j = 0; j < i; j++) unpredicted += a[j]! * r[i - j]!;
    const k = -unpredicted / error;
    if (!(Math.abs(k) < 1)) break; // rounding, in sound that is predicted perfectly
    const before = a.slice();
    for (let j = 1; j <= i; j++) a[j] = before[j]! + k * before[i - j]!;
    reflections[i - 1] = k;
    error *= 1 - k * k;
  }
  return { a, reflections, error };
}

/** Linear prediction of a stretch of sound by the autocorrelation method, under a Hamming window. A trace of white noise
 * (1e-9) keeps pure tones solvable.
 * @param order about 2 + two for each resonance below half the sample rate. */
export function lpc(samples: ArrayLike<number>, order: number): LinearPrediction {
  if (!Number.isInteger(order) || order < 1 || order >= samples.length) {
    throw argumentError('order', `an integer from 1 to ${samples.length - 1} (one less than there are samples)`, order);
  }
  const last = samples.length - 1;
  const x = Float64Array.from({ length: last + 1 }, (_, i) => {
    return samples[i]! * (0.54 - 0.46 * Math.cos((2 * Math.PI * i) / last));
  });
  const r = new Float64Array(order + 1);
  for (let lag = 0; lag <= order; lag++) {
    for (let i = lag; i <= last; i++) r[lag]! += x[i]! * x[i - lag]!;
  }
  r[0]! *= 1 + 1e-9;
  if (!Number.isFinite(r[0])) throw argumentError('samples', 'finite', 'NaN or infinite values');
  return levinson(r);
}
