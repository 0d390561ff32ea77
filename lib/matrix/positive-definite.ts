// Inverses of symmetric positive definite matrices.
import { native } from '../native/addon.js';
import type { Steps } from '../util/cooperative.js';

const BLOCK = 48; // rows that are eliminated at once, and the work between two yields

/** The inverse of the symmetric positive definite `matrix` `[n, n]`, by Gauss-Jordan elimination in blocks, which needs no
 * pivots then. */
export function* inverse(matrix: Float64Array, n: number): Steps<Float64Array> {
  const a = matrix.slice();
  const panel = new Float64Array(BLOCK * n);
  const column = new Float64Array(BLOCK * n);
  for (let first = 0; first < n; first += BLOCK) {
    const count = Math.min(BLOCK, n - first);
    // With A split by these rows K and the others R: A_KK ← A_KK⁻¹, A_KR ← A_KK⁻¹ A_KR, A_RR ← A_RR − A_RK A_KR,
    // A_RK ← −A_RK A_KK⁻¹. The products run over all rows and columns; what they spoil is put right afterwards.
    const pivot = smallInverse(a, n, first, count);
    native.matrixProduct(count, n, count, pivot, count, 1, a.subarray(first * n), n, 1, panel, n, false);
    for (let i = 0; i < n; i++) for (let k = 0; k < count; k++) column[i * count + k] = -a[i * n + first + k];
    native.matrixProduct(n, n, count, column, count, 1, panel, n, 1, a, n, true);
    a.set(panel.subarray(0, count * n), first * n);
    const turned = new Float64Array(n * count);
    native.matrixProduct(n, count, count, column, count, 1, pivot, count, 1, turned, count, false);
    for (let i = 0; i < n; i++) {
      const from = i >= first && i < first + count ? pivot.subarray((i - first) * count) : turned.subarray(i * count);
      for (let k = 0; k < count; k++) a[i * n + first + k] = from[k]!;
    }
    yield;
  }
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) a[i * n + j] = a[j * n + i] = (a[i * n + j]! + a[j * n + i]!) / 2;
  }
  return a;
}

/** The inverse of the block `[count, count]` that begins at the diagonal element `first`. */
function smallInverse(matrix: Float64Array, n: number, first: number, count: number): Float64Array {
  const a = new Float64Array(count * count);
  for (let i = 0; i < count; i++) {
    a.set(matrix.subarray((first + i) * n + first, (first + i) * n + first + count), i * count);
  }
  for (let k = 0; k < count; k++) {
    const scale = 1 / a[k * count + k]!;
    a[k * count + k] = 1;
    for (let j = 0; j < count; j++) a[k * count + j]! *= scale;
    for (let i = 0; i < count; i++) {
      if (i === k) continue;
      const factor = a[i * count + k]!;
      a[i * count + k] = 0;
      for (let j = 0; j < count; j++) a[i * count + j]! -= factor * a[k * count + j]!;
    }
  }
  return a;
}
