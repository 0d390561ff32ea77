// Everything that decides the result of a training run. Stored in its checkpoint as JSON, so that a run can be
// continued from its folder alone.

import { checkEncoder, defaultEncoder, type EncoderConfig } from '../../models/blocks.js';
import { checkOptions } from '../../util/arguments.js';
import { argumentError } from '../../util/errors.js';
import { type RunConfig, type RunOptions, runConfig } from '../run-config.js';
import { type AugmentationOptions, checkAugmentation, noAugmentation, recipeAugmentation } from './augment.js';
import { type StartingPoint, type StoredStart, storedStart } from './starting-point.js';
import { chooseTasks, formatTasks, type Tasks } from './tasks/index.js';

/** Options of a run that trains an encoder; all have defaults. */
export interface TrainingOptions extends RunOptions {
  /** Shape of the encoder; what is left out is as in {@link defaultEncoder}. */
  encoder?: Partial<EncoderConfig>;
  /** Augmentation of what the encoder sees. Default: none; {@link recipeAugmentation} when pretraining
   * with a task that lives on it (`contrastive`). */
  augmentation?: Partial<AugmentationOptions>;
}

export interface PretrainingOptions extends TrainingOptions {
  /** Like `cbow` or `cbow+contrastive:0.5` (see {@link parseTasks}), or the same as objects; a task of your own as a
   * {@link Task}, or as the path of a module that exports it: `./my-task.mjs`, `cbow+./my-task.mjs:0.5`. Default
   * `contrastive`, which transfers best (docs/recipe.md). */
  task?: Tasks;
  /** Fraction of the clips that are held out to measure progress. Default 0.05. */
  heldOut?: number;
  /** Encoder to begin with instead of random weights: its weights and normalisation are taken, and its shape is that of
   * the run. Heads and the optimiser begin anew. */
  from?: StartingPoint;
  /** Whether the finished encoder's embeddings are whitened over the corpus, see whiten.ts. Default true. */
  whiten?: boolean;
}

/** {@link TrainingOptions} with every default filled in. Plain JSON. */
export interface TrainingConfig extends RunConfig {
  encoder: EncoderConfig;
  augmentation: AugmentationOptions;
}

export interface PretrainingConfig extends TrainingConfig {
  /** In the notation of {@link parseTasks}, with all that differs from the defaults. */
  task: string;
  /** Where tasks by path were loaded from, by name, to say it to whoever resumes the run. */
  taskModules?: Record<string, string>;
  heldOut: number;
  whiten: boolean;
  /** What training began with, unless random weights. */
  from?: StoredStart;
}

/** Fills in defaults and checks; `ERR_ARGUMENT` names the option that is wrong. */
export function trainingConfig(o: TrainingOptions): TrainingConfig {
  checkParts(o);
  const encoder = { ...defaultEncoder, ...o.encoder };
  checkEncoder(encoder);
  const run = runConfig(o);
  const augmentation = { ...noAugmentation, ...o.augmentation };
  checkAugmentation(augmentation, encoder);
  return { encoder, ...run, augmentation };
}

function checkParts({ encoder = {}, augmentation = {} }: TrainingOptions): void {
  checkOptions('encoder', encoder, Object.keys(defaultEncoder) as (keyof EncoderConfig)[]);
  checkOptions('augmentation', augmentation, Object.keys(noAugmentation) as (keyof AugmentationOptions)[]);
}

/** {@link trainingConfig} for a pretext task. */
export function pretrainingConfig(o: PretrainingOptions): PretrainingConfig {
  checkParts(o);
  const from = o.from && storedStart(o.from, o.encoder);
  const encoder = o.from?.model.config ?? { ...defaultEncoder, ...o.encoder };
  checkEncoder(encoder);
  const { frames } = encoder;
  const choices = chooseTasks(o.task ?? 'contrastive', frames);
  const usual = choices.some((c) => c.task.augmented) ? recipeAugmentation(encoder) : noAugmentation;
  const augmentation = { ...usual, ...o.augmentation };
  const training = trainingConfig({ ...o, encoder, learningRate: o.learningRate ?? 2e-3, augmentation });
  const task = formatTasks(choices, frames);
  const alone = choices.find((c) => c.task.negatives === 'batch');
  if (alone && training.batchSize < 2) {
    const expected = `at least 2 for ${alone.task.name}, which tells the examples of a batch apart`;
    throw argumentError('batchSize', expected, training.batchSize);
  }
  const { heldOut = 0.05, whiten = true } = o;
  if (!(heldOut >= 0 && heldOut < 1)) throw argumentError('heldOut', 'a fraction from 0 to below 1', heldOut);
  if (typeof whiten !== 'boolean') throw argumentError('whiten', 'true or false', whiten);
  return { ...training, task, heldOut, whiten, ...(from && { from }) };
}
