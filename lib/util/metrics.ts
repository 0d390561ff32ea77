// Figures of merit, each with what it could have been by chance.
import { argumentError } from './errors.js';
import { quantile } from './quantile.js';
import { Random } from './random.js';

/** A 95 % confidence interval. */
export interface Interval {
  low: number;
  high: number;
}

const z95 = 1.959963984540054; // 97.5th percentile of the normal distribution

/** Fraction of equal entries. */
export function accuracy(labels: Int32Array, predicted: Int32Array): number {
  checkPair('predicted', labels, predicted);
  return hits(labels, predicted).reduce((sum, hit) => sum + hit, 0) / labels.length;
}

/** Wilson's score interval for a fraction of `total` independent trials (Wilson, 1927): sensible down to few trials
 * and at 0 and 1. */
export function wilsonInterval(correct: number, total: number): Interval {
  if (!(Number.isInteger(total) && total > 0)) throw argumentError('total', 'a positive integer', total);
  if (!(correct >= 0 && correct <= total)) throw argumentError('correct', `from 0 to ${total}`, correct);
  const p = correct / total;
  const zz = (z95 * z95) / total;
  const middle = (p + zz / 2) / (1 + zz);
  const half = (z95 / (1 + zz)) * Math.sqrt((p * (1 - p)) / total + zz / (4 * total));
  // At the ends the formula gives 0 and 1 exactly, but for rounding.
  return { low: correct === 0 ? 0 : middle - half, high: correct === total ? 1 : middle + half };
}

/** Counts `[true class][predicted class]`. */
export function confusionMatrix(labels: Int32Array, predicted: Int32Array, classes: number): number[][] {
  checkPair('predicted', labels, predicted);
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  labels.forEach((label, i) => {
    matrix[label][predicted[i]]++;
  });
  return matrix;
}

/** Mean of the classes' own accuracies, over classes that occur: what {@link accuracy} would be were all equally
 * frequent. */
export function balancedAccuracy(confusion: readonly (readonly number[])[]): number {
  const recalls = confusion
    .map((row, label) => ({ right: row[label], all: row.reduce((a, b) => a + b, 0) }))
    .filter(({ all }) => all > 0);
  return recalls.reduce((sum, { right, all }) => sum + right / all, 0) / recalls.length;
}

export interface BootstrapOptions {
  /** Default 2000. */
  resamples?: number;
  /** Default 0. */
  seed?: number;
}

/** Percentile bootstrap (Efron, 1979): the middle 95 % of `statistic` over samples of `n` indices drawn with
 * replacement. Resamples where it is NaN (a correlation of constants) are left out. */
export function bootstrapInterval(
  n: number,
  statistic: (indices: Int32Array) => number,
  { resamples = 2000, seed = 0 }: BootstrapOptions = {},
): Interval {
  if (!Number.isInteger(n) || n < 1) throw argumentError('n', 'a positive integer', n);
  if (!Number.isInteger(resamples) || resamples < 1) throw argumentError('resamples', 'a positive integer', resamples);
  const random = new Random(seed).fork('bootstrap');
  const indices = new Int32Array(n);
  const values = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    for (let i = 0; i < n; i++) indices[i] = random.int(n);
    values[r] = statistic(indices);
  }
  const sorted = values.filter((v) => !Number.isNaN(v)).sort();
  return { low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) };
}

/** Spearman's rank correlation: Pearson's of the ranks, equal values sharing their mean rank. NaN if either is
 * constant. */
export function spearman(x: ArrayLike<number>, y: ArrayLike<number>): number {
  checkPair('y', x, y);
  return pearson(ranks(x), ranks(y));
}

/** {@link spearman} with its bootstrap interval over pairs. */
export function spearmanInterval(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  options: BootstrapOptions = {},
): { correlation: number; interval: Interval } {
  const correlation = spearman(x, y);
  const interval = bootstrapInterval(
    x.length,
    (indices) => {
      const pick = (values: ArrayLike<number>) => Float64Array.from(indices, (i) => values[i]);
      return spearman(pick(x), pick(y));
    },
    options,
  );
  return { correlation, interval };
}

