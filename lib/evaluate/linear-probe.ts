// The linear probe: how much of a labelling can be read from frozen embeddings by a linear classifier.

import { secondMoments } from '../matrix/principal-axes.js';
import { times, timesTransposed } from '../matrix/products.js';
import { rowSpace } from '../matrix/row-space.js';
import { runCooperatively, type Steps } from '../util/cooperative.js';
import { argumentError } from '../util/errors.js';
import { Random } from '../util/random.js';
import { softmaxRow } from '../util/softmax.js';
import { checkFeatures, checkMatrix, clipsOf, type LabelledFeatures } from './features.js';
import { type Examples, fitSoftmax, gradientNorm, preconditionerOf, startingPoint } from './softmax-regression.js';
import { stratifiedFolds } from './splits.js';
import { scaleOf, standardise } from './standardise.js';

export interface ProbeOptions {
  /** L2 strengths to choose from (of the mean loss, on standardised features), or one to use as it is. Default: decades
   * and half decades from 1 down to 10⁻⁵. */
  strengths?: readonly number[] | number;
  /** Cross-validation folds inside the training part; default 5, fewer when there are fewer clips. */
  folds?: number;
  /** Decides who is in which fold; default 0. */
  seed?: number;
  /** Largest gradient component at the solution; default 1e-6. */
  tolerance?: number;
  signal?: AbortSignal;
}

/** One strength's result in cross-validation. */
export interface StrengthScore {
  strength: number;
  /** Held-out clips classified correctly. */
  accuracy: number;
  /** Mean −ln probability of the right class over held-out clips. */
  loss: number;
}

/** What makes a probe: plain data. `weights` `[classes, dim]` and `bias` act on (x − mean) / std. */
export interface ProbeParameters {
  weights: Float64Array;
  bias: Float64Array;
  mean: Float64Array;
  std: Float64Array;
  /** The L2 strength in use. */
  strength: number;
  /** Cross-validation, strongest first, up to where the search stopped; empty when the strength was given. */
  scores: readonly StrengthScore[];
  /** Largest absolute gradient component of the final fit, and whether it is within the tolerance. */
  gradientNorm: number;
  converged: boolean;
}

export const defaultStrengths: readonly number[] = [1, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5];

/** Used where there are too few clips to cross-validate. */
const fallbackStrength = 0.01;

/** A fitted linear classifier. */
export class LinearProbe implements ProbeParameters {
  readonly weights: Float64Array;
  readonly bias: Float64Array;
  readonly mean: Float64Array;
  readonly std: Float64Array;
  readonly strength: number;
  readonly scores: readonly StrengthScore[];
  readonly gradientNorm: number;
  readonly converged: boolean;

  constructor(parameters: ProbeParameters) {
    ({
      weights: this.weights,
      bias: this.bias,
      mean: this.mean,
      std: this.std,
      strength: this.strength,
      scores: this.scores,
      gradientNorm: this.gradientNorm,
      converged: this.converged,
    } = parameters);
  }

  get dim(): number {
    return this.mean.length;
  }

  get classes(): number {
    return this.bias.length;
  }

  /** `[rows, dim]` embeddings → `[rows, classes]` probabilities. With `clips` (see {@link LabelledFeatures}) rows of one
   * clip are averaged: `[clips, classes]`, clips in order of first appearance. */
  probabilities(embeddings: Float32Array, clips?: Int32Array): Float64Array {
    checkMatrix('embeddings', embeddings, this.dim);
    const rows = embeddings.length / this.dim;
    if (clips && clips.length !== rows) throw argumentError('clips', `${rows} clip numbers, one a row`, clips.length);
    const x = standardise(embeddings, this);
    const byRow = probabilitiesOf(x, 0, rows, this.weights, this.bias);
    return clips ? averageByClip(byRow, this.classes, clipsOf({ labels: clips, clips }).clipOfRow) : byRow;
  }

  /** The most probable class of each row (or clip); the first of equals. */
  predict(embeddings: Float32Array, clips?: Int32Array): Int32Array {
    return argmaxRows(this.probabilities(embeddings, clips), this.classes);
  }

  /** The same classifier for embeddings as they are: logits = weights · x + bias. What an export appends. */
  raw(): { weights: Float64Array; bias: Float64Array } {
    const weights = this.weights.map((w, at) => w / this.std[at % this.dim]);
    const bias = this.bias.map((b, c) => {
      let sum = b;
      for (let k = 0; k < this.dim; k++) sum -= weights[c * this.dim + k] * this.mean[k];
      return sum;
    });
    return { weights, bias };
  }
}

