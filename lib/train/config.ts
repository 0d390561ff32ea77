// Everything that decides the result of a training run. Stored in its checkpoint as JSON, so that a run can be
// continued from its folder alone.
import { availableParallelism } from 'node:os';
import { checkEncoder, defaultEncoder, type EncoderConfig } from '../models/blocks.js';
import { chooseTasks, formatTasks, type Tasks } from '../systems/audio2vec/index.js';
import { checkSchedule, type Schedule } from '../systems/schedule.js';
import { argumentError } from '../util/errors.js';
import { type AugmentationOptions, checkAugmentation, noAugmentation, recipeAugmentation } from './augment.js';

/** Options of any training run; all have defaults. Give `steps` or `minutes`, not both. */
export interface TrainingOptions {
  /** Shape of the encoder; what is left out is as in {@link defaultEncoder}. */
  encoder?: Partial<EncoderConfig>;
  /** Examples in a batch. Default 64. */
  batchSize?: number;
  /** Number of steps. Default 5000, unless `minutes` is given. */
  steps?: number;
  /** Time to train for, over all sittings. The number of steps then follows from the speed, measured a few times along
   * the way, so only a run given `steps` can be repeated exactly. */
  minutes?: number;
  /** Of Adam, after the warm-up. Default 1e-3; 2e-3 in pretraining. */
  learningRate?: number;
  /** Steps of warm-up. Default 100. */
  warmUp?: number;
  /** Learning rate after the warm-up. Default `cosine`, down to `floor` (default 0.01) of the peak. */
  decay?: Schedule['decay'];
  floor?: number;
  /** Decoupled (AdamW). Default 0. */
  weightDecay?: number;
  /** Decides split, initial parameters and batches. Default 1. */
  seed?: number;
  /** Threads of the engine. The same seed and number of threads give the same bits. Default: all cores, remembered
   * with the run. */
  threads?: number;
  /** Alterations of what the encoder sees. Default: none; {@link recipeAugmentation} when pretraining
   * with a task that lives on it (`contrastive`). */
  augmentation?: Partial<AugmentationOptions>;
  /** Steps from one held-out evaluation to the next. Default: a 40th of the run. */
  evaluateEvery?: number;
}

export interface PretrainingOptions extends TrainingOptions {
  /** Like `cbow` or `cbow+contrastive:0.5` (see {@link parseTasks}), or the same as objects; a task of your own as a
   * {@link Task}, or as the path of a module that exports it: `./my-task.mjs`, `cbow+./my-task.mjs:0.5`. Default
   * `contrastive`, which transfers best (docs/recipe.md). */
  task?: Tasks;
  /** Fraction of the clips that are held out to measure progress. Default 0.05. */
  heldOut?: number;
  /** Whether the finished encoder's embeddings are whitened over the corpus, see whiten.ts. Default true. */
  whiten?: boolean;
}

/** {@link TrainingOptions} with every default filled in. Plain JSON. */
export interface TrainingConfig {
  encoder: EncoderConfig;
  batchSize: number;
  steps?: number;
  minutes?: number;
  schedule: Schedule;
  weightDecay: number;
  seed: number;
  threads: number;
  augmentation: AugmentationOptions;
  evaluateEvery?: number;
}

export interface PretrainingConfig extends TrainingConfig {
  /** In the notation of {@link parseTasks}, with all that differs from the defaults. */
  task: string;
  /** Where tasks by path were loaded from, by name, to say it to whoever resumes the run. */
  taskModules?: Record<string, string>;
  heldOut: number;
  whiten: boolean;
}

/** Fills in defaults and checks; `ERR_ARGUMENT` names the option that is wrong. */
export function trainingConfig(o: TrainingOptions): TrainingConfig {
  const encoder = { ...defaultEncoder, ...o.encoder };
  checkEncoder(encoder);
  const integer = (name: keyof TrainingOptions, min: number, max: number) => {
    const v = o[name] as number | undefined;
    if (v !== undefined && !(Number.isInteger(v) && v >= min && v <= max)) {
      throw argumentError(name, `an integer from ${min} to ${max}`, v);
    }
  };
  integer('batchSize', 1, 65536);
  integer('steps', 1, 1e9);
  integer('threads', 1, 1024);
  integer('evaluateEvery', 1, 1e9);
  if (o.minutes !== undefined && !(o.minutes > 0 && o.minutes < 1e6)) {
    throw argumentError('minutes', 'a positive number', o.minutes);
  }
  if (o.steps !== undefined && o.minutes !== undefined) {
    throw argumentError('minutes', 'absent when steps is given', o.minutes);
  }
  const { seed = 1, weightDecay = 0, batchSize = 64 } = o;
  if (!Number.isSafeInteger(seed)) throw argumentError('seed', 'an integer', seed);
  if (!(weightDecay >= 0 && weightDecay < 1)) throw argumentError('weightDecay', 'from 0 to below 1', weightDecay);
  const { learningRate: peak = 1e-3, warmUp = 100, decay = 'cosine', floor = 0.01 } = o;
  const schedule = { peak, warmUp, decay, floor };
  checkSchedule(schedule);
  const augmentation = { ...noAugmentation, ...o.augmentation };
  checkAugmentation(augmentation, encoder);
  return {
    encoder,
    batchSize,
    steps: o.minutes === undefined ? (o.steps ?? 5000) : undefined,
    minutes: o.minutes,
    schedule,
    weightDecay,
    seed,
    threads: o.threads ?? availableParallelism(),
    augmentation,
    evaluateEvery: o.evaluateEvery,
  };
}

/** {@link trainingConfig} for a pretext task. */
export function pretrainingConfig(o: PretrainingOptions): PretrainingConfig {
  const encoder = { ...defaultEncoder, ...o.encoder };
  checkEncoder(encoder);
  const { frames } = encoder;
  const choices = chooseTasks(o.task ?? 'contrastive', frames);
  const usual = choices.some((c) => c.task.augmented) ? recipeAugmentation(encoder) : noAugmentation;
  const augmentation = { ...usual, ...o.augmentation };
  const training = trainingConfig({ ...o, learningRate: o.learningRate ?? 2e-3, augmentation });
  const task = formatTasks(choices, frames);
  const { heldOut = 0.05, whiten = true } = o;
  if (!(heldOut >= 0 && heldOut < 1)) throw argumentError('heldOut', 'a fraction from 0 to below 1', heldOut);
  if (typeof whiten !== 'boolean') throw argumentError('whiten', 'true or false', whiten);
  return { ...training, task, heldOut, whiten };
}
