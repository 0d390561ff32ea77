// How a training step is shown.
import type { TrainingStep } from './operations.js';
import type { Progress } from './session.js';

/** @param heldOut the last held-out loss, where the step itself has none */
export function stepProgress(step: TrainingStep, heldOut = step.heldOut): Progress {
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
