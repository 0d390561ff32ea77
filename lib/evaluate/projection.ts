// Embeddings on a plane, to look at.

import { principalAxes } from '../matrix/principal-axes.js';
import { runCooperatively } from '../util/cooperative.js';
import { argumentError } from '../util/errors.js';
import { Random } from '../util/random.js';
import { checkMatrix } from './features.js';
import { neighbourSteps } from './knn.js';

export interface Projection {
  /** `[rows, components]` */
  points: Float64Array;
  components: number;
}

/** Principal component analysis: coordinates along the directions of largest variance, and the fraction of variance
 * each explains. Each direction's sign is chosen so that its largest coefficient is positive. */
export async function pca(
  embeddings: Float32Array,
  dim: number,
  { components = 2, signal }: { components?: number; signal?: AbortSignal } = {},
): Promise<Projection & { explained: number[] }> {
  checkMatrix('embeddings', embeddings, dim);
  if (!Number.isInteger(components) || components < 1 || components > dim) {
    throw argumentError('components', `an integer from 1 to ${dim}`, components);
  }
  const rows = embeddings.length / dim;
  const x = Float64Array.from(embeddings);
  const { variances, axes } = await principalAxes(x, dim, signal);
  const total = variances.reduce((a, b) => a + b, 0);
  const order = [...variances.keys()].sort((a, b) => variances[b] - variances[a]);
  const points = new Float64Array(rows * components);
  const explained: number[] = [];
  for (const [c, column] of order.slice(0, components).entries()) {
    const direction = axes.getColumn(column);
    const extreme = direction.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
    const sign = extreme < 0 ? -1 : 1;
    for (let i = 0; i < rows; i++) {
      for (let k = 0; k < dim; k++) points[i * components + c] += sign * direction[k] * x[i * dim + k];
    }
    explained.push(total > 0 ? variances[column] / total : 0);
  }
  return { points, components, explained };
}

export interface UmapOptions {
  /** Neighbours that define what is local; default 15, or fewer in small sets. */
  neighbours?: number;
  /** How tightly points may be packed; default 0.1. */
  minDistance?: number;
  /** Default 0. */
  seed?: number;
  signal?: AbortSignal;
}

/** UMAP (McInnes et al., 2018) to two dimensions, by umap-js from exact neighbours. Needs at least 4 rows. Its
 * preparation holds the event loop for some 0.5 s per 1000 rows, so draw a sample of large sets. */
export async function umap(embeddings: Float32Array, dim: number, options: UmapOptions = {}): Promise<Projection> {
  const { neighbours = 15, minDistance = 0.1, seed = 0, signal } = options;
  checkMatrix('embeddings', embeddings, dim);
  const rows = embeddings.length / dim;
  if (rows < 4) throw argumentError('embeddings', 'at least 4 rows (pca takes fewer)', rows);
  const k = Math.min(neighbours, rows - 1);
  if (!Number.isInteger(k) || k < 2) throw argumentError('neighbours', 'an integer of at least 2', neighbours);

  // umap-js counts a point as its own first neighbour. Our lists hold it there already, unless an identical row with a
  // lower index comes first, which is as good.
  const found = await runCooperatively(neighbourSteps(embeddings, embeddings, dim, { k }), signal);
  const { UMAP } = await import('umap-js');
  const random = new Random(seed).fork('umap');
  const model = new UMAP({ nComponents: 2, nNeighbors: k, minDist: minDistance, random: () => random.uniform() });
  model.setPrecomputedKNN(nested(found.indices, k), nested(found.distances, k));
  const epochs = model.initializeFit(nested(embeddings, dim));
  await runCooperatively(
    (function* () {
      for (let epoch = 0; epoch < epochs; epoch++) {
        model.step();
        yield;
      }
    })(),
    signal,
  );
  return { points: Float64Array.from(model.getEmbedding().flat()), components: 2 };
}

/** A row-major matrix as an array of rows. */
function nested(values: Int32Array | Float32Array | Float64Array, columns: number): number[][] {
  return Array.from({ length: values.length / columns }, (_, i) =>
    Array.from(values.subarray(i * columns, (i + 1) * columns)),
  );
}
