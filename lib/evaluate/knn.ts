// Nearest neighbours, exactly: as a classifier that trains nothing, and to look at what lies next to what.

import { squaredLengths, timesTransposed } from '../matrix/products.js';
import { runCooperatively, type Steps } from '../util/cooperative.js';
import { argumentError } from '../util/errors.js';
import { checkFeatures, checkMatrix, type LabelledFeatures } from './features.js';

export type Metric = 'euclidean' | 'cosine';

export interface NeighbourOptions {
  /** How many neighbours; default 10, or all rows where there are fewer. */
  k?: number;
  /** Distance: ‖x − y‖ (default), or 1 − cos(x, y), in which a zero vector is at distance 1 from all. */
  metric?: Metric;
  /** For queries that are the base itself: leave each row out of its own list. Default false. */
  excludeSelf?: boolean;
  signal?: AbortSignal;
}

/** For each query its `k` nearest rows of the base, nearest first; of equally near rows the one with the lower index. */
export interface Neighbours {
  k: number;
  /** `[queries, k]` */
  indices: Int32Array;
  /** `[queries, k]` */
  distances: Float64Array;
}

const BLOCK = 64; // queries whose distances to the whole base are held at once

/** The nearest rows of `base` `[rows, dim]` to each row of `queries` `[·, dim]`. Does not block the event loop. */
export function nearestNeighbours(
  base: Float32Array,
  queries: Float32Array,
  dim: number,
  options: NeighbourOptions = {},
): Promise<Neighbours> {
  return runCooperatively(neighbourSteps(base, queries, dim, options), options.signal);
}

/** {@link nearestNeighbours} as steps. */
export function* neighbourSteps(
  base: Float32Array,
  queries: Float32Array,
  dim: number,
  { k: asked = 10, metric = 'euclidean', excludeSelf = false }: NeighbourOptions,
): Steps<Neighbours> {
  checkMatrix('base', base, dim);
  checkMatrix('queries', queries, dim);
  if (!Number.isInteger(asked) || asked < 1) throw argumentError('k', 'a positive integer', asked);
  if (metric !== 'euclidean' && metric !== 'cosine') throw argumentError('metric', '"euclidean" or "cosine"', metric);
  if (excludeSelf && base.length !== queries.length) {
    throw argumentError('queries.length', `base.length (${base.length}) with excludeSelf`, queries.length);
  }
  const rows = base.length / dim;
  const count = queries.length / dim;
  const k = Math.min(asked, excludeSelf ? rows - 1 : rows);

  const [x, xSquares] = prepare(queries, dim, metric);
  const [y, ySquares] = prepare(base, dim, metric);
  const products = new Float64Array(BLOCK * rows);
  const indices = new Int32Array(count * k);
  const distances = new Float64Array(count * k);
  for (let first = 0; first < count; first += BLOCK) {
    const block = Math.min(BLOCK, count - first);
    timesTransposed(x, first, block, y, rows, dim, products);
    for (let i = 0; i < block; i++) {
      const query = first + i;
      const row = products.subarray(i * rows, (i + 1) * rows);
      if (metric === 'cosine') for (let j = 0; j < rows; j++) row[j] = 1 - row[j];
      else for (let j = 0; j < rows; j++) row[j] = Math.max(0, xSquares[query] + ySquares[j] - 2 * row[j]);
      if (excludeSelf) row[query] = Number.POSITIVE_INFINITY;
      smallest(row, k, indices.subarray(query * k, (query + 1) * k), distances.subarray(query * k, (query + 1) * k));
    }
    yield;
  }
  if (metric === 'euclidean') for (let i = 0; i < distances.length; i++) distances[i] = Math.sqrt(distances[i]);
  return { k, indices, distances };
}

/** Rows in double precision, of length 1 for the cosine, and their squared lengths. */
function prepare(values: Float32Array, dim: number, metric: Metric): [Float64Array, Float64Array] {
  const x = Float64Array.from(values);
  const squares = squaredLengths(x, dim);
  for (let i = 0; metric === 'cosine' && i < squares.length; i++) {
    const length = Math.sqrt(squares[i]) || 1;
    for (let k = 0; k < dim; k++) x[i * dim + k] /= length;
  }
  return [x, squares];
}

/** The k smallest values in ascending order, by insertion: a value seldom gets past the comparison with the worst. */
function smallest(values: Float64Array, k: number, indices: Int32Array, sorted: Float64Array): void {
  sorted.fill(Number.POSITIVE_INFINITY);
  for (let j = 0; j < values.length; j++) {
    const value = values[j];
    if (!(value < sorted[k - 1])) continue;
    let at = k - 1;
    for (; at > 0 && sorted[at - 1] > value; at--) {
      sorted[at] = sorted[at - 1];
      indices[at] = indices[at - 1];
    }
    sorted[at] = value;
    indices[at] = j;
  }
}

/** The class of each query by the votes of its neighbours. Among classes with equally many votes the one with the
 * nearest member wins. Labels are those of the base's rows. */
export function vote(neighbours: Neighbours, labels: Int32Array, classes: number): Int32Array {
  const { k, indices } = neighbours;
  const votes = new Int32Array(classes);
  return Int32Array.from({ length: indices.length / k }, (_, query) => {
    votes.fill(0);
    for (let i = 0; i < k; i++) votes[labels[indices[query * k + i]]]++;
    let winner = labels[indices[query * k]]; // from near to far, and replaced only by strictly more votes
    for (let i = 1; i < k; i++) {
      const label = labels[indices[query * k + i]];
      if (votes[label] > votes[winner]) winner = label;
    }
    return winner;
  });
}

/** k-nearest-neighbour classification of `queries` `[·, dim]`; see {@link vote} for ties. */
export async function classifyByNeighbours(
  train: LabelledFeatures,
  queries: Float32Array,
  options: NeighbourOptions = {},
): Promise<Int32Array> {
  checkFeatures('train', train);
  const neighbours = await nearestNeighbours(train.embeddings, queries, train.dim, options);
  return vote(neighbours, train.labels, train.classes);
}
