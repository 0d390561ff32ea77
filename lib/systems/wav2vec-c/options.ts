// What a run of this system is told: sizes, the quantiser, masks, loss weights, augmentation.
import { argumentError } from '../../util/errors.js';
import { type RunConfig, type RunDefaults, type RunOptions, runConfig } from '../run-config.js';
import type { OptionSpec } from '../system.js';

export type Quantiser = 'gumbel' | 'k-means';

/** Options of `audio2vec train codes`; all have defaults. */
export interface CodesOptions extends RunOptions {
  /** How latents become codes: the largest of learnt scores, trained through Gumbel noise, or the nearest centroid. */
  quantiser?: Quantiser;
  /** Codebooks; every code frame has a code of each. Default 2. */
  books?: number;
  /** Codes in a book. Default 64. */
  codes?: number;
  /** Channels of the latents and of the context network. Default 128. */
  width?: number;
  /** Weights of the losses. Defaults 1, 0.3 and 1; the commitment of `k-means` 0.25. */
  contrastive?: number;
  diversity?: number;
  consistency?: number;
  commitment?: number;
  /** What cosines of the contrastive loss are divided by. Default 0.1. */
  contrastiveTemperature?: number;
  /** Frames of the same utterance that a masked frame's own codes must be told from. Default 25. */
  distractors?: number;
  /** Temperature of the Gumbel softmax: from the first to the last by a constant factor a step. Defaults 2 and 0.5. */
  temperature?: number;
  finalTemperature?: number;
  /** Share of frames at which a masked span begins, and its code frames. Defaults 0.08 and 8. */
  maskShare?: number;
  maskSpan?: number;
  /** What the context network hears is stretched along frequency by up to this factor, as if another person spoke, and
   * coloured by up to `colour` standard deviations a band. Defaults 0.15 and 0.3. */
  warp?: number;
  colour?: number;
  /** A code used less often than this share of an even use is placed anew. Default 0.05. */
  restartBelow?: number;
  /** Length of training segments in seconds. Default 4. */
  seconds?: number;
  /** Share of the recordings that is held out. Default 0.05. */
  heldOut?: number;
}

/** {@link CodesOptions} with every default filled in. */
export type CodesConfig = RunConfig & Required<Omit<CodesOptions, keyof RunOptions>>;

/** Log-mel frames in a code frame. */
export const framesPerCode = 3;

const defaults = {
  quantiser: 'gumbel' as Quantiser,
  books: 2,
  codes: 64,
  width: 128,
  contrastive: 1,
  diversity: 0.3,
  consistency: 1,
  commitment: 0.25,
  contrastiveTemperature: 0.1,
  distractors: 25,
  temperature: 2,
  finalTemperature: 0.5,
  maskShare: 0.08,
  maskSpan: 8,
  warp: 0.15,
  colour: 0.3,
  restartBelow: 0.05,
  seconds: 4,
  heldOut: 0.05,
};

export const runDefaults: RunDefaults = { batchSize: 8, steps: 10000, learningRate: 1e-3, warmUp: 300 };

const number = (name: keyof typeof defaults, text: string): OptionSpec => ({
  kind: 'number',
  summary: `${text} (default: ${defaults[name]})`,
});
const integer = (name: keyof typeof defaults, text: string): OptionSpec => ({ ...number(name, text), kind: 'integer' });

export const optionSpecs: Readonly<Record<keyof typeof defaults, OptionSpec>> = {
  quantiser: { kind: { choices: ['gumbel', 'k-means'] }, summary: 'how latents become codes (default: gumbel)' },
  books: integer('books', 'codebooks'),
  codes: integer('codes', 'codes in a book'),
  width: integer('width', 'channels of latents and context'),
  contrastive: number('contrastive', 'weight of the contrastive loss'),
  diversity: number('diversity', 'weight of the diversity loss, with gumbel'),
  consistency: number('consistency', 'weight of rebuilding the input from the codes'),
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

const ranges: Readonly<Record<Exclude<keyof typeof defaults, 'quantiser'>, readonly [number, number]>> = {
  books: [1, 16],
  codes: [2, 1024],
  width: [8, 1024],
  contrastive: [0, 1e6],
  diversity: [0, 1e6],
  consistency: [0, 1e6],
  commitment: [0, 1e6],
  contrastiveTemperature: [0.01, 10],
  distractors: [1, 1000],
  temperature: [0.01, 100],
  finalTemperature: [0.01, 100],
  maskShare: [0.001, 1],
  maskSpan: [1, 1000],
  warp: [0, 0.5],
  colour: [0, 10],
  restartBelow: [0, 1],
  seconds: [0.5, 60],
  heldOut: [0, 0.9],
};

/** Fills in defaults and checks; `ERR_ARGUMENT` names the option that is wrong. */
export function codesConfig(options: CodesOptions): CodesConfig {
  const config: CodesConfig = { ...runConfig(options, runDefaults), ...defaults };
  for (const key of Object.keys(defaults) as (keyof typeof defaults)[]) {
    if (options[key] !== undefined) Object.assign(config, { [key]: options[key] });
  }
  if (config.quantiser !== 'gumbel' && config.quantiser !== 'k-means') {
    throw argumentError('quantiser', '"gumbel" or "k-means"', config.quantiser);
  }
  for (const [name, [low, high]] of Object.entries(ranges)) {
    const v = config[name as keyof typeof ranges];
    const integer = optionSpecs[name as keyof typeof ranges].kind === 'integer';
    if (typeof v === 'number' && v >= low && v <= high && (!integer || Number.isInteger(v))) continue;
    throw argumentError(name, `${integer ? 'an integer' : 'a number'} from ${low} to ${high}`, v);
  }
  const { width, books, quantiser } = config;
  if (quantiser === 'k-means' && width % books) throw argumentError('books', `a divisor of width, ${width}`, books);
  return config;
}

/** Code frames in a training segment. */
export function segmentLength({ seconds }: CodesConfig, framesPerSecond: number): number {
  return Math.max(2, Math.floor((seconds * framesPerSecond) / framesPerCode));
}
