// What the estimate says of one label by itself.

import type { Steps } from '../../util/cooperative.js';
import { mean } from '../../util/mean.js';
import type { Random } from '../../util/random.js';
import { type Labels, mixtureDependence, normalisedDependence } from './dependence.js';
import { type PermutationTest, permutationTest } from './permutation-test.js';
import { type Block, mixedBlocks, unbiased, withinClasses, withKernels } from './recording-blocks.js';
import type { SignalKernel } from './signal-kernel.js';

export interface LabelEstimate extends PermutationTest {
  name: string;
  /** The score divided by √(tr(KHKH) tr(LHLH)) / n². */
  normalised: number;
  /** Share of the dependence of signal and label that is left once class means are taken off both. Well below 1, the
   * class explains much of what the signal tells of the label. Undefined where the dependence itself is within three
   * null deviations of none. */
  left?: number;
  /** Its standard error, by leaving out one block at a time. */
  leftDeviation?: number;
  /** Mean over classes of the label's standard deviation within a class. Well below the label kernel's width of 0.22
   * the score is near zero whatever the label. */
  withinDeviation: number;
  /** Share of the label's variance that lies between classes. */
  classExplains: number;
}

/** One column of `labels`. */
export function column({ values, count }: Labels, k: number): Float64Array {
  return Float64Array.from({ length: values.length / count }, (_, i) => values[i * count + k]);
}

/** Blocks that ignore the class, and the same with the class known. */
export interface ClassTest {
  all: Block[];
  within: Block[];
}

/** The pairs of blocks for {@link LabelEstimate.left}. */
export function* classTest(classes: Int32Array, signal: SignalKernel, size: number, random: Random): Steps<ClassTest> {
  const blocks = yield* withKernels(mixedBlocks(classes.length, size, random), signal);
  const perFreedom = (n: number) => (n / (n - 1)) ** 2;
  return {
    all: blocks.map(unbiased).map((b) => ({ ...b, weight: b.weight * perFreedom(b.recordings.length) })),
    within: blocks.map((block) => withinClasses(block, classes)),
  };
}

export function* estimateLabel(
  name: string,
  values: Float64Array,
  classes: Int32Array,
  givenClass: readonly Block[],
  known: ClassTest,
  permutations: number,
  random: Random,
): Steps<LabelEstimate> {
  const test = yield* permutationTest(givenClass, values, permutations, random);
  const one = { values, count: 1 };
  const normalised = yield* normalisedDependence(givenClass, one, [1]);
  const share = yield* leftByClass(known, one, 3 * test.nullDeviation);
  return { name, ...test, normalised, ...share, ...spread(values, classes) };
}

function* leftByClass(
  { all, within }: ClassTest,
  label: Labels,
  least: number,
): Steps<{ left?: number; leftDeviation?: number }> {
  const [whole, rest]: number[][] = [[], []];
  for (let b = 0; b < all.length; b++) {
    whole.push((yield* mixtureDependence([all[b]], label, [1])).value);
    rest.push((yield* mixtureDependence([within[b]], label, [1])).value);
  }
  const sum = (v: readonly number[]) => v.reduce((a, b) => a + b, 0);
  const [total, left] = [sum(whole), sum(rest)];
  if (!(total > least)) return {};
  const n = whole.length;
  const without = whole.map((w, b) => (left - rest[b]) / (total - w) - left / total);
  return {
    left: left / total,
    leftDeviation: n > 1 ? Math.sqrt(((n - 1) / n) * sum(without.map((d) => d * d))) : undefined,
  };
}

function spread(values: Float64Array, classes: Int32Array): { withinDeviation: number; classExplains: number } {
  const groups = new Map<number, number[]>();
  for (const [i, c] of classes.entries()) {
    const list = groups.get(c) ?? [];
    list.push(values[i]);
    groups.set(c, list);
  }
  const variances = [...groups.values()].map(variance);
  const all = variance([...values]);
  const inClasses = [...groups.values()].reduce((sum, g, c) => sum + (g.length * variances[c]) / values.length, 0);
  return {
    withinDeviation: mean(variances.map(Math.sqrt)),
    classExplains: all > 0 ? 1 - inClasses / all : 0,
  };
}

function variance(values: readonly number[]): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
}
