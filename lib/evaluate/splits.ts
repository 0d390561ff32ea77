// Who is in which part: cross-validation folds, train/test splits and small labelled subsets, each class treated alike.
import { argumentError } from '../util/errors.js';
import type { Random } from '../util/random.js';

/** Indices of each class's members, in shuffled order. */
function shuffledClasses(labels: Int32Array, random: Random): Int32Array[] {
  const members = new Map<number, number[]>();
  labels.forEach((label, i) => {
    const list = members.get(label);
    if (list) list.push(i);
    else members.set(label, [i]);
  });
  const inOrder = [...members].sort(([a], [b]) => a - b);
  return inOrder.map(([, indices]) => random.shuffle(Int32Array.from(indices)));
}

/** The fold, 0 to `folds` − 1, of each example: every class is spread as evenly as it goes, and so are all together. */
export function stratifiedFolds(labels: Int32Array, folds: number, random: Random): Int32Array {
  if (!Number.isInteger(folds) || folds < 2 || folds > labels.length) {
    throw argumentError('folds', `an integer from 2 to the number of examples (${labels.length})`, folds);
  }
  const fold = new Int32Array(labels.length);
  let dealt = 0; // goes on from class to class, or fold 0 would get every class's odd one
  for (const members of shuffledClasses(labels, random)) {
    for (const i of members) fold[i] = dealt++ % folds;
  }
  return fold;
}

/** Indices of a random test part and of the rest, ascending. Each class gives the fraction `test` of its members,
 * rounded, but at least one to each part; a class with a single member goes to train. */
export function stratifiedSplit(
  labels: Int32Array,
  test: number,
  random: Random,
): { train: Int32Array; test: Int32Array } {
  if (!(test > 0 && test < 1)) throw argumentError('test', 'a fraction between 0 and 1', test);
  const parts = { train: [] as number[], test: [] as number[] };
  for (const members of shuffledClasses(labels, random)) {
    const n = Math.min(Math.max(Math.round(members.length * test), 1), members.length - 1);
    parts.test.push(...members.subarray(0, n));
    parts.train.push(...members.subarray(n));
  }
  return { train: Int32Array.from(parts.train).sort(), test: Int32Array.from(parts.test).sort() };
}

/** Indices, ascending, of `perClass` random examples of each class (all of a class that has fewer). For one generator
 * state the subsets are nested: 5 per class are among 10 per class, so that curves compare like with like. */
export function labelSubset(labels: Int32Array, perClass: number, random: Random): Int32Array {
  if (!(perClass >= 1) || (perClass !== Number.POSITIVE_INFINITY && !Number.isInteger(perClass))) {
    throw argumentError('perClass', 'a positive integer, or Infinity for all', perClass);
  }
  return Int32Array.from(shuffledClasses(labels, random).flatMap((members) => [...members.slice(0, perClass)])).sort();
}
