// The Triplet baseline (Tagliasacchi et al., 2019): an anchor must be nearer to a slice close to it in time than to a
// slice of another clip, by a margin: [‖z_a - z_p‖² - ‖z_a - z_n‖² + margin]_+.
import { argumentError } from '../../../util/errors.js';
import { checkPair, type PairOptions, pairSpan, samplePair } from './pair.js';
import type { Task } from './task.js';

export interface TripletOptions extends PairOptions {
  /** In units of squared Euclidean distance between embeddings. */
  margin: number;
}

export const triplet: Task<TripletOptions> = {
  name: 'triplet',
  summary: 'keep slices close in time together and other clips apart (baseline)',
  // The nearest slices that share no samples, up to one slice farther.
  defaults: (frames) => ({ minDistance: frames + 2, maxDistance: 2 * frames + 2, margin: 1 }),
  check(options) {
    checkPair(options);
    const { margin } = options;
    if (!(margin > 0 && Number.isFinite(margin))) throw argumentError('margin', 'a positive number', margin);
  },
  slices: () => 3,
  span: pairSpan,
  target: 'none',
  negatives: 'example',

  head(g, z, { options, loss, weight }) {
    g.loss(loss, 'triplet', [z], weight, options.margin);
    return z;
  },

  sample(rng, clip, options, frames, other) {
    const [anchor, positive] = samplePair(rng, clip, options, frames);
    const elsewhere = other();
    const negative = elsewhere.start + rng.int(elsewhere.frames - frames + 1);
    return { slices: [anchor, positive, negative] };
  },
};
