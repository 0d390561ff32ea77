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

/** Options must be an object of members that are known, so that none is misspelt and then ignored. */
export function checkOptions<T extends object>(name: string, value: T, known: readonly (keyof T & string)[]): void {
  checkObject(name, value);
  const other = Object.keys(value).find((key) => !(known as readonly string[]).includes(key));
  if (other !== undefined) throw argumentError(name, `an object of ${known.join(', ')}`, other);
}
