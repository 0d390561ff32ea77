// Arrays by parameter name, as they come from outside.
import { argumentError } from '../util/errors.js';

/** Arrays by parameter name; of doubles when the network computes in double precision. */
export type Arrays = Map<string, Float32Array | Float64Array>;

/** Throws `ERR_ARGUMENT` unless this is a map of float arrays. */
export function checkArrays(name: string, arrays: ReadonlyMap<string, Float32Array | Float64Array>): void {
  if (!(arrays instanceof Map)) throw argumentError(name, 'a Map of arrays by parameter name', arrays);
  for (const [key, values] of arrays) {
    if (!(values instanceof Float32Array || values instanceof Float64Array)) {
      throw argumentError(`${name} of ${String(key)}`, 'a Float32Array or Float64Array', values);
    }
  }
}
