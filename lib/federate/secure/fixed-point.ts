// Real numbers as integers modulo 2^32, so that sums are exact and a mask hides them without a trace.

/** Value of 1, a power of two: as small as lets the sum over `clients` vectors whose values are within ±`bound` fit. */
export function resolution(bound: number, clients: number): number {
  return 2 ** Math.ceil(Math.log2((bound * clients) / (2 ** 31 - 1)));
}

/** Towards zero: a vector never gets longer, so a bound of its norm stays one. */
export function toFixed(values: ArrayLike<number>, unit: number): Uint32Array {
  return Uint32Array.from(values, (value) => Math.trunc(value / unit)); // modulo 2^32
}

/** Values of a sum, which may be negative. */
export function fromFixed(sum: Uint32Array, unit: number): Float64Array {
  return Float64Array.from(sum, (value) => (value | 0) * unit);
}
