import { expect, test } from 'vitest';
import { clipGradients } from '../../lib/engine/clip-gradients.js';

const norm = (gradients: Map<string, Float32Array | Float64Array>) =>
  Math.hypot(...[...gradients.values()].flatMap((g) => [...g]));

test('gradients that are long together are scaled by one factor, in place', () => {
  const gradients = new Map([
    ['a', Float32Array.of(3, 0, -4)],
    ['b', Float32Array.of(12)],
  ]);
  expect(clipGradients(gradients, 6.5)).toBe(13);
  expect([...gradients.get('a')!]).toEqual([1.5, 0, -2]);
  expect([...gradients.get('b')!]).toEqual([6]);
  expect(norm(gradients)).toBe(6.5);
});

test('short ones stay as they are, to the bit', () => {
  const values = Float64Array.of(0.1, -0.2, 1e-30);
  const gradients = new Map([['a', values.slice()]]);
  const found = clipGradients(gradients, 1);
  expect(found).toBeCloseTo(Math.hypot(0.1, 0.2), 12);
  expect(clipGradients(gradients, found)).toBe(found);
  expect(gradients.get('a')).toEqual(values);
});

test('zeros have no direction to scale', () => {
  expect(clipGradients(new Map([['a', new Float32Array(3)]]), 1)).toBe(0);
});

test('what is not finite is refused by name, and a norm that makes no sense', () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const gradients = new Map([
      ['fine', Float32Array.of(1)],
      ['conv.weight', Float32Array.of(0, bad)],
    ]);
    expect(() => clipGradients(gradients, 1)).toThrow(expect.objectContaining({ code: 'ERR_DIVERGED' }));
    expect(() => clipGradients(gradients, 1)).toThrow('conv.weight');
    expect(gradients.get('fine')![0]).toBe(1);
  }
  for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => clipGradients(new Map(), bad)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  }
});
