// Checks of arguments that come from outside. Each throws `ERR_ARGUMENT`, which names the argument.
import { argumentError } from './errors.js';

/** Numbers beyond this are hardly meant, and their products would not fit a float32. */
export const LARGEST = 1e30;

export function checkInteger(name: string, value: unknown, least: number, most: number): void {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    throw argumentError(name, `an integer from ${least} to ${most}`, value);
  }
}

export function checkNumber(name: string, value: unknown, least = -LARGEST, most = LARGEST): void {
  if (typeof value !== 'number' || !(value >= least && value <= most)) {
    throw argumentError(name, `a number from ${least} to ${most}`, value);
  }
}

/** Index of the first value from `first` on that is NaN or infinite; -1 for none. A callback for every value would cost as
 * much as a front end. */
export function notFiniteAt(values: Float32Array | Float64Array, first = 0): number {
  for (let i = first; i < values.length; i++) if (!Number.isFinite(values[i])) return i;
  return -1;
}

/** Throws `ERR_ARGUMENT`, which names the place, for a value from `first` on that is NaN or infinite. */
export function checkFinite(name: string, values: Float32Array | Float64Array, first = 0): void {
  const bad = notFiniteAt(values, first);
  if (bad >= 0) throw argumentError(`${name}[${bad}]`, 'finite', values[bad]);
}

/** What to throw where a part of `values` was refused for `cause`: an `ERR_ARGUMENT` that names the place of the first value
 * that is not finite, if there is one. So nobody need look at all of a long recording beforehand. */
export function notFiniteOr(name: string, values: Float32Array, cause: unknown): unknown {
  const bad = notFiniteAt(values);
  return bad < 0 ? cause : argumentError(`${name}[${bad}]`, 'finite', values[bad]);
}

export function checkBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw argumentError(name, 'true or false', value);
}

export function checkOneOf(name: string, value: unknown, choices: readonly string[]): void {
  if (typeof value !== 'string' || !choices.includes(value)) {
    throw argumentError(name, `one of ${choices.join(', ')}`, value);
  }
}

export function checkObject(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw argumentError(name, 'an object', value);
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw argumentError(name, 'a function', value);
}

/** Also one that is not of this realm, as tests in a simulated browser have it. */
function isSignal(value: unknown): value is AbortSignal {
  const { aborted, addEventListener, throwIfAborted } = (value ?? {}) as Partial<AbortSignal>;
  return typeof aborted === 'boolean' && [addEventListener, throwIfAborted].every((f) => typeof f === 'function');
}

/** Options must be an object of members that are known, so that none is misspelt and then ignored; `signal` and what is called
 * (`onProgress`, …) among them are what they are everywhere. */
export function checkOptions<T extends object>(name: string, value: T, known: readonly (keyof T & string)[]): void {
  checkObject(name, value);
  if (Symbol.iterator in value || value instanceof Date)
    throw argumentError(name, 'an object with options by name', value);
  const other = Object.keys(value).find((key) => !(known as readonly string[]).includes(key));
  if (other !== undefined) throw argumentError(name, `an object of ${known.join(', ')}`, other);
  const { signal } = value as { signal?: unknown };
  if (signal !== undefined && !isSignal(signal)) throw argumentError('signal', 'an AbortSignal', signal);
  // Others are not read here: they might be computed, and whoever uses them reads them once.
  for (const key of Object.keys(value)) {
    if (!/^on[A-Z]/.test(key)) continue;
    const called = value[key as keyof T];
    if (called !== undefined) checkFunction(key, called);
  }
}

const trueLength = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Float32Array.prototype), 'length')!.get!;

/** How many elements a typed array has, whatever `length` a subclass or a property of it says. */
export function lengthOf(array: ArrayBufferView): number {
  return trueLength.call(array);
}
