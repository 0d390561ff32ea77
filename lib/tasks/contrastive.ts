// Contrastive learning as in COLA (Saeed, Grangier, Zeghidour, 2020): of all second slices of the batch, pick the one
// that comes from the same clip as the first; the similarity is bilinear, (W z_a)·z_b, and the loss is the cross
// entropy over the batch.
import { checkPair, type PairOptions, pairSpan, samplePair } from './pair.js';
import { checkInteger, type Task } from './task.js';

export interface ContrastiveOptions extends PairOptions {
  /** Size of a projection head (dense, ReLU, dense) between the embedding and the similarity; 0: none. The encoder's
   * output may then keep what the comparison itself has no use for. */
  projection: number;
}

export const contrastive: Task<ContrastiveOptions> = {
  name: 'contrastive',
  summary: 'recognise, among the clips of a batch, the one a slice was taken from',
  // Slices that share no samples, within about five seconds at the default hop.
  defaults: (frames) => ({ minDistance: frames + 2, maxDistance: 5 * frames, projection: 0 }),
  check(options) {
    checkPair(options);
    checkInteger('projection', options.projection, 0, 4096);
  },
  slices: () => 2,
  span: pairSpan,
  target: 'none',
  negatives: 'batch',

  head(g, z, { options: { projection }, prefix, loss, weight }) {
    let p = z;
    if (projection > 0) {
      const hidden = g.relu(`${prefix}relu`, g.dense(`${prefix}projection1`, z, z.shape[0]));
      p = g.dense(`${prefix}projection2`, hidden, projection);
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
