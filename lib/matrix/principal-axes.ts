// The directions in which rows vary, and how much: what a plane to look at (projection.ts) and whitening
// (lib/systems/audio2vec/whiten.ts) are made of.
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { runCooperatively, type Steps } from '../util/cooperative.js';
import { addTransposedTimes } from './products.js';

const MOMENT_BLOCK = 64; // rows between two yields

export interface PrincipalAxes {
  mean: Float64Array;
  /** Variance along each axis, none below 0 (rounding could leave one there). */
  variances: number[];
  /** `[dim, dim]`, an axis a column. */
  axes: Matrix;
}

/** Eigenvectors and eigenvalues of the covariance of `x` `[rows, dim]`, in no particular order. Subtracts the mean from
 * `x`. */
export async function principalAxes(x: Float64Array, dim: number, signal?: AbortSignal): Promise<PrincipalAxes> {
  const rows = x.length / dim;
  const mean = new Float64Array(dim);
  for (let i = 0; i < x.length; i++) mean[i % dim]! += x[i]! / rows;
  for (let i = 0; i < x.length; i++) x[i]! -= mean[i % dim]!;
  const covariance = await runCooperatively(secondMoments({ x, rows, dim }), signal);
  return { mean, ...axesOf(Matrix.from1DArray(dim, dim, covariance)) };
}

/** Eigenvectors and eigenvalues of a covariance. */
export function axesOf(covariance: Matrix): Omit<PrincipalAxes, 'mean'> {
  const eigen = new EigenvalueDecomposition(covariance, { assumeSymmetric: true });
  return { variances: eigen.realEigenvalues.map((v) => Math.max(0, v)), axes: eigen.eigenvectorMatrix };
}

/** E[xxᵀ] `[dim, dim]` over all rows. */
export function* secondMoments({ x, rows, dim }: { x: Float64Array; rows: number; dim: number }): Steps<Float64Array> {
  const sum = new Float64Array(dim * dim);
  for (let first = 0; first < rows; first += MOMENT_BLOCK) {
    const count = Math.min(MOMENT_BLOCK, rows - first);
    addTransposedTimes(x.subarray(first * dim), dim, x, first, count, dim, sum);
    yield;
  }
  for (let k = 0; k < sum.length; k++) sum[k] /= rows;
  return sum;
}
