// Parameters to begin with. They are random, but for what is quantised: the principal components of the log-mel of code
// frames. Codes then begin as those of a product quantiser (Jégou et al. 2011), and training goes on from there.
import { inverse, Matrix } from 'ml-matrix';
import type { Arrays } from '../../engine/network.js';
import type { FeatureStore } from '../../features/feature-store.js';
import type { Graph } from '../../graph/graph.js';
import { initialParameters } from '../../graph/initial-parameters.js';
import { principalAxes } from '../../util/principal-axes.js';
import { Random } from '../../util/random.js';
import { normalisedFrames } from './batches.js';
import { type CodesShape, patch, patchChannels, pointsOf } from './graph.js';
import { type CodesConfig, framesPerCode } from './options.js';

/** Code frames that the components are found from. */
const sampled = 8192;

export async function initialWeights(
  graph: Graph,
  config: CodesConfig,
  shape: CodesShape,
  store: FeatureStore,
): Promise<Arrays> {
  const weights = initialParameters(graph, config.seed);
  weights.get(`${pointsOf.latents}.weight`)!.fill(0);
  const { bands, books, dimension } = shape;
  const { mean, components } = await principalComponents(config, shape, store);
  // A layer of patches W stands between: the components L become L W⁺, as W⁺ W = 1.
  const size = framesPerCode * patch;
  const first = Matrix.from1DArray(patchChannels, size, weights.get('f.patches.weight')!);
  const back = inverse(first.transpose().mmul(first)).mmul(first.transpose());
  const bias = Matrix.columnVector([...weights.get('f.patches.bias')!]);
  const [w, b] = [weights.get(`${pointsOf.frame}.weight`)!, weights.get(`${pointsOf.frame}.bias`)!];
  const patches = Math.floor(bands / patch);
  for (let i = 0; i < books * dimension; i++) {
    // Book g has components g, g + books, …: every one gets a strong and some weaker ones.
    const component = components[(i % dimension) * books + Math.floor(i / dimension)]!;
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
  return weights;
}

/** Components of the largest variance, each `[3 · bands]`, the first ones first. */
async function principalComponents(
  { seed }: CodesConfig,
  { bands, books, dimension }: CodesShape,
  store: FeatureStore,
) {
  const width = framesPerCode * bands;
  const rng = new Random(seed).fork('components');
  const frames = new Float64Array(sampled * width);
  for (let i = 0; i < sampled; i++) {
    frames.set(normalisedFrames(store, rng.int(store.frames - framesPerCode + 1), framesPerCode), i * width);
  }
  const { mean, variances, axes } = await principalAxes(frames, width);
  const order = [...variances.keys()].sort((a, b) => variances[b]! - variances[a]!);
  const wanted = Math.min(width, books * dimension);
  const kept = order.slice(0, wanted);
  // One scale for all, so that those of little variance weigh little, as in the log-mel.
  const scale = 1 / Math.sqrt(kept.reduce((sum, i) => sum + variances[i]!, 0) / wanted);
  const columns = kept.map((i) => axes.getColumn(i).map((v) => v * scale));
  return { mean, components: Array.from({ length: books * dimension }, (_, i) => columns[i % wanted]!) };
}
