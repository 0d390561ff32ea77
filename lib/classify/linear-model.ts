// What a classifier computes from an embedding: probabilities of its labels, and how sure it is that the sound is one of
// them at all.
import { scaleOf, standardise } from '../evaluate/standardise.js';

/** `C` labels, embeddings of `D` values. All that is computed follows from these numbers. */
export interface LinearModel {
  labels: readonly string[];
  /** The label that stands for "none of these", if there is one. */
  none?: number;
  /** logits = weights · embedding + bias: `[C, D]`, `[C]`. */
  weights: Float32Array;
  bias: Float32Array;
  /** Of the recordings it was fitted on, `[D]` each. */
  mean: Float32Array;
  std: Float32Array;
  /** Where the recordings of each label lie: their mean standardised embedding, scaled such that its product with an
   * embedding of length 1 is 1 for the middle one of them: `[C, D]`. */
  directions: Float32Array;
}

/** A label and how sure it is; `label` is -1 where the most probable one stands for none. */
export interface Guess {
  label: number;
  /** 0 to 1: the label's probability times how much the sound is like the label's recordings (the cosine to their mean,
   * as a share of that of the middle one of them, at most 1). The probability alone tells labels from each other; the
   * likeness tells them from sounds that are like none of them. */
  score: number;
}

/** Puts a classifier of embeddings together with what its recordings were like.
 * @param embeddings of its recordings, `[rows, D]`, with the label of each */
export function linearModel(
  { labels, none }: Pick<LinearModel, 'labels' | 'none'>,
  classifier: { weights: ArrayLike<number>; bias: ArrayLike<number> },
  embeddings: Float32Array,
  labelOf: Int32Array,
): LinearModel {
  const dim = embeddings.length / labelOf.length;
  const scale = scaleOf(embeddings, dim);
  const rows = standardise(embeddings, scale);
  const directions = new Float64Array(labels.length * dim);
  labelOf.forEach((label, row) => {
    for (let k = 0; k < dim; k++) directions[label * dim + k]! += rows[row * dim + k]!;
  });
  for (let c = 0; c < labels.length; c++) {
    const direction = directions.subarray(c * dim, (c + 1) * dim);
    const own = Array.from(labelOf.keys()).filter((row) => labelOf[row] === c);
    if (own.length === 0) continue;
    toLength(direction, 1);
    const cosines = own
      .map((row) => cosine(rows.subarray(row * dim, (row + 1) * dim), direction))
      .sort((a, b) => a - b);
    const middle = cosines[cosines.length >> 1]!;
    toLength(direction, 1 / Math.max(middle, 0.05));
  }
  return {
    ...{ labels, none, directions: Float32Array.from(directions) },
    weights: Float32Array.from(classifier.weights),
    bias: Float32Array.from(classifier.bias),
    mean: Float32Array.from(scale.mean),
    std: Float32Array.from(scale.std),
  };
}

/** Probabilities of all labels for an embedding `[D]`. */
export function probabilities({ weights, bias }: LinearModel, embedding: ArrayLike<number>): Float64Array {
  const dim = weights.length / bias.length;
  const logits = Float64Array.from(bias);
  for (let c = 0, at = 0; c < logits.length; c++) {
    for (let k = 0; k < dim; k++) logits[c]! += weights[at++]! * embedding[k]!;
  }
  const top = logits.reduce((a, b) => Math.max(a, b));
  const powers = logits.map((x) => Math.exp(x - top));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((p) => p / sum);
}

/** The most probable label and its score. */
export function guess(model: LinearModel, embedding: ArrayLike<number>, of = probabilities(model, embedding)): Guess {
  const label = of.indexOf(of.reduce((a, b) => Math.max(a, b)));
  if (label === model.none) return { label: -1, score: 0 };
  return { label, score: of[label]! * likeness(model, embedding, label) };
}

function likeness({ mean, std, directions }: LinearModel, embedding: ArrayLike<number>, label: number): number {
  const dim = mean.length;
  const x = Float64Array.from(mean, (m, k) => (embedding[k]! - m) / std[k]!);
  return Math.min(1, Math.max(0, cosine(x, directions.subarray(label * dim, (label + 1) * dim))));
}

/** x · direction / |x|: the cosine, where the direction has length 1. */
function cosine(x: Float64Array, direction: ArrayLike<number>): number {
  let [product, square] = [0, 0];
  for (let k = 0; k < x.length; k++) {
    product += x[k]! * direction[k]!;
    square += x[k]! * x[k]!;
  }
  return square > 0 ? product / Math.sqrt(square) : 0;
}

function toLength(direction: Float64Array, length: number): void {
  const factor = length / (Math.hypot(...direction) || 1);
  for (let k = 0; k < direction.length; k++) direction[k]! *= factor;
}
