// Checks of a model that somebody hands over: every array there, of the right size, finite.
import { type Parameter, sizeOf } from '../graph/graph.js';
import { argumentError } from '../util/errors.js';

/** @throws `ERR_ARGUMENT`, naming the array, unless it has so many values, all of them finite
 * @param positive all of them above 0, too */
export function checkArray(name: string, data: unknown, length: number, positive = false): void {
  if (!(data instanceof Float32Array) || data.length !== length) {
    throw argumentError(name, `an array of ${length} values`, data instanceof Float32Array ? data.length : data);
  }
  const wrong = data.find((v) => !Number.isFinite(v) || (positive && v <= 0));
  if (wrong !== undefined) throw argumentError(name, positive ? 'positive' : 'finite', wrong);
}

/** @throws `ERR_ARGUMENT`, naming the array, unless there is one for each parameter, as by {@link checkArray} */
export function checkWeights(weights: unknown, parameters: readonly Pick<Parameter, 'name' | 'shape'>[]): void {
  if (!(weights instanceof Map)) throw argumentError('weights', 'a Map of Float32Arrays by name', weights);
  for (const { name, shape } of parameters) checkArray(name, weights.get(name), sizeOf(shape));
}
