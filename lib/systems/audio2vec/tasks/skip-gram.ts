// Audio2Vec, skip-gram (Tagliasacchi et al., 2019): the middle slice is encoded, and its embedding is decoded into all
// slices around it at once, one decoder output channel for each.
import { decoder } from '../../../models/blocks.js';
import { type ContextOptions, checkContext, contextDefaults, contextSpan, sampleContext } from './context.js';
import { type Task, targetSlices } from './task.js';

export const skipGram: Task<ContextOptions> = {
  name: 'skip-gram',
  summary: 'rebuild the slices before and after a slice from it alone',
  defaults: () => contextDefaults,
  check: checkContext,
  slices: () => 1,
  span: contextSpan,
  target: 'slices',

  head(g, z, context) {
    const { encoder, options, prefix, loss, weight } = context;
    const neighbours = options.past + options.future;
    const rebuilt = decoder(g, z, encoder, neighbours, `${prefix}decoder`);
    g.loss(loss, 'mse', [rebuilt, targetSlices(g, context, neighbours)], weight);
    return rebuilt;
  },

  sample(rng, clip, options, frames) {
    const { middle, neighbours } = sampleContext(rng, clip, options, frames);
    return { slices: [middle], target: neighbours };
  },

  // Only the middle slice is known, so it is the nearest of every target.
  nearest: ({ slices, target }) => target!.map(() => slices[0]!),
};