function ranks(values: ArrayLike<number>): Float64Array {
  const order = Int32Array.from({ length: values.length }, (_, i) => i).sort((a, b) => values[a] - values[b]);
  const out = new Float64Array(values.length);
  for (let first = 0; first < order.length; ) {
    let end = first + 1;
    while (end < order.length && values[order[end]] === values[order[first]]) end++;
    for (let i = first; i < end; i++) out[order[i]] = (first + end - 1) / 2;
    first = end;
  }
  return out;
}

function pearson(x: Float64Array, y: Float64Array): number {
  const { mean: mx } = meanAndSpread(x);
  const { mean: my } = meanAndSpread(y);
  let xy = 0;
  let xx = 0;
  let yy = 0;
  for (let i = 0; i < x.length; i++) {
    xy += (x[i] - mx) * (y[i] - my);
    xx += (x[i] - mx) ** 2;
    yy += (y[i] - my) ** 2;
  }
  return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : Number.NaN;
}

/** Mean and sample standard deviation (n − 1; 0 for one value), as over seeds. */
export function meanAndSpread(values: ArrayLike<number>): { mean: number; spread: number; n: number } {
  const n = values.length;
  if (n === 0) throw argumentError('values.length', 'at least 1', 0);
  const list = Array.from(values);
  const mean = list.reduce((a, b) => a + b, 0) / n;
  const squares = list.reduce((sum, v) => sum + (v - mean) ** 2, 0);
  return { mean, spread: n > 1 ? Math.sqrt(squares / (n - 1)) : 0, n };
}

/** Where an accuracy lies between an untrained encoder (0) and a supervised one (1); NaN if these are equal. */
export function normalisedScore(accuracy: number, untrained: number, supervised: number): number {
  return supervised === untrained ? Number.NaN : (accuracy - untrained) / (supervised - untrained);
}

/** Two classifiers on the same clips. */
export interface PairedComparison {
  /** Accuracy of `a` minus accuracy of `b`. */
  difference: number;
  /** Bootstrap over clips. */
  interval: Interval;
  /** Clips that only `a` or only `b` got right. */
  onlyA: number;
  onlyB: number;
  /** McNemar's exact two-sided test: how likely so uneven a split is if both are equally good. */
  pValue: number;
}

/** Compares predictions clip by clip, which sees smaller differences than two separate intervals do. */
export function comparePaired(
  labels: Int32Array,
  a: Int32Array,
  b: Int32Array,
  options: BootstrapOptions = {},
): PairedComparison {
  checkPair('a', labels, a);
  checkPair('b', labels, b);
  const [right, other] = [hits(labels, a), hits(labels, b)];
  const gain = right.map((hit, i) => hit - other[i]);
  const mean = (indices: Iterable<number>) => {
    let sum = 0;
    for (const i of indices) sum += gain[i];
    return sum / labels.length;
  };
  const onlyA = gain.filter((g) => g > 0).length;
  const onlyB = gain.filter((g) => g < 0).length;
  return {
    difference: mean(gain.keys()),
    interval: bootstrapInterval(labels.length, mean, options),
    onlyA,
    onlyB,
    pValue: signTest(onlyA, onlyB),
  };
}

/** Two-sided P(split at least this uneven) for fair coin flips; terms in logarithms, since 2^−n underflows. */
function signTest(a: number, b: number): number {
  const n = a + b;
  let logTerm = -n * Math.LN2; // ln of C(n, i) / 2^n, from i = 0 up
  let tail = 0;
  for (let i = 0; i <= Math.min(a, b); i++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log((n - i) / (i + 1));
  }
  return Math.min(1, 2 * tail);
}

function hits(labels: Int32Array, predicted: Int32Array): Int8Array {
  return Int8Array.from(labels, (label, i) => (label === predicted[i] ? 1 : 0));
}

function checkPair(name: string, a: ArrayLike<number>, b: ArrayLike<number>): void {
  if (a.length === 0) throw argumentError('length', 'at least 1', 0);
  if (b.length !== a.length) throw argumentError(`${name}.length`, `that of the first list (${a.length})`, b.length);
}