/** Fits multinomial logistic regression on standardised features to convergence; the intercept is not penalised. The
 * L2 strength is chosen by stratified cross-validation: of those whose held-out accuracy is within one standard error
 * of the highest, which is to say no worse as far as can be known, the one with the lowest held-out loss. Does not
 * block the event loop. Throws `ERR_ARGUMENT` for data or options that make no sense. */
export function fitLinearProbe(train: LabelledFeatures, options: ProbeOptions = {}): Promise<LinearProbe> {
  return runCooperatively(linearProbeSteps(train, options), options.signal);
}

/** {@link fitLinearProbe} as steps, for callers that run several computations as one. */
export function* linearProbeSteps(train: LabelledFeatures, options: ProbeOptions = {}): Steps<LinearProbe> {
  const { folds = 5, seed = 0, tolerance = 1e-6 } = options;
  const strengths = [options.strengths ?? defaultStrengths].flat().sort((a, b) => b - a);
  if (strengths.length === 0) throw argumentError('strengths.length', 'at least 1', 0);
  for (const s of strengths) if (!(s > 0 && s < 1e6)) throw argumentError('strengths', 'numbers above 0, below 10⁶', s);
  if (!Number.isInteger(folds) || folds < 2) throw argumentError('folds', 'an integer of at least 2', folds);
  if (!(tolerance > 0)) throw argumentError('tolerance', 'a positive number', tolerance);
  checkFeatures('train', train);

  // Rows in the order of their folds: what one fold holds out is then one stretch, and nothing is copied per fold.
  const foldOfRow = strengths.length > 1 ? foldsOfRows(train, folds, seed) : undefined;
  const order = Int32Array.from(train.labels.keys());
  if (foldOfRow) order.sort((a, b) => foldOfRow[a] - foldOfRow[b] || a - b);
  const scale = scaleOf(train.embeddings, train.dim);
  yield;
  const rows = order.length;
  const examples: Examples = {
    x: standardise(train.embeddings, scale, order),
    rows,
    dim: train.dim,
    labels: order.map((row) => train.labels[row]),
    classes: train.classes,
    ranges: [[0, rows]],
  };
  // Of fewer rows than features only the span of the rows matters: what lies across it has weight 0.
  const { dim, classes } = train;
  const space = rows < dim ? yield* rowSpace(examples.x, rows, dim) : undefined;
  const reduced = space ? { ...examples, x: space.coordinates, dim: space.rank } : examples;
  const moments = yield* secondMoments(reduced);

  const clips = train.clips && order.map((row) => train.clips![row]);
  const scores = foldOfRow
    ? yield* crossValidate(
        reduced,
        order.map((row) => foldOfRow[row]),
        clips,
        strengths,
        moments,
      )
    : [];
  const strength = scores.length ? choose(scores, clipsOf(train).labels.length) : given(strengths);
  const preconditioner = yield* preconditionerOf(moments, reduced, strength);
  const fit = yield* fitSoftmax(reduced, strength, startingPoint(reduced), preconditioner, {
    // A turned gradient may have its whole length in one component.
    tolerance: space ? tolerance / Math.sqrt(Math.max(1, space.rank)) : tolerance,
    maxIterations: 2000,
  });
  const parameters = space ? spread(fit.x, classes, space.rank, space.basis, dim) : fit.x;
  const norm = space ? yield* gradientNorm(examples, strength, parameters) : fit.gradientNorm;
  return new LinearProbe({
    weights: parameters.slice(0, classes * dim),
    bias: parameters.slice(classes * dim),
    ...scale,
    strength,
    scores,
    gradientNorm: norm,
    converged: norm <= tolerance,
  });
}

/** Weights `[classes, rank]` of coordinates, followed by biases, as weights of features. */
function spread(x: Float64Array, classes: number, rank: number, basis: Float64Array, dim: number): Float64Array {
  const out = new Float64Array(classes * (dim + 1));
  times(x, classes, rank, basis, dim, out);
  out.set(x.subarray(classes * rank), classes * dim);
  return out;
}

const given = (strengths: readonly number[]) => (strengths.length === 1 ? strengths[0] : fallbackStrength);

/** The fold of each row, rows of one clip in the same; undefined if no two clips share a label, when there is nothing
 * to learn about one from the others. */
