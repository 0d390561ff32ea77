// What operands may be: checks that name the node.
import { checkBoolean, checkInteger, checkObject } from '../util/arguments.js';
import { argumentError, shown } from '../util/errors.js';
import type { Parameter, Ref, Shape } from './node.js';

export function mapShape(name: string, x: Ref): readonly [number, number, number] {
  if (x.shape.length !== 3) throw argumentError(`input of ${name}`, 'a map [T, F, C]', describe(x));
  return x.shape;
}

export function vectorSize(name: string, x: Ref): number {
  if (x.shape.length !== 1) throw argumentError(`input of ${name}`, 'a vector [C]', describe(x));
  return x.shape[0];
}

export function alike(name: string, a: Ref, b: Ref): [Ref, Ref] {
  if (a.shape.join() !== b.shape.join() || a.rows !== b.rows) {
    throw argumentError(`second input of ${name}`, `like the first, ${describe(a)}`, describe(b));
  }
  return [a, b];
}

export function checkCount(name: string, what: string, value: number, most: number): void {
  checkInteger(`${what} of ${name}`, value, 1, most);
}

/** Some of `most`, from `first` on. */
export function checkRange(what: string, first: number, count: number, most: number): void {
  const whole = Number.isInteger(first) && Number.isInteger(count);
  if (!whole || first < 0 || count < 1 || first + count > most) {
    throw argumentError(what, `some within ${most}: the first and how many`, [first, count].map(shown).join(' + '));
  }
}

export function checkShape(name: string, shape: Shape, rows: number): void {
  if (!Array.isArray(shape) || (shape.length !== 1 && shape.length !== 3)) {
    throw argumentError(`shape of ${name}`, 'a map [T, F, C] or a vector [C]', shape);
  }
  for (const n of shape) checkInteger(`shape of ${name}`, n, 1, 2 ** 31 - 1);
  checkInteger(`rows of ${name}`, rows, 1, 2 ** 31 - 1);
}

/** Throws unless a node has a list of named arrays. */
export function checkParameters(name: string, params: readonly Parameter[]): void {
  if (!Array.isArray(params)) throw argumentError(`params of ${name}`, 'an array', params);
  for (const p of params) {
    checkObject(`parameter of ${name}`, p);
    if (typeof p.name !== 'string' || !Array.isArray(p.shape)) {
      throw argumentError(`parameter of ${name}`, 'with a name and a shape', p.name);
    }
    for (const n of p.shape) checkInteger(`shape of ${p.name}`, n, 1, 2 ** 31 - 1);
    checkBoolean(`trainable of ${p.name}`, p.trainable);
    checkObject(`init of ${p.name}`, p.init);
  }
}

export function listOf(name: string, inputs: readonly Ref[]): readonly Ref[] {
  if (!Array.isArray(inputs)) throw argumentError(`inputs of ${name}`, 'an array', inputs);
  return inputs;
}

export function channelsOf(x: Ref): number {
  return x.shape[x.shape.length - 1]!;
}

export function describe(x: Ref): string {
  return `${x.name}: ${x.rows} × ${x.shape.join('×')}`;
}
