// What every training run is told: how long, how fast, from which seed.
import { availableParallelism } from 'node:os';
import { checkOptions } from '../util/arguments.js';
import { argumentError } from '../util/errors.js';
import { checkSchedule, type Schedule } from './learning-rate.js';

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

/** Names of {@link RunOptions}. */
export const runOptions: readonly (keyof RunOptions)[] = [
  ...(['batchSize', 'steps', 'minutes', 'learningRate', 'warmUp', 'decay', 'floor'] as const),
  ...(['weightDecay', 'seed', 'threads', 'evaluateEvery'] as const),
];

/** Fills in defaults and checks; `ERR_ARGUMENT` names the option that is wrong.
 * @param own names of the options that a system has besides; given, others that are none of a run are refused */
export function runConfig(o: RunOptions, defaults: RunDefaults = {}, own?: readonly string[]): RunConfig {
  if (own) checkOptions('options', o, [...runOptions, ...own] as (keyof RunOptions)[]);
  if (o.steps !== undefined && o.minutes !== undefined) {
    throw argumentError('minutes', 'absent when steps is given', o.minutes);
  }
  const { seed = 1, weightDecay = defaults.weightDecay ?? 0, batchSize = defaults.batchSize ?? 64 } = o;
  const { learningRate: peak = defaults.learningRate ?? 1e-3, warmUp = defaults.warmUp ?? 100 } = o;
  const config: RunConfig = {
    batchSize,
    steps: o.minutes === undefined ? (o.steps ?? defaults.steps ?? 5000) : undefined,
    minutes: o.minutes,
    schedule: { peak, warmUp, decay: o.decay ?? 'cosine', floor: o.floor ?? 0.01 },
    weightDecay,
    seed,
    threads: o.threads ?? availableParallelism(),
    evaluateEvery: o.evaluateEvery,
  };
  checkRunConfig(config);
  return config;
}

/** `ERR_ARGUMENT` names what is wrong; for options, and for what a checkpoint says of its run. */
export function checkRunConfig(config: RunConfig): void {
  const integer = (name: keyof RunConfig, max: number) => {
    const v = config[name] as number | undefined;
    if (!(Number.isInteger(v) && v! >= 1 && v! <= max)) throw argumentError(name, `an integer from 1 to ${max}`, v);
  };
  const { steps, minutes, seed, weightDecay, evaluateEvery } = config;
  integer('batchSize', 65536);
  integer('threads', 1024);
  if (steps !== undefined || minutes === undefined) integer('steps', 1e9);
  if (evaluateEvery !== undefined) integer('evaluateEvery', 1e9);
  if (minutes !== undefined && !(typeof minutes === 'number' && minutes > 0 && minutes < 1e6)) {
    throw argumentError('minutes', 'a positive number', minutes);
  }
  if (!Number.isSafeInteger(seed)) throw argumentError('seed', 'an integer', seed);
  if (!(typeof weightDecay === 'number' && weightDecay >= 0 && weightDecay < 1)) {
    throw argumentError('weightDecay', 'from 0 to below 1', weightDecay);
  }
  checkSchedule(config.schedule);
}
