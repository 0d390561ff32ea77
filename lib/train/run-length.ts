// Another length for a run that is continued.

import type { RunConfig } from '../systems/run-config.js';
import { argumentError } from '../util/errors.js';
import type { Checkpoint } from './checkpoint.js';

export interface RunLength {
  /** Train up to so many steps in all instead of those the run began with, also when it has finished. Learning rates
   * are then those of a run of this length. */
  steps?: number;
  /** The same for a run that was given minutes. */
  minutes?: number;
  /** Threads of the engine from here on; another number than before gives other bits. */
  threads?: number;
}

/** Gives a run another length; `ERR_ARGUMENT` if it is already longer. */
export function extend(progress: Checkpoint, config: RunConfig, { steps, minutes, threads }: RunLength): void {
  const { step, seconds = 0 } = progress;
  if (threads !== undefined) {
    if (!Number.isInteger(threads) || threads < 1 || threads > 1024) {
      throw argumentError('threads', 'an integer from 1 to 1024', threads);
    }
    config.threads = threads;
  }
  if (steps !== undefined && minutes !== undefined)
    throw argumentError('minutes', 'absent when steps is given', minutes);
  if (steps !== undefined) {
    if (!Number.isInteger(steps) || steps < step || steps > 1e9) {
      throw argumentError('steps', `an integer of at least ${step}, the steps this run has taken`, steps);
    }
    Object.assign(config, { steps, minutes: undefined });
    progress.steps = steps;
    progress.seconds = undefined;
  }
  if (minutes !== undefined) {
    if (config.minutes === undefined) {
      throw argumentError('minutes', 'absent: this run counts steps, so give steps instead', minutes);
    }
    if (!(minutes * 60 > seconds && minutes < 1e6)) {
      throw argumentError('minutes', `more than ${(seconds / 60).toFixed(1)}, the time this run has taken`, minutes);
    }
    config.minutes = minutes;
    progress.steps = undefined;
  }
}
