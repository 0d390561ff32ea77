// Two slices of one clip at a bounded distance: what the triplet and contrastive tasks take for "the same thing".
import { argumentError } from '../../../util/errors.js';
import type { Random } from '../../../util/random.js';
import type { Clip } from '../../clip-draw.js';
import { checkInteger, maxDistanceFrames } from './task.js';

export interface PairOptions {
  /** Smallest distance between the starts of the two slices, in frames. */
  minDistance: number;
  /** Largest distance. A clip too short for it gives the distances that fit. */
  maxDistance: number;
}

export function checkPair({ minDistance, maxDistance }: PairOptions): void {
  checkInteger('minDistance', minDistance, 0, maxDistanceFrames);
  checkInteger('maxDistance', maxDistance, 0, maxDistanceFrames);
  if (maxDistance < minDistance) {
    throw argumentError('maxDistance', `at least minDistance (${minDistance})`, maxDistance);
  }
}

export function pairSpan({ minDistance }: PairOptions, frames: number): number {
  return frames + minDistance;
}

/** Draws the distance uniformly, then the place, then the order. */
export function samplePair(rng: Random, clip: Clip, options: PairOptions, frames: number): [number, number] {
  const longest = Math.min(options.maxDistance, clip.frames - frames);
  const distance = options.minDistance + rng.int(longest - options.minDistance + 1);
  const first = clip.start + rng.int(clip.frames - frames - distance + 1);
  return rng.int(2) ? [first + distance, first] : [first, first + distance];
}
