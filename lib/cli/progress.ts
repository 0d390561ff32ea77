// How a training step is shown.
import type { HeldOutPoint } from '../train/history.js';
import type { Step } from '../train/loop.js';
import type { Progress } from './session.js';

/** What is shown of a {@link Step}. */
export interface ShownStep extends Pick<Step, 'step' | 'steps' | 'loss' | 'warnings' | 'stepsPerSecond'> {
  heldOut?: Pick<HeldOutPoint, 'loss' | 'measured'>;
  secondsLeft?: number;
}

/** @param heldOut the last held-out loss, where the step itself has none */
export function stepProgress(step: ShownStep, heldOut = step.heldOut?.loss): Progress {
  return {
    unit: 'step',
    done: step.step,
    // Given minutes, the number of steps is a guess at first.
    total: step.steps ?? step.step + Math.round((step.secondsLeft ?? 0) * step.stepsPerSecond),
    secondsLeft: step.secondsLeft,
    details: {
      loss: step.loss.toFixed(4),
      ...(heldOut !== undefined && { 'held out': heldOut.toFixed(4) }),
      speed: `${step.stepsPerSecond.toPrecision(3)} steps/s`,
    },
  };
}
