// How good are embeddings for a labelling: linear probe and nearest neighbours, side by side for several encoders.
import { Audio2VecError, argumentError } from '../util/errors.js';
import {
  accuracy,
  balancedAccuracy,
  comparePaired,
  confusionMatrix,
  type Interval,
  type PairedComparison,
  wilsonInterval,
} from '../util/metrics.js';
import { checkFeatures, clipsOf, type LabelledFeatures, takeRows } from './features.js';
import { classifyByNeighbours, type Metric } from './knn.js';
import { fitLinearProbe, type LinearProbe, type ProbeOptions, type StrengthScore } from './linear-probe.js';

/** One way of turning clips into vectors, applied to a labelled data set. */
export interface FeatureSet {
  /** What the rows of tables call it. */
  name: string;
  dim: number;
  /** Names of the classes. */
  labels: readonly string[];
  /** See {@link LabelledFeatures}: with `clips`, several rows may belong to one clip. */
  train: Pick<LabelledFeatures, 'embeddings' | 'labels' | 'clips'>;
  test: Pick<LabelledFeatures, 'embeddings' | 'labels' | 'clips'>;
}

export interface EvaluateOptions extends Pick<ProbeOptions, 'strengths' | 'folds' | 'seed' | 'signal'> {
  /** A probe already fitted on this set's training part, to be scored instead of fitting another. */
  probe?: LinearProbe;
  /** Neighbours that vote; default 10. */
  k?: number;
  /** Their distance; default Euclidean, as in the paper. */
  metric?: Metric;
}

/** How one classifier did on the test clips. Fractions, not percent. */
export interface Score {
  accuracy: number;
  interval: Interval;
  balancedAccuracy: number;
  /** Counts `[true class][predicted class]`. */
  confusion: number[][];
  /** Predicted class of each test clip. */
  predictions: number[];
}

/** Plain data: `JSON.stringify` gives the machine-readable form. */
export interface Evaluation {
  name: string;
  dim: number;
  labels: string[];
  trainClips: number;
  testClips: number;
  /** Accuracy of always answering the most frequent training label. */
  majority: number;
  probe: Score & { strength: number; scores: readonly StrengthScore[]; converged: boolean };
  knn: Score & { k: number; metric: Metric };
}

/** Fits on the training part, scores on the test part. With `clips` the probe is fitted on rows and its probabilities
 * are averaged over each clip's rows, and neighbours are found between the clips' mean rows. Deterministic.
 * @throws `ERR_ARGUMENT` when sizes disagree, labels are out of range or features are not finite. */
export async function evaluateFeatures(set: FeatureSet, options: EvaluateOptions = {}): Promise<Evaluation> {
  const { k = 10, metric = 'euclidean', signal } = options;
  const shape = { dim: set.dim, classes: set.labels.length };
  const [train, test] = [
    { ...set.train, ...shape },
    { ...set.test, ...shape },
  ];
  checkFeatures(`${set.name}: train`, train);
  checkFeatures(`${set.name}: test`, test);
  const truth = clipsOf(test).labels;
  const score = (predicted: Int32Array) => scoreOf(truth, predicted, shape.classes);

  const probe = options.probe ?? (await fitLinearProbe(train, options));
  const base = clipMeans(train);
  const voted = await classifyByNeighbours(base, clipMeans(test).embeddings, { k, metric, signal });
  return {
    name: set.name,
    dim: set.dim,
    labels: [...set.labels],
    trainClips: base.labels.length,
    testClips: truth.length,
    majority: accuracy(truth, new Int32Array(truth.length).fill(mostFrequent(base.labels, shape.classes))),
    probe: {
      ...score(probe.predict(test.embeddings, test.clips)),
      strength: probe.strength,
      scores: probe.scores,
      converged: probe.converged,
    },
    knn: { ...score(voted), k: Math.min(k, base.labels.length), metric },
  };
}

/** How predictions of clips agree with their labels. */
export function scoreOf(truth: Int32Array, predicted: Int32Array, classes: number): Score {
  const confusion = confusionMatrix(truth, predicted, classes);
  const right = accuracy(truth, predicted);
  return {
    accuracy: right,
    interval: wilsonInterval(Math.round(right * truth.length), truth.length),
    balancedAccuracy: balancedAccuracy(confusion),
    confusion,
    predictions: [...predicted],
  };
}

/** Evaluations of several feature sets on the same clips. */
export interface Comparison {
  rows: Evaluation[];
  /** Of cross-validation: into how many parts clips were dealt; each clip is tested once, by what the other parts taught. */
  folds?: number;
  /** The first row against each other one, probe against probe. */
  pairs: (PairedComparison & { name: string; against: string })[];
}

/** Evaluates each set (an encoder, the same untrained, log-mel mean and deviation …) and compares the first with the
 * others clip by clip. All must hold the same clips in the same order. */
export async function compareFeatures(
  sets: readonly FeatureSet[],
  options: Omit<EvaluateOptions, 'probe'> = {},
): Promise<Comparison> {
  if (sets.length === 0) throw argumentError('sets.length', 'at least 1', 0);
  const truths = sets.map((set) => clipsOf(set.test).labels);
  for (const [i, truth] of truths.entries()) {
    if (truth.join() !== truths[0].join() || sets[i].labels.join('\n') !== sets[0].labels.join('\n')) {
      throw new Audio2VecError(
        'ERR_ARGUMENT',
        `${sets[i].name} must be tested on the same labelled clips as ${sets[0].name}, in the same order.`,
      );
    }
  }
  const rows: Evaluation[] = [];
  for (const set of sets) rows.push(await evaluateFeatures(set, options));
  return { rows, pairs: pairsOf(rows, truths[0], options.seed) };
}

/** The first evaluation against each other one, clip by clip. */
export function pairsOf(rows: readonly Evaluation[], truth: Int32Array, seed?: number): Comparison['pairs'] {
  const predicted = ({ probe }: Evaluation) => Int32Array.from(probe.predictions);
  return rows.slice(1).map((row) => ({
    name: rows[0].name,
    against: row.name,
    ...comparePaired(truth, predicted(rows[0]), predicted(row), { seed }),
  }));
}

/** One row a clip: the mean of its rows. */
export function clipMeans(features: LabelledFeatures): LabelledFeatures {
  if (!features.clips) return features;
  const { dim, classes } = features;
  const { clipOfRow, labels } = clipsOf(features);
  const sums = new Float64Array(labels.length * dim);
  const counts = new Int32Array(labels.length);
  clipOfRow.forEach((clip, row) => {
    counts[clip]++;
    for (let k = 0; k < dim; k++) sums[clip * dim + k] += features.embeddings[row * dim + k];
  });
  const embeddings = Float32Array.from(sums, (sum, at) => sum / counts[Math.floor(at / dim)]);
  return { embeddings, dim, labels, classes };
}

/** The rows of some clips or slices, for fitting on part of the labels. */
export function takeExamples(features: LabelledFeatures, rows: Int32Array): LabelledFeatures {
  return {
    ...features,
    embeddings: takeRows(features.embeddings, features.dim, rows),
    labels: Int32Array.from(rows, (row) => features.labels[row]),
    clips: features.clips && Int32Array.from(rows, (row) => features.clips![row]),
  };
}

export function mostFrequent(labels: Int32Array, classes: number): number {
  const counts = new Int32Array(classes);
  for (const label of labels) counts[label]++;
  return counts.indexOf(counts.reduce((a, b) => Math.max(a, b)));
}
