// Draws clips. A clip's chance is the number of places where an example can begin in it, so that every such place of
// the corpus is equally likely: an hour of recording counts as an hour, however it is cut into files.

import { Audio2VecError } from '../util/errors.js';
import type { Random } from '../util/random.js';

/** The frames [start, start + frames) of a feature store that belong to one clip. */
export interface Clip {
  start: number;
  frames: number;
}

export class ClipDraw {
  /** Number of clips that are long enough. */
  readonly size: number;
  private readonly starts: Float64Array;
  private readonly lengths: Float64Array;
  /** Places in this clip and all before it. */
  private readonly cumulative: Float64Array;

  /** @param clips indices of the clips to draw from; those shorter than `span` frames are left out
   * @param purpose named in the `ERR_DATASET` thrown when fewer than `atLeast` clips are long enough, as is the `remedy` */
  constructor(
    clipStarts: Float64Array,
    clips: ArrayLike<number>,
    span: number,
    purpose: string,
    atLeast = 1,
    remedy = 'make slices shorter or fewer',
  ) {
    const length = (i: number) => clipStarts[i + 1]! - clipStarts[i]!;
    const usable = Array.from(clips).filter((i) => length(i) >= span);
    if (usable.length < atLeast) {
      const longest = Array.from(clips).reduce((most, i) => Math.max(most, length(i)), 0);
      throw new Audio2VecError(
        'ERR_DATASET',
        `${purpose} needs ${atLeast === 1 ? 'a clip' : `${atLeast} clips`} of at least ${span} frames, but ` +
          (clips.length === 0
            ? 'there is none: add recordings.'
            : `of ${clips.length} clips ${usable.length} are that long (the longest has ${longest} frames). ` +
              `Add longer recordings, or ${remedy}.`),
      );
    }
    this.size = usable.length;
    this.starts = Float64Array.from(usable, (i) => clipStarts[i]!);
    this.lengths = Float64Array.from(usable, length);
    let places = 0;
    this.cumulative = this.lengths.map((frames) => {
      places += frames - span + 1;
      return places;
    });
  }

  clip(index: number): Clip {
    return { start: this.starts[index]!, frames: this.lengths[index]! };
  }

  /** Index of a clip. */
  draw(rng: Random): number {
    const place = rng.int(this.cumulative[this.size - 1]!);
    let [low, high] = [0, this.size - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (place < this.cumulative[middle]!) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Index of a clip that is not in `taken`. Throws `ERR_DATASET` if that leaves none. */
  drawExcept(rng: Random, taken: ReadonlySet<number>): number {
    // Among many clips the first tries succeed; where a few long ones crowd the rest, any free clip will do.
    for (let tries = 0; tries < 32; tries++) {
      const index = this.draw(rng);
      if (!taken.has(index)) return index;
    }
    if (this.size <= taken.size) {
      const message =
        `Another clip is asked for than ${taken.size} of the ${this.size} that are long enough: add recordings. A task ` +
        "that asks for others must say so (negatives: 'example'), so that none is without.";
      throw new Audio2VecError('ERR_DATASET', message);
    }
    let index = rng.int(this.size);
    while (taken.has(index)) index = (index + 1) % this.size;
    return index;
  }
}
