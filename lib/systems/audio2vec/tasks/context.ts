// The neighbourhood that CBoW and skip-gram share: `past` slices, the middle one, `future` slices, with `gap` frames
// between neighbours so that overlapping analysis windows cannot leak one slice into the next.
import type { Random } from '../../../util/random.js';
import type { Clip } from '../../clip-draw.js';
import { checkInteger, maxDistanceFrames } from './task.js';

export interface ContextOptions {
  /** Context slices before the middle one (P). */
  past: number;
  /** Context slices after it. */
  future: number;
  /** Frames between neighbouring slices (G). */
  gap: number;
}

export const contextDefaults: ContextOptions = { past: 2, future: 2, gap: 2 };

export function checkContext({ past, future, gap }: ContextOptions): void {
  checkInteger('past', past, 0, 16);
  checkInteger('future', future, past === 0 ? 1 : 0, 16);
  checkInteger('gap', gap, 0, maxDistanceFrames);
}

export function contextSpan({ past, future, gap }: ContextOptions, frames: number): number {
  return (past + 1 + future) * frames + (past + future) * gap;
}

/** Draws where the neighbourhood begins, uniformly: first frame of the middle slice and of its neighbours in order. */
export function sampleContext(
  rng: Random,
  clip: Clip,
  options: ContextOptions,
  frames: number,
): { middle: number; neighbours: number[] } {
  const start = clip.start + rng.int(clip.frames - contextSpan(options, frames) + 1);
  const at = (i: number) => start + i * (frames + options.gap);
  const neighbours: number[] = [];
  for (let i = 0; i <= options.past + options.future; i++) if (i !== options.past) neighbours.push(at(i));
  return { middle: at(options.past), neighbours };
}
