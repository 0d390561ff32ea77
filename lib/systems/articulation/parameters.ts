// Named parameters of a forward process: what a value means, what is accepted, and what ±1 at a network's output stands for.
import { argumentError } from '../../util/errors.js';

export interface Parameter {
  readonly name: string;
  /** `cm`, `Hz`, … or empty for a ratio. */
  readonly unit: string;
  readonly description: string;
  /** Values from `min` to `max` are accepted. */
  readonly min: number;
  readonly max: number;
  readonly default: number;
  /** What -1 and +1 of a normalised value stand for: the range that training explores. */
  readonly low: number;
  readonly high: number;
  /** How normalised values lie between `low` and `high`: evenly, or evenly in their logarithm. */
  readonly scale: 'linear' | 'log';
}

/** A value for every parameter, by name. */
export type Values = Readonly<Record<string, number>>;

/** The value in its unit of a normalised one: -1 → `low`, +1 → `high`; cut to what the parameter accepts. */
export function fromNormalised(parameter: Parameter, x: number): number {
  const { low, high, scale, min, max } = parameter;
  const share = (x + 1) / 2;
  const value = scale === 'log' ? low * (high / low) ** share : low + (high - low) * share;
  return Math.min(max, Math.max(min, value));
}

/** The inverse of {@link fromNormalised}. Not cut: a value outside `low` … `high` lies outside ±1. */
export function toNormalised(parameter: Parameter, value: number): number {
  const { low, high, scale } = parameter;
  const share = scale === 'log' ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  return 2 * share - 1;
}

/** Rows of normalised values `[rows, parameters]` in their units. */
export function decodeRows(parameters: readonly Parameter[], rows: Float32Array): Float32Array {
  return convertRows(parameters, rows, fromNormalised);
}

/** Rows `[rows, parameters]` in units as normalised values. */
export function encodeRows(parameters: readonly Parameter[], rows: Float32Array): Float32Array {
  return convertRows(parameters, rows, toNormalised);
}

function convertRows(
  parameters: readonly Parameter[],
  rows: Float32Array,
  convert: (parameter: Parameter, x: number) => number,
): Float32Array {
  const width = parameters.length;
  if (width === 0 ? rows.length > 0 : rows.length % width !== 0) {
    throw argumentError('rows', `whole rows of ${width} parameters`, `${rows.length} values`);
  }
  return rows.map((x, i) => convert(parameters[i % width]!, x));
}

/** The parameter called `name`. @throws `ERR_ARGUMENT` that lists the names there are. */
export function parameterNamed(parameters: readonly Parameter[], name: string): Parameter {
  const found = parameters.find((p) => p.name === name);
  if (!found) throw argumentError('parameter', `one of ${parameters.map((p) => p.name).join(', ')}`, name);
  return found;
}

/** @throws `ERR_ARGUMENT` naming the parameter when a value is not one that it accepts. `where` says which value it is. */
export function checkValue(parameter: Parameter, value: unknown, where = ''): number {
  const { name, unit, min, max } = parameter;
  if (typeof value !== 'number' || !(value >= min && value <= max)) {
    throw argumentError(`${name}${where}`, `a number from ${min} to ${max}${unit && ` ${unit}`}`, value);
  }
  return value;
}
