// Parameters to begin with. They are random, but for what is linear: the principal components of the log-mel of code frames,
// which are quantised, and of several of them in a row, which latents begin as. Codes then begin as those of a product
// quantiser (Jégou et al. 2011), and training goes on from there.
import { inverse, Matrix } from 'ml-matrix';
import type { Arrays } from '../../engine/network.js';
import type { FeatureStore } from '../../features/feature-store.js';
import type { Graph } from '../../graph/graph.js';
import { initialParameters } from '../../graph/initial-parameters.js';
import { principalAxes } from '../../matrix/principal-axes.js';
import { Audio2VecError } from '../../util/errors.js';
import { Random } from '../../util/random.js';
import { normalisedFrames } from './batches.js';
import {
  type CodesShape,
  contextBlocks,
  frameValues,
  linearReach,
  linearZ,
  patch,
  patchChannels,
  pointsOf,
} from './graph.js';
import { type CodesConfig, framesPerCode } from './options.js';

/** Stretches of log-mel that components are found from. */
const sampled = 4096;
/** Code frames that the linear part of the latents takes together. */
const taps = 1 + 2 * linearReach;
/** Variances below this are those of rounding. */
const SILENT = 1e-9;

export async function initialWeights(
  graph: Graph,
  config: CodesConfig,
  shape: CodesShape,
  store: FeatureStore,
): Promise<Arrays> {
  const weights = initialParameters(graph, config.seed);
  // Whatever is added to something linear begins as nothing; so does what g adds to the latents.
  for (const name of [pointsOf.latents, linearZ.bent, ...contextBlocks]) weights.get(`${name}.weight`)!.fill(0);
  const { books, dimension, width } = shape;
  const frames = new Random(config.seed).fork('components');
  const alone = await components(sample(store, 1, frames));
  const strongest = first(alone, books * dimension);
  // Book g has components g, g + books, …: every one gets a strong and some weaker ones.
  const points = Array.from({ length: books * dimension }, (_, i) => {
    return strongest[(i % dimension) * books + Math.floor(i / dimension)]!;
  });
  const frame = first(alone, frameValues);
  setThroughPatches(weights, shape, pointsOf.frame, points, alone.mean);
  setThroughPatches(weights, shape, linearZ.frame, frame, alone.mean);

  const windows = sample(store, taps, new Random(config.seed).fork('rows of frames'));
  const each = framesPerCode * shape.bands;
  const values = new Float64Array(sampled * taps * frameValues);
  for (let at = 0; at < sampled * taps; at++) {
    const x = windows.rows.subarray(at * each, (at + 1) * each);
    frame.forEach((row, i) => {
      let sum = 0;
      for (let j = 0; j < each; j++) sum += row[j]! * (x[j]! - alone.mean[j]!);
      values[at * frameValues + i] = sum;
    });
  }
  const around = first(await components({ rows: values, width: taps * frameValues }), width);
  const w = weights.get(`${linearZ.around}.weight`)!;
  for (const [o, row] of around.entries()) {
    for (let t = 0; t < taps; t++) {
      for (let i = 0; i < frameValues; i++) w[(o * frameValues + i) * taps + t] = row[t * frameValues + i]!;
    }
  }
  return weights;
}

/** Stretches of `count` code frames, `[sampled, 3 · count · bands]`. */
function sample(store: FeatureStore, count: number, rng: Random): { rows: Float64Array; width: number } {
  const frames = framesPerCode * count;
  const width = frames * store.bands;
  const rows = new Float64Array(sampled * width);
  for (let i = 0; i < sampled; i++) {
    rows.set(normalisedFrames(store, rng.int(store.frames - frames + 1), frames), i * width);
  }
  return { rows, width };
}

/** The components of rows, those of the largest variance first. */
async function components({ rows, width }: { rows: Float64Array; width: number }) {
  const { mean, variances, axes } = await principalAxes(rows, width);
  const order = [...variances.keys()].sort((a, b) => variances[b]! - variances[a]!);
  return { mean, axes: order.map((i) => ({ values: axes.getColumn(i), variance: variances[i]! })) };
}

/** The first `count` components, from the first again where there are no more. One scale for all, so that those of little
 * variance weigh little, as in the log-mel; of all together the mean variance is 1. */
function first({ axes }: Awaited<ReturnType<typeof components>>, count: number): number[][] {
  const kept = axes.slice(0, count);
  const mean = kept.reduce((sum, { variance }) => sum + variance, 0) / kept.length;
  if (!(mean > SILENT)) {
    const message = 'The recordings sound the same at every moment (silence, or one tone): there is nothing to learn.';
    throw new Audio2VecError('ERR_DATASET', message);
  }
  const scale = 1 / Math.sqrt(mean);
  return Array.from({ length: count }, (_, i) => kept[i % kept.length]!.values.map((v) => v * scale));
}

/** Gives a layer on patches the weights that make it L (x - mean), L: `rows`, of the log-mel of a code frame. Patches are W x + b:
 * their weights become L W⁺, as W⁺ W = 1. */
function setThroughPatches(
  weights: Map<string, Float32Array>,
  { bands }: CodesShape,
  layer: string,
  rows: readonly (readonly number[])[],
  mean: Float64Array,
): void {
  const size = framesPerCode * patch;
  const matrix = Matrix.from1DArray(patchChannels, size, weights.get('f.patches.weight')!);
  const back = inverse(matrix.transpose().mmul(matrix)).mmul(matrix.transpose());
  const bias = Matrix.columnVector([...weights.get('f.patches.bias')!]);
  const [w, b] = [weights.get(`${layer}.weight`)!, weights.get(`${layer}.bias`)!];
  const patches = Math.floor(bands / patch);
  for (const [i, component] of rows.entries()) {
    b[i] = -component.reduce((sum, l, j) => sum + l * mean[j]!, 0);
    for (let p = 0; p < patches; p++) {
      const part = Array.from(
        { length: size },
        (_, j) => component[Math.floor(j / patch) * bands + p * patch + (j % patch)]!,
      );
      const row = Matrix.rowVector(part).mmul(back);
      for (let c = 0; c < patchChannels; c++) w[(i * patchChannels + c) * patches + p] = row.get(0, c);
      b[i]! -= row.mmul(bias).get(0, 0);
    }
  }
}
