// What a run of this system is told: sizes, the quantiser, masks, loss weights, augmentation.
import { argumentError } from '../../util/errors.js';
import { type RunConfig, type RunOptions, runConfig } from '../run-config.js';
import { defaults, optionSpecs, runDefaults } from './description.js';

export type { Quantiser } from './description.js';

/** Options of `audio2vec train codes`; all have defaults. */
export interface CodesOptions extends RunOptions {
  /** How latents become codes: the largest of learnt scores, trained through Gumbel noise, or the nearest centroid. */
  quantiser?: 'gumbel' | 'k-means';
  /** Codebooks; every code frame has a code of each. */
  books?: number;
  /** Codes in a book. */
  codes?: number;
  /** Values in the vector of a code. */
  dimension?: number;
  /** Channels of the latents and of the context network. Default 128. */
  width?: number;
  /** Weights of the losses. */
  contrastive?: number;
  diversity?: number;
  consistency?: number;
  prediction?: number;
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
   * coloured by up to `colour` standard deviations a band. Defaults 0.1 and 0.2. */
  warp?: number;
  colour?: number;
  /** A code used less often than this share of an even use is placed anew. Default 0.05. */
  restartBelow?: number;
  /** Length of training segments in seconds; shorter recordings are left out. Default 3. */
  seconds?: number;
  /** Share of the recordings that is held out. Default 0.05. */
  heldOut?: number;
}

/** {@link CodesOptions} with every default filled in. */
export type CodesConfig = RunConfig & Required<Omit<CodesOptions, keyof RunOptions>>;

/** Log-mel frames in a code frame. */
export const framesPerCode = 3;

const ranges: Readonly<Record<Exclude<keyof typeof defaults, 'quantiser'>, readonly [number, number]>> = {
  books: [1, 16],
  codes: [2, 1024],
  dimension: [1, 1024],
  width: [8, 1024],
  contrastive: [0, 1e6],
  diversity: [0, 1e6],
  consistency: [0, 1e6],
  prediction: [0, 1e6],
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
  const config: CodesConfig = { ...runConfig(options, runDefaults, Object.keys(defaults)), ...defaults };
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
  return config;
}

/** Code frames in a training segment. */
export function segmentLength({ seconds }: CodesConfig, framesPerSecond: number): number {
  return Math.max(2, Math.floor((seconds * framesPerSecond) / framesPerCode));
}
