// Training of any system by its name.
import { checkSystem } from '../systems/check-system.js';
import type { RunOptions } from '../systems/run-config.js';
import type { System } from '../systems/system.js';
import { systems } from '../systems/systems.js';
import { checkObject, checkOptions } from '../util/arguments.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import type { Step } from './loop.js';
import { checkSurroundings, resumeRun, type Surroundings, startRun, surroundings } from './run.js';
import type { RunLength } from './run-length.js';

export interface TrainOptions<O extends RunOptions = RunOptions> extends Surroundings {
  /** What to learn: the name of a system of this package (`pitch`, …), or one of your own. */
  system: string | System<O>;
  /** Options of the system and of every run. */
  options?: O;
}

export interface ResumeTrainingOptions extends Surroundings, RunLength {
  /** That of the run; needed where it is one of your own. */
  system?: string | System;
}

/** Trains a system on recordings, yielding after every step.
 *
 * Throws `ERR_ARGUMENT` for wrong options, an unknown system and if `out` already holds a run, `ERR_LOCKED` if another
 * process is at work in it, `ERR_FILE` if the corpus can't be read, `ERR_DATASET` if it is too small, `ERR_DIVERGED` if
 * the loss stops being finite, and an `AbortError` that says how to go on when `signal` aborts. Leaving the loop early
 * saves too. */
export async function* train<O extends RunOptions>(options: TrainOptions<O>): AsyncGenerator<Step, void> {
  checkOptions('options', options, [...surroundings, 'system', 'options']);
  checkSurroundings(options);
  const system: System = typeof options.system === 'string' ? await loadSystem(options.system) : options.system;
  checkSystem(system);
  if (options.options !== undefined) checkObject('options.options', options.options);
  const config = system.configure(options.options ?? {});
  checkObject(`what configure of the system ${system.name} gives`, config);
  yield* startRun(system, config, options, resumeHint(options.out));
}

/** Continues the run in `out` where its checkpoint stands. The result has the same bits as if it had never stopped.
 * Throws as {@link train} does; also `ERR_FILE` if there is no checkpoint, `ERR_DATASET` if the corpus is not the one
 * the run began with, and `ERR_ARGUMENT` if `system` is another. */
export async function* resumeTraining(options: ResumeTrainingOptions): AsyncGenerator<Step, void> {
  checkOptions('options', options, [...surroundings, 'system', 'steps', 'minutes', 'threads']);
  checkSurroundings(options);
  const { system, out } = options;
  if (system !== undefined && typeof system !== 'string') checkSystem(system);
  const given = typeof system === 'string' ? system : system?.name;
  const systemOf: Parameters<typeof resumeRun>[0] = async ({ system: name }, file) => {
    if (name === undefined) {
      const how = 'continue it with resumePretraining, or `audio2vec pretrain --resume`';
      throw new Audio2VecError('ERR_MODEL_FORMAT', `${file} is the checkpoint of an audio2vec run: ${how}.`);
    }
    if (given !== undefined && given !== name)
      throw argumentError('system', `${name}, as that of the run in ${out}`, given);
    return typeof system === 'object' ? system : loadSystem(name);
  };
  yield* resumeRun(systemOf, options, resumeHint(out));
}

/** The system of this package of that name; `ERR_ARGUMENT` lists the names there are. */
export async function loadSystem(name: string): Promise<System> {
  const found = systems.find((s) => s.name === name);
  if (!found) throw argumentError('system', `one of ${systems.map((s) => s.name).join(', ')}`, name);
  return found.load();
}

function resumeHint(out: string): string {
  return `resumeTraining({ corpus, out: ${JSON.stringify(out)} })`;
}
