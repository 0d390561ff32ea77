// One pseudo-label as a pretext task: predict its mean over the slice, standardised over the corpus, from the embedding by
// one linear layer, as in Zaiem et al., IEEE JSTSP 2022. `audio2vec weigh` says which of them suit some labelled data.
import { type PseudoLabelName, pseudoLabelTable } from '../../../features/pseudo-labels.js';
import { argumentError } from '../../../util/errors.js';
import type { Task } from './task.js';

export interface LabelOptions {
  /** 0: absolute error, as in the paper. Above: Huber's loss, squared up to this distance. */
  huber: number;
}

function labelTask(name: PseudoLabelName, meaning: string): Task<LabelOptions> {
  return {
    name,
    summary: `tell the ${name === 'f0' ? 'pitch' : name} of a slice: ${meaning}`,
    defaults: () => ({ huber: 0 }),
    check({ huber }) {
      if (!(huber >= 0 && huber <= 100)) throw argumentError('huber', 'from 0 to 100', huber);
    },
    slices: () => 1,
    span: (_, frames) => frames,
    target: 'values',
    label: name,

    head(g, z, { options: { huber }, prefix, loss, weight }) {
      const value = g.dense(`${prefix}label`, z, 1);
      const target = g.input(`${prefix}target`, [1]);
      g.loss(loss, huber > 0 ? 'huber' : 'l1', [value, target], weight, huber > 0 ? huber : undefined);
      return value;
    },

    sample(rng, clip, _, frames) {
      return { slices: [clip.start + rng.int(clip.frames - frames + 1)] };
    },
  };
}

/** A task for each pseudo-label, named as it is. */
export const labelTasks: readonly Task<LabelOptions>[] = pseudoLabelTable.map(({ name, meaning }) =>
  labelTask(name, meaning),
);
