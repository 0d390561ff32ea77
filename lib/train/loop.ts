// The training loop, the same for every task: take a step, measure now and then, save now and then, stop well.
import type { Batch, Losses } from '../engine/network.js';
import { Audio2VecError } from '../errors.js';
import type { Checkpoint } from './checkpoint.js';
import type { TrainingConfig } from './config.js';
import type { TrainableNetwork } from './engine.js';
import { record } from './history.js';
import { learningRate } from './schedule.js';

/** What a training run yields after every step. */
export interface Step extends Losses {
  /** Steps taken, this one included. */
  step: number;
  /** Steps of the whole run; undefined while `minutes` is still being turned into steps. */
  steps?: number;
  learningRate: number;
  /** Losses on held-out clips, when they were measured after this step. */
  heldOut?: Losses;
  /** Averaged over the last steps. */
  stepsPerSecond: number;
  secondsLeft: number;
}

export interface LoopOptions {
  network: TrainableNetwork;
  config: TrainingConfig;
  /** Batch by step, from 0: a pure function, called one step ahead. */
  batch(step: number): Batch;
  /** Batches that held-out losses are averaged over; empty: they are not measured. */
  heldOut: readonly Batch[];
  /** Where the run stands; updated in place after every step, `state` only for {@link LoopOptions.save}. */
  progress: Checkpoint;
  /** Stores `progress`. Called every `saveEvery` seconds, and when the loop ends other than by an error. */
  save(): Promise<void>;
  saveEvery: number;
  signal?: AbortSignal;
  /** What to tell a user whose run was interrupted. */
  howToResume: string;
}

/** Trains, yielding after every step. When `signal` aborts, the step under way is finished and saved, then an
 * `AbortError` that says how to resume is thrown; leaving the `for await` early saves as well. Throws `ERR_DIVERGED`
 * when a loss stops being finite; the last checkpoint stays as it was. */
export async function* trainLoop(o: LoopOptions): AsyncGenerator<Step, void> {
  const { network, config, progress, signal } = o;
  const speed = new Speedometer();
  let savedAt = performance.now();
  let unsaved = false;
  let failed = false;
  const save = async () => {
    progress.state = network.getState();
    await o.save();
    savedAt = performance.now();
    unsaved = false;
  };

  try {
    let next = o.batch(progress.step);
    while (progress.step < (progress.steps ?? Number.POSITIVE_INFINITY)) {
      if (signal?.aborted) break;
      const rate = learningRate(config.schedule, progress.step, progress.steps);
      const batch = next;
      const adam = { learningRate: rate, weightDecay: config.weightDecay };
      // The native step starts first; the following batch is drawn while it runs.
      const running = network.step(batch, adam);
      const [losses, following] = await Promise.all([running, Promise.resolve(progress.step + 1).then(o.batch)]);
      next = following;
      if (![losses.loss, ...Object.values(losses.parts)].every(Number.isFinite)) {
        throw new Audio2VecError(
          'ERR_DIVERGED',
          `The loss became ${losses.loss} at step ${progress.step + 1}. Start again with a learning rate below ${config.schedule.peak}. ` +
            'The last checkpoint, if there is one, is from before.',
        );
      }
      progress.step++;
      unsaved = true;
      record(progress.history, losses);
      speed.tick();
      progress.steps ??= planSteps(config, progress.step, speed);

      const heldOut = isDue(config, progress) ? await evaluateAll(network, o.heldOut) : undefined;
      if (heldOut) progress.history.heldOut.push({ step: progress.step, ...heldOut });
      if (performance.now() - savedAt >= o.saveEvery * 1000) await save();
      yield { ...losses, ...position(config, progress, speed), learningRate: rate, heldOut };
    }
  } catch (error) {
    failed = true; // the network may be anywhere between two steps: the last checkpoint is the better one
    throw error;
  } finally {
    if (unsaved && !failed) await save();
  }
  if (progress.step !== progress.steps) {
    const message = `Interrupted after step ${progress.step}, which is saved. ${o.howToResume}`;
    throw Object.assign(new DOMException(message, 'AbortError'), { cause: signal?.reason });
  }
}

/** Mean losses over batches; undefined if there are none. */
export async function evaluateAll(network: TrainableNetwork, batches: readonly Batch[]): Promise<Losses | undefined> {
  if (batches.length === 0) return undefined;
  const mean: Losses = { loss: 0, parts: {} };
  for (const batch of batches) {
    const { loss, parts } = await network.evaluate(batch);
    mean.loss += loss / batches.length;
    for (const [name, value] of Object.entries(parts)) {
      mean.parts[name] = (mean.parts[name] ?? 0) + value / batches.length;
    }
  }
  return mean;
}

/** Whether held-out losses are measured after this step: at regular steps and after the last. */
function isDue(config: TrainingConfig, { step, steps }: Checkpoint): boolean {
  if (step === steps) return true;
  const every = config.evaluateEvery ?? (steps && Math.ceil(steps / 40));
  return every !== undefined && step % every === 0;
}

/** Steps that fit into `minutes`, once 5 % of the time and 20 steps have shown the speed. */
function planSteps({ minutes }: TrainingConfig, step: number, speed: Speedometer): number | undefined {
  if (minutes === undefined) return undefined;
  const seconds = speed.seconds;
  if (step < 20 || seconds < 3 * minutes) return undefined;
  return step + Math.max(1, Math.floor((minutes * 60 - seconds) * (speed.ticks / seconds)));
}

function position(config: TrainingConfig, { step, steps }: Checkpoint, speed: Speedometer) {
  const stepsPerSecond = speed.perSecond;
  const secondsLeft =
    steps === undefined ? (config.minutes ?? 0) * 60 - speed.seconds : (steps - step) / stepsPerSecond;
  return { step, steps, stepsPerSecond, secondsLeft };
}

/** Steps since the loop began, and their speed over the last half minute or so. */
class Speedometer {
  ticks = 0;
  private readonly began = performance.now();
  private last = this.began;
  /** Exponential mean of the seconds a step takes. */
  private mean = 0;

  tick(): void {
    const now = performance.now();
    const took = (now - this.last) / 1000;
    this.last = now;
    this.ticks++;
    // A step weighs as much as the time it took in a memory of 30 s, and at first as one of all.
    const weight = Math.max(1 / this.ticks, 1 - Math.exp(-took / 30));
    this.mean += weight * (took - this.mean);
  }

  get seconds(): number {
    return (performance.now() - this.began) / 1000;
  }

  get perSecond(): number {
    return this.mean > 0 ? 1 / this.mean : 0;
  }
}
