// Pretraining: a corpus and pretext tasks in, a run folder with an encoder out.

import { basename, resolve } from 'node:path';
import { pretrainedFile } from '../embed/encoder.js';
import { loadEncoderModel } from '../models/encoder-model.js';
import { type PretrainingConfig, type PretrainingOptions, pretrainingConfig } from '../systems/audio2vec/config.js';
import { checkKept, checkOwnTasks, modulesOf } from '../systems/audio2vec/own-tasks.js';
import type { StartingPoint } from '../systems/audio2vec/starting-point.js';
import { audio2vec } from '../systems/audio2vec/system.js';
import { loadTasks, ownTasks, type Tasks } from '../systems/audio2vec/tasks/index.js';
import { runOptions } from '../systems/run-config.js';
import { checkOptions } from '../util/arguments.js';
import { Audio2VecError } from '../util/errors.js';
import type { Step } from './loop.js';
import { checkSurroundings, resumeRun, type Surroundings, startRun, surroundings } from './run.js';
import type { RunLength } from './run-length.js';
import { modelFile } from './run-model.js';

export interface PretrainOptions extends Omit<PretrainingOptions, 'from'>, Surroundings {
  /** Encoder to begin with instead of random weights: `pretrained` (of the package), a model file or the folder of a run,
   * or one in memory. Its weights and normalisation are taken, and the run's encoder has its shape; heads and the
   * optimiser begin anew. */
  from?: string | StartingPoint;
}

const pretrainOptions: readonly (keyof PretrainOptions)[] = [
  ...[...surroundings, ...runOptions],
  ...(['task', 'from', 'encoder', 'augmentation', 'heldOut', 'whiten'] as const),
];

export interface ResumeOptions extends Surroundings, RunLength {
  /** Needed by a run that has a task of your own: that task, as it was given to {@link pretrain}. A run does not load
   * modules by itself, so that opening someone's run never runs their code. Weights and options stay as the run
   * has them; others are refused. */
  task?: Tasks;
}

/** Trains an encoder without labels, yielding after every step.
 *
 * Throws `ERR_ARGUMENT` for wrong options and if `out` already holds a run, `ERR_LOCKED` if another process is at work
 * in it, `ERR_FILE` if the corpus, a task's module or the encoder to begin with can't be read, `ERR_MODEL_FORMAT` if the
 * latter is something else, `ERR_DATASET` if it has too few or too short clips, `ERR_DIVERGED` if the loss stops being finite, and an `AbortError` that says how to go on when
 * `signal` aborts. Leaving the loop early saves too. */
export async function* pretrain(options: PretrainOptions): AsyncGenerator<Step, void> {
  checkOptions('options', options, pretrainOptions);
  checkSurroundings(options);
  const task = await loadTasks(options.task === undefined ? 'contrastive' : options.task);
  const from = options.from === undefined ? undefined : await startingPoint(options.from);
  const config = pretrainingConfig({ ...options, task, from });
  const modules = modulesOf(options.task, task);
  if (modules) config.taskModules = modules;
  const ofUser = ownTasks(task);
  yield* startRun(audio2vec(ofUser, from), config, options, resumeHint(options.out, ofUser.length > 0));
}

/** Opens what {@link PretrainOptions.from} names. Throws `ERR_FILE` and `ERR_MODEL_FORMAT`. */
export async function startingPoint(from: string | StartingPoint): Promise<StartingPoint> {
  if (typeof from !== 'string') return from;
  if (from === 'pretrained') return { name: from, model: await loadEncoderModel(pretrainedFile) };
  return { name: basename(resolve(from)), model: await loadEncoderModel(await modelFile(from)) };
}

/** Continues the run in `out` where its checkpoint stands. The result has the same bits as if it had never stopped.
 * Other options of {@link pretrain} are those that the run began with, whatever is given here.
 * Throws as {@link pretrain} does; also `ERR_FILE` if there is no checkpoint, `ERR_DATASET` if the corpus is not the one
 * the run began with, and `ERR_ARGUMENT` if a task of your own is needed and not given. */
export async function* resumePretraining(options: ResumeOptions): AsyncGenerator<Step, void> {
  checkOptions('options', options, pretrainOptions as (keyof ResumeOptions)[]);
  checkSurroundings(options);
  const given = options.task === undefined ? [] : await loadTasks(options.task);
  const own = ownTasks(given);
  const systemOf: Parameters<typeof resumeRun>[0] = ({ system, config: stored }, file) => {
    const config = stored as PretrainingConfig;
    if (system !== undefined || !config.encoder || !config.task) {
      throw new Audio2VecError('ERR_MODEL_FORMAT', `${file} is not the checkpoint of a pretraining run.`);
    }
    checkOwnTasks(config, own, options.out);
    checkKept(config, given, own, options.out);
    return audio2vec(own);
  };
  yield* resumeRun(systemOf, options, resumeHint(options.out, own.length > 0));
}

function resumeHint(out: string, ownTask: boolean): string {
  return `resumePretraining({ corpus, out: ${JSON.stringify(out)}${ownTask ? ', task' : ''} })`;
}
