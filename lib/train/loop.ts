// The training loop, the same for every task: take a step, measure now and then, save now and then, stop well.
import { checkArrays } from '../engine/arrays.js';
import type { Batch, Losses } from '../engine/network.js';
import { learningRate } from '../systems/learning-rate.js';
import type { RunConfig } from '../systems/run-config.js';
import type { Training, Warning } from '../systems/system.js';
import type { TrainableNetwork } from '../systems/trainable-network.js';
import { checkObject } from '../util/arguments.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { type Checkpoint, checkNotDiverged } from './checkpoint.js';
import { type HeldOutPoint, record } from './history.js';

/** What a training run yields after every step. */
export interface Step extends Losses {
  /** Steps taken, this one included. */
  step: number;
  /** Steps of the whole run; given `minutes`, an estimate, undefined at first. */
  steps?: number;
  learningRate: number;
  /** Losses on held-out clips, when they were measured after this step. */
  heldOut?: HeldOutPoint;
  /** What is wrong with a run that goes on, each said once. */
  warnings?: readonly Warning[];
  /** Averaged over the last steps. */
  stepsPerSecond: number;
  secondsLeft: number;
}

export interface LoopOptions {
  network: TrainableNetwork;
  config: RunConfig;
  /** Where batches come from, and what else the run's system wants done on the way. */
  training: Pick<Training, 'batch' | 'heldOut' | 'step' | 'measure' | 'warnings' | 'rounds' | 'getState'>;
  /** Where the run stands; updated in place after every step, `state` and `extra` only for {@link LoopOptions.save}. */
  progress: Checkpoint;
  /** Called after every step, before it may be saved. */
  onStep?(step: Step): void | Promise<void>;
  /** Stores `progress`. Called every `saveEvery` seconds, before a round begins, and when the loop ends other than by an
   * error. */
  save(): Promise<void>;
  saveEvery: number;
  /** Whether other processes train along, all of which must save at a time. */
  together?: boolean;
  signal?: AbortSignal;
  /** What to tell a user whose run was interrupted: what became of it and how to go on. */
  whenInterrupted: string;
  /** Milliseconds by the clock that decides when to save and how long to train. Default: `performance.now`. */
  now?: () => number;
}

/** Trains, yielding after every step. When `signal` aborts, the step under way is finished and saved, then an
 * `AbortError` that says how to resume is thrown; leaving the `for await` early saves as well. Throws `ERR_DIVERGED`
 * when a loss stops being finite; the last checkpoint stays as it was. */
