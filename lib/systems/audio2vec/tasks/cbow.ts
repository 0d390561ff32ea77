// Audio2Vec, continuous bag of words (Tagliasacchi et al., 2019): the slices around the middle one are encoded, and
// their embeddings, side by side in time order, are decoded into the middle slice.
import { decoder } from '../../../models/blocks.js';
import { type ContextOptions, checkContext, contextDefaults, contextSpan, sampleContext } from './context.js';
import { type Task, targetSlices } from './task.js';

export const cbow: Task<ContextOptions> = {
  name: 'cbow',
  summary: 'rebuild a slice from the slices before and after it',
  defaults: () => contextDefaults,
  check: checkContext,
  slices: ({ past, future }) => past + future,
  span: contextSpan,
  target: 'slices',

  head(g, z, context) {
    const { encoder, prefix, loss, weight } = context;
    const side = g.reshape(`${prefix}context`, z, [z.rows * encoder.embedding], 1);
    const rebuilt = decoder(g, side, encoder, 1, `${prefix}decoder`);
    g.loss(loss, 'mse', [rebuilt, targetSlices(g, context, 1)], weight);
    return rebuilt;
  },

  sample(rng, clip, options, frames) {
    const { middle, neighbours } = sampleContext(rng, clip, options, frames);
    return { slices: neighbours, target: [middle] };
  },

  // The slices just before and just after are equally near; a copy of the earlier one is what a causal listener has.
  nearest: ({ slices, target }) => [closest(slices, target![0]!)],
};

function closest(slices: readonly number[], to: number): number {
  return slices.reduce((best, s) => (Math.abs(s - to) < Math.abs(best - to) ? s : best));
}
