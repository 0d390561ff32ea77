// What every training run is told: how long, how fast, from which seed.
import { availableParallelism } from 'node:os';
import { argumentError } from '../util/errors.js';
import { checkSchedule, type Schedule } from './schedule.js';

/** Options of any training run; all have defaults. Give `steps` or `minutes`, not both. */
export interface RunOptions {
  /** Examples in a batch. Default 64. */
  batchSize?: number;
  /** Number of steps. Default 5000, unless `minutes` is given. */
  steps?: number;
  /** Time to train for, over all sittings. The number of steps then follows from the speed, measured a few times along
   * the way, so only a run given `steps` can be repeated exactly. */
  minutes?: number;
  /** Of Adam, after the warm-up. Default 1e-3. */
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
  /** Steps from one held-out evaluation to the next. Default: a 40th of the run. */
  evaluateEvery?: number;
}

/** {@link RunOptions} with every default filled in. Plain JSON. */
export interface RunConfig {
  batchSize: number;
  steps?: number;
  minutes?: number;
  schedule: Schedule;
  weightDecay: number;
  seed: number;
  threads: number;
  evaluateEvery?: number;
}

/** What a system has other defaults for. */
export type RunDefaults = Pick<RunOptions, 'batchSize' | 'steps' | 'learningRate' | 'warmUp' | 'weightDecay'>;

/** Fills in defaults and checks; `ERR_ARGUMENT` names the option that is wrong. */
export function runConfig(o: RunOptions, defaults: RunDefaults = {}): RunConfig {
  const integer = (name: keyof RunOptions, min: number, max: number) => {
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
  const { seed = 1, weightDecay = defaults.weightDecay ?? 0, batchSize = defaults.batchSize ?? 64 } = o;
  if (!Number.isSafeInteger(seed)) throw argumentError('seed', 'an integer', seed);
  if (!(weightDecay >= 0 && weightDecay < 1)) throw argumentError('weightDecay', 'from 0 to below 1', weightDecay);
  const { learningRate: peak = defaults.learningRate ?? 1e-3, warmUp = defaults.warmUp ?? 100 } = o;
  const schedule = { peak, warmUp, decay: o.decay ?? 'cosine', floor: o.floor ?? 0.01 } as const;
  checkSchedule(schedule);
  return {
    batchSize,
    steps: o.minutes === undefined ? (o.steps ?? defaults.steps ?? 5000) : undefined,
    minutes: o.minutes,
    schedule,
    weightDecay,
    seed,
    threads: o.threads ?? availableParallelism(),
    evaluateEvery: o.evaluateEvery,
  };
}
