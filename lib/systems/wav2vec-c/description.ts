// What the command line says of the system.
import type { RunDefaults } from '../run-config.js';
import type { OptionSpec, SystemDescription } from '../system.js';

export type Quantiser = 'gumbel' | 'k-means';

export const defaults = {
  quantiser: 'k-means' as Quantiser,
  books: 8,
  codes: 20,
  dimension: 2,
  width: 128,
  contrastive: 0.02,
  diversity: 0.3,
  consistency: 1,
  prediction: 1,
  commitment: 0.25,
  contrastiveTemperature: 0.1,
  distractors: 25,
  temperature: 2,
  finalTemperature: 0.5,
  maskShare: 0.08,
  maskSpan: 8,
  warp: 0.1,
  colour: 0.2,
  restartBelow: 0.05,
  seconds: 3,
  heldOut: 0.05,
};

export const runDefaults: RunDefaults = { batchSize: 6, steps: 490, learningRate: 3e-4, warmUp: 300 };

const number = (name: keyof typeof defaults, text: string): OptionSpec => ({
  kind: 'number',
  summary: `${text} (default: ${defaults[name]})`,
});
const integer = (name: keyof typeof defaults, text: string): OptionSpec => ({ ...number(name, text), kind: 'integer' });

export const optionSpecs: Readonly<Record<keyof typeof defaults, OptionSpec>> = {
  quantiser: { kind: { choices: ['gumbel', 'k-means'] }, summary: 'how latents become codes (default: k-means)' },
  books: integer('books', 'codebooks'),
  codes: integer('codes', 'codes in a book'),
  dimension: integer('dimension', 'values in the vector of a code'),
  width: integer('width', 'channels of latents and context'),
  contrastive: number('contrastive', 'weight of the contrastive loss'),
  diversity: number('diversity', 'weight of the diversity loss, with gumbel'),
  consistency: number('consistency', 'weight of rebuilding the input from the codes'),
  prediction: number('prediction', 'weight of rebuilding the unmasked input from latents and from the context'),
  commitment: number('commitment', 'weight of keeping latents near their centroids, with k-means'),
  contrastiveTemperature: number('contrastiveTemperature', 'what cosines of the contrastive loss are divided by'),
  distractors: integer('distractors', 'frames that a masked one must be told from'),
  temperature: number('temperature', 'of the Gumbel softmax in the beginning'),
  finalTemperature: number('finalTemperature', 'of the Gumbel softmax in the end'),
  maskShare: number('maskShare', 'share of frames at which a masked span begins'),
  maskSpan: integer('maskSpan', 'code frames in a masked span'),
  warp: number('warp', 'how far the masked view is stretched along frequency, 0: not at all'),
  colour: number('colour', 'how far the masked view is coloured, in standard deviations'),
  restartBelow: number('restartBelow', 'a code used less than this share of an even use is placed anew'),
  seconds: number('seconds', 'length of training segments'),
  heldOut: number('heldOut', 'share of the recordings held out'),
};

export const codesDescription: SystemDescription = {
  name: 'codes',
  summary: 'discrete codes of speech, 30 ms each, after Wav2vec-C',
  options: optionSpecs,
  runDefaults,
};
