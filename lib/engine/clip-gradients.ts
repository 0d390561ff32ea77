// Clipping by the global norm (Pascanu, Mikolov, Bengio 2013): one bad batch then moves the parameters no further than
// any other.

import { Audio2VecError, argumentError } from '../util/errors.js';
import { checkArrays } from './arrays.js';

/** Scales all gradients by the same factor, in place, so that the Euclidean norm of all their values together is at most
 * `maxNorm`. Goes between `lossAndGradients` and `update`.
 * @param gradients arrays by name
 * @returns the norm before clipping
 * @throws `ERR_ARGUMENT` unless `maxNorm` is positive; `ERR_DIVERGED`, which names the array, for a gradient that is not
 *   finite */
export function clipGradients(gradients: ReadonlyMap<string, Float32Array | Float64Array>, maxNorm: number): number {
  checkArrays('gradients', gradients);
  if (typeof maxNorm !== 'number' || !(maxNorm > 0 && maxNorm < Infinity))
    throw argumentError('maxNorm', 'a positive number', maxNorm);
  let squares = 0;
  for (const [name, values] of gradients) {
    for (const g of values) squares += g * g;
    if (!Number.isFinite(squares)) {
      throw new Audio2VecError(
        'ERR_DIVERGED',
        `The gradient of ${name} is not finite, so it cannot be clipped: use a lower learning rate.`,
      );
    }
  }
  const norm = Math.sqrt(squares);
  if (norm <= maxNorm) return norm;
  const factor = maxNorm / norm;
  for (const values of gradients.values()) for (let i = 0; i < values.length; i++) values[i]! *= factor;
  return norm;
}
