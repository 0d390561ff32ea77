// Numbers, orders and records that both languages have: an addon with others is refused when it is loaded.
import { expect, test } from 'vitest';
import { native, stepsByRows } from '../../lib/native/addon.js';
import { checkConstants, checkPlanFormat } from '../../lib/native/check-build.js';
import { constants } from '../../lib/native/constants.js';

const refused = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_NATIVE_ADDON', message: expect.stringMatching(message) });

test('the addon has the same', () => {
  expect(native.constants).toEqual(constants);
  for (const kind of ['conv', 'relu', 'max_pool', 'mse']) expect(stepsByRows).toContain(kind);
  for (const kind of ['dense', 'window_conv', 'l1']) expect(stepsByRows).not.toContain(kind);
});

test('a number, an order or a record that is another is told', () => {
  const epsilon = { ...native.constants, BATCH_NORM_EPSILON: 1e-3 };
  expect(() => checkConstants(epsilon, constants)).toThrow(
    refused(/its BATCH_NORM_EPSILON is 0.001, not 0.00001\. Build it again/),
  );
  const { DONE, ...less } = native.constants;
  expect(DONE).toBe(0);
  expect(() => checkConstants(less, constants)).toThrow(refused(/its DONE is undefined, not 0/));
  const encodings = [...(native.constants.encodings as string[])].reverse();
  expect(() => checkConstants({ ...native.constants, encodings }, constants)).toThrow(
    refused(/its encodings is imaAdpcm,/),
  );
  expect(() => checkConstants({ ...native.constants, NEW: 1 }, constants)).toThrow(
    refused(/its NEW is 1, not undefined/),
  );
  expect(() => checkConstants(undefined as never, constants)).toThrow(refused(/its .* is undefined/));
  const step = native.planFormat.step.slice(1);
  expect(() => checkPlanFormat({ ...native.planFormat, step })).toThrow(refused(/its step records are/));
});
