// The Hilbert-Schmidt independence criterion of signal and labels, in blocks: the mean over blocks of
// tr(K H L H) / n², H = I − 11ᵀ/n (Gretton et al. 2005).

import { dot } from '../../matrix/products.js';
import type { Steps } from '../../util/cooperative.js';
import type { Block } from './recording-blocks.js';
import { centre } from './signal-kernel.js';

/** One recording's standardised labels after the other, `[recordings, count]`. */
export interface Labels {
  values: Float64Array;
  count: number;
}

/** log L = −(z − z')² / (2 · 0.05), not below −10. */
const inverseWidth = 10;
const lowestLog = -10;

/** Logarithm of the label kernel of one label at two recordings. */
export function logLabelKernel(a: number, b: number): number {
  return Math.max(lowestLog, -inverseWidth * (a - b) * (a - b));
}

/** A dependence and how it changes with the weights of the labels. */
export interface Dependence {
  value: number;
  gradient: Float64Array;
}

/** The dependence of signal and mixture exp(Σ w log L) of labels, with its gradient by `weights`. */
export function* mixtureDependence(
  blocks: readonly Block[],
  { values, count }: Labels,
  weights: ArrayLike<number>,
): Steps<Dependence> {
  const gradient = new Float64Array(count);
  const logs = new Float64Array(count);
  let value = 0;
  for (const { recordings, kernel, diagonal, weight } of blocks) {
    const n = recordings.length;
    const scale = weight / (n * n);
    let sum = diagonal;
    for (let i = 0; i < n; i++) {
      const a = recordings[i] * count;
      for (let j = i + 1; j < n; j++) {
        const b = recordings[j] * count;
        let log = 0;
        for (let k = 0; k < count; k++) {
          logs[k] = logLabelKernel(values[a + k], values[b + k]);
          log += weights[k] * logs[k];
        }
        const term = 2 * kernel[i * n + j] * Math.exp(log);
        sum += term;
        for (let k = 0; k < count; k++) gradient[k] += scale * term * logs[k];
      }
    }
    value += scale * sum;
    yield;
  }
  return { value, gradient };
}

/** The same divided block by block by √(tr(KHKH) tr(LHLH)) / n², which takes away the advantage of labels that hardly
 * vary. Value only. */
export function* normalisedDependence(
  blocks: readonly Block[],
  { values, count }: Labels,
  weights: ArrayLike<number>,
): Steps<number> {
  let value = 0;
  for (const { recordings, kernel, weight } of blocks) {
    const n = recordings.length;
    const l = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        let log = 0;
        for (let k = 0; k < count; k++) {
          log += weights[k] * logLabelKernel(values[recordings[i] * count + k], values[recordings[j] * count + k]);
        }
        l[i * n + j] = Math.exp(log);
      }
    }
    centre(l, n);
    const norm = Math.sqrt(dot(l, 0, l, 0, n * n) * dot(kernel, 0, kernel, 0, n * n));
    if (norm / (n * n) > 1e-30) value += (weight * dot(kernel, 0, l, 0, n * n)) / norm;
    yield;
  }
  return value;
}