export async function* trainLoop(o: LoopOptions): AsyncGenerator<Step, void> {
  const { network, config, training, progress, signal } = o;
  const now = o.now ?? (() => performance.now());
  const speed = new Speedometer(now);
  const warned = new Set<string>();
  const secondsBefore = progress.seconds ?? 0;
  let planned = progress.steps === undefined ? 0 : milestonesPassed(secondsBefore / (60 * (config.minutes ?? 1)));
  let savedAt = now();
  let unsaved = false;
  let failed = false;
  const save = async () => {
    progress.state = network.getState();
    const extra = training.getState?.();
    if (extra !== undefined) checkArrays('what getState of the training gives', extra);
    progress.extra = extra;
    await o.save();
    savedAt = now();
    unsaved = false;
  };
  const takeStep = training.step ?? ((of, batch, optimiser) => of.step(batch, optimiser));
  const { rounds } = training;
  const beginsRound = (step: number) => rounds !== undefined && step % rounds.steps === 0;

  try {
    let next: Batch | undefined;
    let used: Batch | undefined;
    let undrawn: PromiseRejectedResult | undefined;
    while (progress.step < (progress.steps ?? Number.POSITIVE_INFINITY)) {
      if (signal?.aborted) break;
      if (undrawn) {
        if (!o.together) await save(); // the steps before are as they should be
        throw undrawn.reason;
      }
      const { step } = progress;
      if (beginsRound(step)) {
        if (unsaved) await save();
        const interrupted = await rounds!.begin(network, step / rounds!.steps).then(
          () => false,
          (error) => {
            if (!signal?.aborted) throw error;
            return true;
          },
        );
        if (interrupted) break;
      }
      const batch: Batch = next ?? (await training.batch(step, progress.steps, used));
      const free = batch === used ? undefined : used; // what is being read must not be filled again
      const rate = learningRate(config.schedule, step, progress.steps);
      // The native step starts first; the following batch is drawn while it runs.
      const running = takeStep(network, batch, { learningRate: rate, weightDecay: config.weightDecay });
      const drawing = Promise.resolve().then(() =>
        beginsRound(step + 1) ? undefined : training.batch(step + 1, progress.steps, free),
      );
      const [taken, drawn] = await Promise.allSettled([running, drawing]);
      if (taken.status === 'rejected') throw taken.reason;
      const losses = taken.value;
      checkLosses(losses);
      undrawn = drawn.status === 'rejected' ? drawn : undefined;
      [next, used] = [drawn.status === 'rejected' ? undefined : drawn.value, batch];
      if (![losses.loss, ...Object.values(losses.parts)].every(Number.isFinite)) {
        throw new Audio2VecError(
          'ERR_DIVERGED',
          `The loss became ${losses.loss} at step ${step + 1}. Start again with a learning rate below ${config.schedule.peak}. ` +
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

      const due = isDue(config, progress);
      const point = due ? await heldOutPoint(network, training, progress.step) : undefined;
      if (point) progress.history.heldOut.push(point);
      const found = (due && training.warnings?.(point?.measured ?? {}, progress.step, progress.steps)) || [];
      const warnings = found.filter(({ code }) => !warned.has(code));
      for (const { code } of warnings) warned.add(code);
      const report: Step = {
        ...losses,
        ...position(config, progress, speed),
        learningRate: rate,
        heldOut: point,
        ...(warnings.length > 0 && { warnings }),
      };
      await o.onStep?.(report);
      if (now() - savedAt >= o.saveEvery * 1000) await save();
      yield report;
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

/** @throws `ERR_ARGUMENT` for what `step` of a system's training gives, unless these are losses */
function checkLosses(losses: unknown): void {
  const { loss, parts } = (losses ?? {}) as Partial<Losses>;
  if (typeof loss !== 'number') throw argumentError('loss of what step of the training gives', 'a number', loss);
  checkObject('parts of what step of the training gives', parts);
}

/** Held-out losses and what else the system measures; undefined if it measures nothing. */
async function heldOutPoint(
  network: TrainableNetwork,
  { heldOut, measure }: LoopOptions['training'],
  step: number,
): Promise<HeldOutPoint | undefined> {
  if (measure) checkNotDiverged(network.getState(), step); // it may make a model of the weights
  const losses = await evaluateAll(network, heldOut);
  const measured = await measure?.(network);
  if (measured !== undefined) checkObject('what measure of the training gives', measured);
  for (const [name, value] of Object.entries(measured ?? {})) {
    if (typeof value !== 'number')
      throw argumentError(`${name} of what measure of the training gives`, 'a number', value);
  }
  return losses || measured ? { step, parts: {}, ...losses, ...(measured && { measured }) } : undefined;
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
function isDue(config: RunConfig, { step, steps }: Checkpoint): boolean {
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

function position(config: RunConfig, { step, steps, seconds }: Checkpoint, speed: Speedometer) {
  const stepsPerSecond = speed.perSecond;
  const secondsLeft =
    steps === undefined ? (config.minutes ?? 0) * 60 - (seconds ?? 0) : (steps - step) / stepsPerSecond;
  return { step, steps, stepsPerSecond, secondsLeft };
}

/** Speed over the last half minute or so. */
class Speedometer {
  private readonly began: number;
  private last: number;
  /** Steps and the seconds they took, older ones fading away. */
  private steps = 0;
  private took = 0;

  constructor(private readonly clock: () => number) {
    this.began = this.last = clock();
  }

  tick(): void {
    const now = this.clock();
    const took = (now - this.last) / 1000;
    const fade = Math.exp(-took / 30);
    this.last = now;
    this.steps = this.steps * fade + 1;
    this.took = this.took * fade + took;
  }

  /** Since the loop began. */
  get seconds(): number {
    return (this.clock() - this.began) / 1000;
  }

  get perSecond(): number {
    return this.took > 0 ? this.steps / this.took : 0;
  }
}
