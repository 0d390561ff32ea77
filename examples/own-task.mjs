// A pretext task of one's own: of two neighbouring slices of a recording, in either order, tell which came first.
//   npx audio2vec pretrain RECORDINGS --task ./examples/own-task.mjs -o run
//   npx audio2vec pretrain RECORDINGS --task "contrastive+./examples/own-task.mjs(hidden=32):0.5" -o run
// or in code:
//   import sliceOrder from './own-task.mjs';
//   for await (const { step, loss } of pretrain({ corpus, out, task: sliceOrder })) …
// With --resume (or resumePretraining), the task must be given again: a run never loads modules by itself.

/** @type {import('audio2vec').Task<{ gap: number, hidden: number }>} */
const sliceOrder = {
  name: 'slice-order',
  summary: 'tell which of two slices of a clip comes first',

  // Options are numbers; these are set by "(gap=8)" behind the name of the file.
  // gap: frames between the two slices; hidden: units of the hidden layer.
  defaults: () => ({ gap: 4, hidden: 64 }),
  check({ gap, hidden }) {
    if (!(Number.isInteger(gap) && gap >= 0)) throw new RangeError(`gap must be a whole number of frames, got ${gap}`);
    if (!(Number.isInteger(hidden) && hidden >= 1)) throw new RangeError(`hidden must be at least 1, got ${hidden}`);
  },

  // Two slices go through the encoder, and a clip must be long enough for both and the gap.
  slices: () => 2,
  span: ({ gap }, frames) => 2 * frames + gap,

  // The answer is a value (not slices to be predicted): 1 if the first slice came first, else 0.
  target: 'values',

  // z: two embeddings, [2 rows, embedding]. Side by side, they go through a hidden layer to one logit.
  head(g, z, { encoder, options, prefix, loss, weight }) {
    const both = g.reshape(`${prefix}both`, z, [2 * encoder.embedding], 1);
    const hidden = g.relu(`${prefix}relu`, g.dense(`${prefix}hidden`, both, options.hidden));
    const logit = g.dense(`${prefix}logit`, hidden, 1);
    g.loss(loss, 'bce', [logit, g.input(`${prefix}target`, [1])], weight);
    return logit;
  },

  // An example: first frames of its slices, and its target. All chance comes from rng, so that runs can be repeated.
  sample(rng, clip, { gap }, frames) {
    const first = clip.start + rng.int(clip.frames - (2 * frames + gap) + 1);
    const second = first + frames + gap;
    return rng.int(2) ? { slices: [first, second], target: [1] } : { slices: [second, first], target: [0] };
  },
};

export default sliceOrder;
