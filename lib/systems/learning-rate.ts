// The learning rate over a run: a straight warm-up, then a half cosine down to a small fraction of the peak.
import { argumentError } from '../util/errors.js';

export interface Schedule {
  /** Learning rate after the warm-up. */
  peak: number;
  /** Steps of warm-up; the first step takes 1/warmUp of the peak. */
  warmUp: number;
  /** What follows the warm-up. */
  decay: 'cosine' | 'constant';
  /** Fraction of the peak that the cosine ends at. */
  floor: number;
}

export function checkSchedule({ peak, warmUp, decay, floor }: Schedule): void {
  if (!(typeof peak === 'number' && peak > 0 && peak <= 10))
    throw argumentError('learningRate', 'a positive number up to 10', peak);
  if (!Number.isInteger(warmUp) || warmUp < 0) throw argumentError('warmUp', 'a number of steps, 0 or more', warmUp);
  if (decay !== 'cosine' && decay !== 'constant') throw argumentError('decay', '"cosine" or "constant"', decay);
  if (!(typeof floor === 'number' && floor >= 0 && floor <= 1)) throw argumentError('floor', 'from 0 to 1', floor);
}

/** Learning rate of step `step` (from 0) of `steps`; while the number of steps is not known yet, the rate stays at the
 * peak after the warm-up. */
export function learningRate({ peak, warmUp, decay, floor }: Schedule, step: number, steps?: number): number {
  if (step < warmUp) return (peak * (step + 1)) / warmUp;
  if (decay === 'constant' || steps === undefined || steps <= warmUp) return peak;
  const done = Math.min(1, (step - warmUp) / (steps - warmUp));
  return peak * (floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * done)));
}