function foldsOfRows(train: LabelledFeatures, folds: number, seed: number): Int32Array | undefined {
  const { clipOfRow, labels } = clipsOf(train);
  if (new Set(labels).size === labels.length) return undefined;
  const foldOfClip = stratifiedFolds(labels, Math.min(folds, labels.length), new Random(seed).fork('probe folds'));
  return clipOfRow.map((clip) => foldOfClip[clip]);
}

/** Scores of the strengths, strongest first, on examples in the order of their folds. Ends with one that has a higher
 * loss and no higher accuracy than ones before: the loss falls and then rises along the path, and its weak end is where
 * fits are slow. */
function* crossValidate(
  examples: Examples,
  foldOfRow: Int32Array,
  clips: Int32Array | undefined,
  strengths: readonly number[],
  moments: Float64Array,
): Steps<StrengthScore[]> {
  const { x, rows, dim, classes } = examples;
  // Per fold: the examples without it, its own clips, and the latest fit, from which the next strength starts.
  const parts = [...new Set(foldOfRow)].map((fold) => {
    const [from, to] = [foldOfRow.indexOf(fold), foldOfRow.lastIndexOf(fold) + 1];
    const others: Examples = {
      ...examples,
      ranges: [
        [0, from],
        [to, rows],
      ],
    };
    const held = clipsOf({ labels: examples.labels.subarray(from, to), clips: clips?.subarray(from, to) });
    return { from, to, others, held, fit: startingPoint(others) };
  });

  const scores: StrengthScore[] = [];
  for (const strength of strengths) {
    let correct = 0;
    let loss = 0;
    let total = 0;
    const preconditioner = yield* preconditionerOf(moments, examples, strength);
    for (const part of parts) {
      // Closer convergence was measured to move these scores by less than one clip in 300.
      const options = { tolerance: 3e-4, maxIterations: 500 };
      part.fit = (yield* fitSoftmax(part.others, strength, part.fit, preconditioner, options)).x;
      const [weights, bias] = [part.fit.subarray(0, classes * dim), part.fit.subarray(classes * dim)];
      const byRow = probabilitiesOf(x, part.from, part.to - part.from, weights, bias);
      const byClip = averageByClip(byRow, classes, part.held.clipOfRow);
      argmaxRows(byClip, classes).forEach((predicted, i) => {
        const label = part.held.labels[i];
        if (predicted === label) correct++;
        loss -= Math.log(Math.max(byClip[i * classes + label], 1e-15));
        total++;
      });
      yield;
    }
    const score = { strength, accuracy: correct / total, loss: loss / total };
    const worse = scores.some((s) => s.accuracy >= score.accuracy) && scores.some((s) => s.loss < score.loss);
    scores.push(score);
    if (worse) break;
  }
  return scores;
}

/** The choice among strengths that were scored on so many clips; see {@link fitLinearProbe}. */
function choose(scores: readonly StrengthScore[], clips: number): number {
  const top = Math.max(...scores.map((s) => s.accuracy));
  const within = top - Math.sqrt((top * (1 - top)) / clips);
  return scores.filter((s) => s.accuracy >= within).reduce((a, b) => (b.loss < a.loss ? b : a)).strength;
}

/** `[rows, classes]` for `rows` rows of `x` from `first` on. */
function probabilitiesOf(
  x: Float64Array,
  first: number,
  rows: number,
  weights: Float64Array,
  bias: Float64Array,
): Float64Array {
  const out = new Float64Array(rows * bias.length);
  timesTransposed(x, first, rows, weights, bias.length, weights.length / bias.length, out);
  for (let i = 0; i < rows; i++) softmaxRow(out, i * bias.length, bias);
  return out;
}

/** Mean of the rows of each clip: `[clips, classes]`. */
function averageByClip(byRow: Float64Array, classes: number, clipOfRow: Int32Array): Float64Array {
  const clips = clipOfRow.reduce((most, clip) => Math.max(most, clip + 1), 0);
  const out = new Float64Array(clips * classes);
  const count = new Float64Array(clips);
  clipOfRow.forEach((clip, row) => {
    count[clip]++;
    for (let c = 0; c < classes; c++) out[clip * classes + c] += byRow[row * classes + c];
  });
  return out.map((sum, at) => sum / count[Math.floor(at / classes)]);
}

function argmaxRows(values: Float64Array, columns: number): Int32Array {
  return Int32Array.from({ length: values.length / columns }, (_, row) => {
    let top = 0;
    for (let c = 1; c < columns; c++) if (values[row * columns + c] > values[row * columns + top]) top = c;
    return top;
  });
}
