// What the estimate says of one label by itself.
import type { Steps } from '../../util/cooperative.js';
import type { Random } from '../../util/random.js';
import { type Block, classBlocks, withKernels } from './blocks.js';
import { type Labels, mixtureDependence, normalisedDependence } from './dependence.js';
import { type PermutationTest, permutationTest } from './permutation-test.js';
import type { SignalKernel } from './signal-kernel.js';

/** Chance dependences that are added to both sides of `left` so that noise comes to 1: a number of null deviations. */
const floorDeviations = 3;

export interface LabelEstimate extends PermutationTest {
  name: string;
  /** The score divided by √(tr(KHKH) tr(LHLH)) / n². */
  normalised: number;
  /** The score with the classes shuffled, less its null. */
  shuffled: number;
  /** How much that varies from one shuffle to another. */
  shuffledDeviation: number;
  /** Share of the dependence on the signal that is left once the class is known, both sides raised by three null
   * deviations. Below 1: the class explains part of what the signal tells of the label. */
  left: number;
  /** Its deviation, from that of the shuffles. */
  leftDeviation: number;
  /** Mean over classes of the label's standard deviation within a class. Well below the label kernel's width of 0.22
   * the plain score is near zero whatever the label. */
  withinDeviation: number;
  /** Share of the label's variance between classes. */
  classExplains: number;
}

/** One column of `labels`. */
export function column({ values, count }: Labels, k: number): Float64Array {
  return Float64Array.from({ length: values.length / count }, (_, i) => values[i * count + k]);
}

export function floorOf(test: PermutationTest): number {
  return floorDeviations * test.nullDeviation;
}

/** Unbiased dependence of each label in blocks that ignore the class: `rounds` × labels. Kernels are dropped at once. */
export function* shuffledDependences(
  classes: Int32Array,
  labels: Labels,
  signal: SignalKernel,
  size: number,
  rounds: number,
  random: Random,
): Steps<number[][]> {
  const out: number[][] = [];
  for (let round = 0; round < rounds; round++) {
    const blocks = yield* withKernels(classBlocks(random.shuffle(classes.slice()), size, random), signal);
    const row: number[] = [];
    for (let k = 0; k < labels.count; k++) {
      const one = { values: column(labels, k), count: 1 };
      row.push((yield* mixtureDependence(blocks, one, [1], true)).value);
    }
    out.push(row);
  }
  return out;
}

/** @param shuffled of this label in each round of {@link shuffledDependences} */
export function* estimateLabel(
  name: string,
  values: Float64Array,
  classes: Int32Array,
  within: readonly Block[],
  shuffled: readonly number[],
  permutations: number,
  random: Random,
): Steps<LabelEstimate> {
  const test = yield* permutationTest(within, values, permutations, random);
  const one = { values, count: 1 };
  const normalised = yield* normalisedDependence(within, one, [1]);
  const given = (yield* mixtureDependence(within, one, [1], true)).value;
  const mean = shuffled.reduce((a, b) => a + b, 0) / shuffled.length;
  const shuffledDeviation = Math.sqrt(
    shuffled.reduce((a, b) => a + (b - mean) ** 2, 0) / Math.max(1, shuffled.length - 1),
  );
  const below = Math.max(0, mean) + floorOf(test);
  return {
    name,
    ...test,
    ...{ normalised, shuffled: mean, shuffledDeviation },
    left: (given + floorOf(test)) / below,
    leftDeviation: shuffledDeviation / below,
    ...spread(values, classes),
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
  const mean = (v: readonly number[]) => v.reduce((a, b) => a + b, 0) / v.length;
  const all = variance([...values]);
  return {
    withinDeviation: mean(variances.map(Math.sqrt)),
    classExplains: all > 0 ? 1 - mean(variances) / all : 0,
  };
}

function variance(values: readonly number[]): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
}
