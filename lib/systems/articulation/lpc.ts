// What linear prediction says of a stretch of sound: its resonances, and the tube that has the filter.
// Formulas: Markel and Gray, "Linear Prediction of Speech", 1976; areas: Wakita, 1973.
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { argumentError } from '../../util/errors.js';

export { type LinearPrediction, levinson, lpc } from '../../util/linear-prediction.js';

/** Reflection coefficients of an inverse filter (step-down recursion). @throws `ERR_ARGUMENT` if 1/A is not stable. */
export function stepDown(a: ArrayLike<number>): Float64Array {
  let rest = Array.from(a, (x) => x / a[0]!);
  const reflections = new Float64Array(rest.length - 1);
  while (rest.length > 1) {
    const order = rest.length - 1;
    const k = rest[order]!;
    if (!(Math.abs(k) < 1))
      throw argumentError('a', 'a filter with all zeros inside the unit circle', `k${order} = ${k}`);
    reflections[order - 1] = k;
    rest = rest.slice(0, order).map((x, i) => (x - k * rest[order - i]!) / (1 - k * k));
  }
  return reflections;
}

/** The inverse filter with these reflection coefficients (step-up recursion). */
export function stepUp(reflections: ArrayLike<number>): Float64Array {
  let a = Float64Array.of(1);
  for (let i = 0; i < reflections.length; i++) {
    const k = reflections[i]!;
    const before = a;
    a = Float64Array.from({ length: i + 2 }, (_, j) => (before[j] ?? 0) + k * (before[i + 1 - j] ?? 0));
  }
  return a;
}

/** First differences with weight: x_n - strength · x_{n-1}. Takes the tilt of a voice away before LPC. */
export function preEmphasis(samples: ArrayLike<number>, strength = 0.95): Float64Array {
  return Float64Array.from({ length: samples.length }, (_, i) => {
    return i === 0 ? samples[0]! : samples[i]! - strength * samples[i - 1]!;
  });
}

/** A pole pair of a filter. */
export interface Resonance {
  /** Hz. */
  frequency: number;
  /** Hz, between the points 3 dB down. */
  bandwidth: number;
}

/** The resonances of 1/A(z), lowest first: the zeros of A in the upper half plane, as eigenvalues of its companion matrix. */
export function resonances(a: ArrayLike<number>, sampleRate: number): Resonance[] {
  let order = a.length - 1;
  while (order > 0 && a[order] === 0) order--;
  if (order === 0) return [];
  const companion = Matrix.zeros(order, order);
  for (let j = 0; j < order; j++) {
    companion.set(0, j, -a[j + 1]! / a[0]!);
    if (j > 0) companion.set(j, j - 1, 1);
  }
  const { realEigenvalues: re, imaginaryEigenvalues: im } = new EigenvalueDecomposition(companion, {
    assumeSymmetric: false,
  });
  return re
    .map((x, i) => ({
      frequency: (Math.atan2(im[i]!, x) * sampleRate) / (2 * Math.PI),
      bandwidth: (-Math.log(Math.hypot(x, im[i]!)) * sampleRate) / Math.PI,
      upper: im[i]! > 1e-9,
    }))
    .filter(({ upper }) => upper)
    .sort((p, q) => p.frequency - q.frequency)
    .map(({ frequency, bandwidth }) => ({ frequency, bandwidth }));
}

export interface FormantOptions {
  /** How many; default 3. Missing ones are NaN. */
  count?: number;
  /** Resonances wider than this (Hz) are spectral shape, not formants. Default 900. */
  widest?: number;
  /** Nothing at or below this (Hz) is a formant. Default 90. */
  lowest?: number;
}

/** Formants F1, F2, … (Hz) among resonances. */
export function formants(all: readonly Resonance[], options: FormantOptions = {}): number[] {
  const { count = 3, widest = 900, lowest = 90 } = options;
  const narrow = all.filter(({ frequency, bandwidth }) => bandwidth < widest && frequency > lowest);
  return Array.from({ length: count }, (_, i) => narrow[i]?.frequency ?? Number.NaN);
}

/**
 * Areas, glottis first, of the tube that has this inverse filter: without losses and with a hard glottis, D(z) = A(z)
 * (Wakita, "Direct estimation of the vocal tract shape by inverse filtering of acoustic speech waveforms", 1973). The
 * last reflection coefficient is that of the lips, the others are the junctions', from the glottis on. LPC cannot know
 * the size of a tube: areas are scaled to a geometric mean of 1.
 */
export function lpcAreas(reflections: ArrayLike<number>): Float64Array {
  const sections = reflections.length;
  const areas = new Float64Array(sections);
  areas[sections - 1] = 1;
  for (let i = sections - 2; i >= 0; i--) areas[i] = (areas[i + 1]! * (1 - reflections[i]!)) / (1 + reflections[i]!);
  const mean = Math.exp(areas.reduce((total, x) => total + Math.log(x), 0) / sections);
  return areas.map((x) => x / mean);
}
