// TemporalGap (Tagliasacchi et al., 2019): from the embeddings of two slices of one clip, tell how far apart in time
// they are. The distance Δ is uniform on 0 … maxFrames - frames and δ = Δ / (maxFrames - frames) is the target of a
// cross entropy. Because the targets are soft, the best possible loss is their mean entropy, 0.5 nats, and the constant
// answer 1/2 costs ln 2 = 0.693: the useful range is narrow.
import { argumentError } from '../../../util/errors.js';
import { checkInteger, maxDistanceFrames, type Task } from './task.js';

export interface TemporalGapOptions {
  /** Frames from the start of the earlier slice to the end of the later one when they are farthest apart (N_max). */
  maxFrames: number;
  /** Units of the hidden layer. */
  hidden: number;
}

export const temporalGap: Task<TemporalGapOptions> = {
  name: 'temporal-gap',
  summary: 'tell how far apart in time two slices of a clip are',
  // About what CBoW sees at once.
  defaults: (frames) => ({ maxFrames: 5 * frames, hidden: 64 }),
  check({ maxFrames, hidden }, frames) {
    checkInteger('maxFrames', maxFrames, 1, maxDistanceFrames);
    if (maxFrames <= frames) throw argumentError('maxFrames', `more than the ${frames} frames of a slice`, maxFrames);
    checkInteger('hidden', hidden, 1, 4096);
  },
  slices: () => 2,
  // Every Δ must fit into every clip: otherwise long distances would be seen in long clips only, and the length of a
  // clip would betray the answer.
  span: ({ maxFrames }) => maxFrames,
  target: 'values',

  head(g, z, { encoder, options, prefix, loss, weight }) {
    const pair = g.reshape(`${prefix}pair`, z, [2 * encoder.embedding], 1);
    const hidden = g.relu(`${prefix}relu`, g.dense(`${prefix}fc1`, pair, options.hidden));
    const logit = g.dense(`${prefix}fc2`, hidden, 1);
    g.loss(loss, 'bce', [logit, g.input(`${prefix}target`, [1])], weight);
    return logit;
  },

  sample(rng, clip, { maxFrames }, frames) {
    const longest = maxFrames - frames;
    const distance = rng.int(longest + 1);
    const window = clip.start + rng.int(clip.frames - maxFrames + 1);
    const first = window + rng.int(longest - distance + 1);
    const slices = [first, first + distance];
    if (rng.int(2)) slices.reverse();
    return { slices, target: [distance / longest] };
  },
};
