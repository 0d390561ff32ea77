import { expect, test } from 'vitest';
import { overfittingNote } from '../lib/report/overfitting.js';
import { Random } from '../lib/util/random.js';

const steps = Array.from({ length: 40 }, (_, i) => 100 * (i + 1));
const falling = (step: number) => 1 + 4 * Math.exp(-step / 800);

/** @param heldOut loss by step, to which noise is added */
function run(heldOut: (step: number) => number, training = falling, noise = 0.02, seed = 1) {
  const rng = new Random(seed);
  return {
    heldOut: steps.map((step) => ({ step, loss: heldOut(step) + noise * rng.normal(), parts: {} })),
    losses: { loss: steps.map((step): [number, number] => [step, training(step)]) },
  };
}

test('a held-out loss that rises for long while training falls is flagged, with where it was lowest', () => {
  const note = overfittingNote(run((s) => falling(s) + 1.5 * (s / 4000) ** 2));
  const [, step] = /around step ([\d,]+)/.exec(note!)!;
  // The curve's minimum is at 1880.
  expect(Number(step!.replace(',', ''))).toBeGreaterThan(1400);
  expect(Number(step!.replace(',', ''))).toBeLessThan(2400);
});

test.each(Array.from({ length: 50 }, (_, i) => i))('falling, level or wavering losses are not (seed %i)', (seed) => {
  expect(overfittingNote(run(falling, falling, 0.05, seed))).toBeUndefined();
  expect(overfittingNote(run(() => 2, falling, 0.1, seed))).toBeUndefined();
  expect(overfittingNote(run((s) => Math.max(1.5, falling(s)), falling, 0.1, seed))).toBeUndefined();
});

test('one that has risen and comes down again is not', () => {
  const hump = (s: number) => (s < 1500 ? falling(s) : falling(1500) + Math.sin((2.9 * (s - 1500)) / 2500));
  expect(overfittingNote(run(hump))).toBeUndefined();
});

test('a run whose training loss rises as well, and one too short to say, are not', () => {
  const rising = (s: number) => falling(s) + 1.5 * (s / 4000) ** 2;
  expect(overfittingNote(run(rising, (s) => falling(1000) + s / 1000))).toBeUndefined();
  const { heldOut, losses } = run(rising);
  expect(overfittingNote({ heldOut: heldOut.slice(0, 5), losses })).toBeUndefined();
  expect(overfittingNote({ heldOut: [], losses: {} })).toBeUndefined();
});
