// How good embeddings are for a labelling of few recordings: a test part of its own would be too small to tell anything, so
// that each recording is tested once, by a probe and neighbours that have all but a few of the others.
import { accuracy } from '../util/metrics.js';
import { quantile } from '../util/quantile.js';
import { Random } from '../util/random.js';
import {
  type Comparison,
  type EvaluateOptions,
  type Evaluation,
  evaluateFeatures,
  type FeatureSet,
  mostFrequent,
  pairsOf,
  scoreOf,
} from './evaluate.js';
import { takeRows } from './features.js';
import { stratifiedFolds } from './splits.js';

/** One way of turning clips into vectors, a row a clip. */
export interface ClipSet extends Pick<FeatureSet, 'name' | 'dim' | 'labels'> {
  embeddings: Float32Array;
}

export interface CrossValidationOptions extends Pick<EvaluateOptions, 'k' | 'metric' | 'seed' | 'signal'> {
  /** Parts of the clips; default 10. */
  parts?: number;
}

/** As `compareFeatures`, but by cross-validation: clips are dealt into parts, each label evenly, the same for all sets, and
 * each part is tested by what the others teach. The intervals take clips as independent of each other.
 * @param labels of each clip, an index into each set's `labels`
 * @throws `ERR_ARGUMENT` as `evaluateFeatures` does */
export async function crossValidate(
  sets: readonly ClipSet[],
  labels: Int32Array,
  { parts = 10, seed = 0, ...options }: CrossValidationOptions = {},
): Promise<Comparison> {
  const folds = Math.min(parts, labels.length);
  const foldOf = stratifiedFolds(labels, folds, new Random(seed).fork('cross-validation'));
  const rows: Evaluation[] = [];
  for (const set of sets) rows.push(await evaluateByFolds(set, labels, foldOf, folds, { ...options, seed }));
  return { rows, pairs: pairsOf(rows, labels, seed), folds };
}

async function evaluateByFolds(
  { embeddings, ...set }: ClipSet,
  labels: Int32Array,
  foldOf: Int32Array,
  folds: number,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const [probed, voted] = [new Int32Array(labels.length), new Int32Array(labels.length)];
  const evaluations: Evaluation[] = [];
  for (let fold = 0; fold < folds; fold++) {
    const held = Int32Array.from(labels.keys()).filter((clip) => foldOf[clip] === fold);
    const others = Int32Array.from(labels.keys()).filter((clip) => foldOf[clip] !== fold);
    const rows = (clips: Int32Array) => ({
      embeddings: takeRows(embeddings, set.dim, clips),
      labels: clips.map((clip) => labels[clip]),
    });
    const found = await evaluateFeatures({ ...set, train: rows(others), test: rows(held) }, options);
    held.forEach((clip, i) => {
      probed[clip] = found.probe.predictions[i];
      voted[clip] = found.knn.predictions[i];
    });
    evaluations.push(found);
  }
  const classes = set.labels.length;
  const strengths = Float64Array.from(evaluations, (e) => e.probe.strength).sort();
  const [{ knn }] = evaluations;
  return {
    name: set.name,
    dim: set.dim,
    labels: [...set.labels],
    trainClips: Math.min(...evaluations.map((e) => e.trainClips)),
    testClips: labels.length,
    majority: accuracy(labels, new Int32Array(labels.length).fill(mostFrequent(labels, classes))),
    probe: {
      ...scoreOf(labels, probed, classes),
      strength: quantile(strengths, 0.5),
      scores: [],
      converged: evaluations.every((e) => e.probe.converged),
    },
    knn: { ...scoreOf(labels, voted, classes), k: knn.k, metric: knn.metric },
  };
}
