// The AutoEncoder baseline (Tagliasacchi et al., 2019): a slice is rebuilt from its own embedding. With augmentation
// only the encoded copy is augmented, which makes it a denoising autoencoder.
import { decoder } from '../../../models/blocks.js';
import { type Task, targetSlices } from './task.js';

export const autoencoder: Task = {
  name: 'autoencoder',
  summary: 'rebuild a slice from its own embedding (baseline)',
  defaults: () => ({}),
  check() {},
  slices: () => 1,
  span: (_options, frames) => frames,
  target: 'slices',

  head(g, z, context) {
    const rebuilt = decoder(g, z, context.encoder, 1, `${context.prefix}decoder`);
    g.loss(context.loss, 'mse', [rebuilt, targetSlices(g, context, 1)], context.weight);
    return rebuilt;
  },

  sample(rng, clip, _options, frames) {
    const slice = clip.start + rng.int(clip.frames - frames + 1);
    return { slices: [slice], target: [slice] };
  },
};
