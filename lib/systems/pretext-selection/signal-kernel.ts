// How alike two recordings are: the kernel of the signal in the dependence estimate.
import { dot, timesTransposed } from '../../matrix/products.js';

/** `cosine`: of the views as they are (as published); nearly linear, so that it hardly sees an even function of the
 * signal. `gaussian`: of the views' leading principal components, the median distance as width. */
export type SignalKernelName = 'cosine' | 'gaussian';

/** Recordings prepared for a kernel. */
export interface SignalKernel {
  /** The matrix of these recordings, `[n, n]`. */
  matrix(recordings: ArrayLike<number>): Float64Array;
}

/** @param views `[recordings, dim]` */
export function cosineKernel(views: Float64Array, dim: number): SignalKernel {
  const unit = views.slice();
  for (let at = 0; at < unit.length; at += dim) {
    const norm = Math.sqrt(dot(unit, at, unit, at, dim));
    for (let d = 0; d < dim; d++) unit[at + d] /= norm || 1;
  }
  return { matrix: (recordings) => gram(unit, dim, recordings) };
}

/** @param points `[recordings, dim]`, for example principal components @param width of exp(-distance² / (2 width²)) */
export function gaussianKernel(points: Float64Array, dim: number, width: number): SignalKernel {
  return {
    matrix(recordings) {
      const n = recordings.length;
      const k = gram(points, dim, recordings);
      const squares = Float64Array.from({ length: n }, (_, i) => k[i * n + i]);
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          k[i * n + j] = Math.exp(Math.min(0, 2 * k[i * n + j] - squares[i] - squares[j]) / (2 * width * width));
        }
      }
      return k;
    },
  };
}

function gram(rows: Float64Array, dim: number, recordings: ArrayLike<number>): Float64Array {
  const n = recordings.length;
  const chosen = new Float64Array(n * dim);
  for (let i = 0; i < n; i++) chosen.set(rows.subarray(recordings[i] * dim, (recordings[i] + 1) * dim), i * dim);
  const out = new Float64Array(n * n);
  timesTransposed(chosen, 0, n, chosen, n, dim, out);
  return out;
}

/** H K H with H = I − 11ᵀ/n, in place: rows and columns then have mean zero. (The released code of the method divides by
 * n² instead, which leaves the means in and changes the order of the labels.) */
export function centre(k: Float64Array, n: number): Float64Array {
  const means = new Float64Array(n);
  let all = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) means[i] += k[i * n + j] / n;
    all += means[i] / n;
  }
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) k[i * n + j] += all - means[i] - means[j];
  return k;
}
