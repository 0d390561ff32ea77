// Contrastive learning: of all slices of the batch, recognise the one that comes from the same clip. With a temperature,
// as in SimCLR (Chen et al., 2020): cosine similarity, each slice against all others. Without, as in COLA (Saeed,
// Grangier, Zeghidour, 2020): first slices against second ones, by a bilinear similarity (W z_a)·z_b.
import { argumentError } from '../../../util/errors.js';
import { checkPair, type PairOptions, pairSpan, samplePair } from './pair.js';
import { checkInteger, type Task } from './task.js';

export interface ContrastiveOptions extends PairOptions {
  /** Size of a projection head (dense, ReLU, dense) between the embedding and the similarity; 0: none. The encoder's
   * output may then keep what the comparison itself has no use for. */
  projection: number;
  /** Width of the head's hidden layer. */
  hidden: number;
  /** What cosine similarities are divided by; 0: bilinear similarity instead. */
  temperature: number;
}

export const contrastive: Task<ContrastiveOptions> = {
  name: 'contrastive',
  summary: 'recognise, among the clips of a batch, the one a slice was taken from',
  // Slices that mostly overlap: what is said or played at that moment must be kept, not only where or by whom.
  defaults: (frames) => ({
    minDistance: 0,
    maxDistance: Math.floor(frames / 4),
    projection: 128,
    hidden: 256,
    temperature: 0.1,
  }),
  check(options) {
    checkPair(options);
    checkInteger('projection', options.projection, 0, 4096);
    checkInteger('hidden', options.hidden, 1, 4096);
    const { temperature } = options;
    if (!(temperature === 0 || (temperature >= 0.01 && temperature <= 10))) {
      throw argumentError('temperature', '0, or from 0.01 to 10', temperature);
    }
  },
  slices: () => 2,
  span: pairSpan,
  target: 'none',
  negatives: 'batch',
  augmented: true,

  head(g, z, { options: { projection, hidden, temperature }, prefix, loss, weight }) {
    let p = z;
    if (projection > 0) {
      const wide = g.relu(`${prefix}relu`, g.dense(`${prefix}projection1`, z, hidden));
      p = g.dense(`${prefix}projection2`, wide, projection);
    }
    if (temperature > 0) {
      const unit = g.l2Normalize(`${prefix}direction`, p, 1 / Math.sqrt(temperature));
      g.loss(loss, 'nt-xent', [unit], weight);
      return unit;
    }
    const first = g.select(`${prefix}first`, p, 0, 1);
    const second = g.select(`${prefix}second`, p, 1, 1);
    const turned = g.dense(`${prefix}bilinear`, first, p.shape[0], false);
    g.loss(loss, 'contrastive', [turned, second], weight);
    return turned;
  },

  sample(rng, clip, options, frames) {
    return { slices: samplePair(rng, clip, options, frames) };
  },
};
