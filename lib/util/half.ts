// Half precision (IEEE 754 binary16) as 16-bit patterns: what files store; nothing is computed in it.

/** The largest finite float16. */
export const largestHalf = 65504;

/** The bits of the float16 nearest to `value` (ties to even). */
export function halfBits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  // Subnormals (below 2^-14) share the exponent of the smallest normal number.
  const exponent = Math.max(-14, Math.floor(Math.log2(magnitude)));
  const steps = roundHalfEven(magnitude / 2 ** (exponent - 10));
  // Steps 1024 to 2047 are a normal number's; 2048 carries into the exponent by itself.
  return sign | (steps + ((exponent + 14) << 10));
}

/** The value of a float16's bits. */
export function halfValue(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const steps = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return steps === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? steps * 2 ** -24 : (steps + 1024) * 2 ** (exponent - 25));
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
