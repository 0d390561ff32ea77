// The training loop, the same for every task: take a step, measure now and then, save now and then, stop well.
import type { Batch, Losses } from '../engine/network.js';
import { learningRate } from '../systems/schedule.js';
import { Audio2VecError } from '../util/errors.js';
import type { Checkpoint } from './checkpoint.js';
import type { TrainingConfig } from './config.js';
import type { TrainableNetwork } from './engine.js';
import { record } from './history.js';

/** What a training run yields after every step. */
export interface Step extends Losses {
  /** Steps taken, this one included. */
  step: number;
  /** Steps of the whole run; given `minutes`, an estimate, undefined at first. */
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
  /** Batch by step, from 0: decided by the step alone, called one step ahead. `used` is an earlier batch of no more use,
   * whose arrays may be filled again. */
  batch(step: number, used?: Batch): Batch;
  /** Batches that held-out losses are averaged over; empty: they are not measured. */
  heldOut: readonly Batch[];
  /** Where the run stands; updated in place after every step, `state` only for {@link LoopOptions.save}. */
  progress: Checkpoint;
  /** Stores `progress`. Called every `saveEvery` seconds, and when the loop ends other than by an error. */
  save(): Promise<void>;
  saveEvery: number;
  signal?: AbortSignal;
  /** What to tell a user whose run was interrupted: what became of it and how to go on. */
  whenInterrupted: string;
}

/** Trains, yielding after every step. When `signal` aborts, the step under way is finished and saved, then an
 * `AbortError` that says how to resume is thrown; leaving the `for await` early saves as well. Throws `ERR_DIVERGED`
 * when a loss stops being finite; the last checkpoint stays as it was. */
export async function* trainLoop(o: LoopOptions): AsyncGenerator<Step, void> {
  const { network, config, progress, signal } = o;
  const speed = new Speedometer();
  const secondsBefore = progress.seconds ?? 0;
  let planned = progress.steps === undefined ? 0 : milestonesPassed(secondsBefore / (60 * (config.minutes ?? 1)));
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
    let used: Batch | undefined;
    while (progress.step < (progress.steps ?? Number.POSITIVE_INFINITY)) {
      if (signal?.aborted) break;
      const rate = learningRate(config.schedule, progress.step, progress.steps);
      const batch = next;
      const adam = { learningRate: rate, weightDecay: config.weightDecay };
      // The native step starts first; the following batch is drawn while it runs.
      const running = network.step(batch, adam);
      const drawing = Promise.resolve().then(() => o.batch(progress.step + 1, used));
      const [losses, following] = await Promise.all([running, drawing]);
      [next, used] = [following, batch];
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
      if (config.minutes !== undefined) {
        progress.seconds = secondsBefore + speed.seconds;
        planned = planSteps(config.minutes * 60, progress, speed.perSecond, planned);
      }

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
    const message = `Interrupted after step ${progress.step}. ${o.whenInterrupted}`;
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

/** Fractions of the time at which it is turned into steps, by the speed at that moment: again and again, because other
 * work on the machine comes and goes. */
const milestones = [0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95];

function milestonesPassed(fraction: number): number {
  return milestones.filter((m) => m <= fraction).length;
}

/** Plans at a milestone, not before 20 steps have shown the speed; returns how many milestones are behind. */
function planSteps(wanted: number, progress: Checkpoint, stepsPerSecond: number, planned: number): number {
  const { step, seconds = 0 } = progress;
  const passed = milestonesPassed(seconds / wanted);
  if (passed === planned || step < 20) return planned;
  progress.steps = step + Math.max(0, Math.floor((wanted - seconds) * stepsPerSecond));
  return passed;
}

function position(config: TrainingConfig, { step, steps, seconds }: Checkpoint, speed: Speedometer) {
  const stepsPerSecond = speed.perSecond;
  const secondsLeft =
    steps === undefined ? (config.minutes ?? 0) * 60 - (seconds ?? 0) : (steps - step) / stepsPerSecond;
  return { step, steps, stepsPerSecond, secondsLeft };
}

/** Speed over the last half minute or so. */
class Speedometer {
  private readonly began = performance.now();
  private last = this.began;
  /** Steps and the seconds they took, older ones fading away. */
  private steps = 0;
  private took = 0;

  tick(): void {
    const now = performance.now();
    const took = (now - this.last) / 1000;
    const fade = Math.exp(-took / 30);
    this.last = now;
    this.steps = this.steps * fade + 1;
    this.took = this.took * fade + took;
  }

  /** Since the loop began. */
  get seconds(): number {
    return (performance.now() - this.began) / 1000;
  }

  get perSecond(): number {
    return this.took > 0 ? this.steps / this.took : 0;
  }
}
