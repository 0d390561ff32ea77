// Which clips train and which are held out. Split by clip, never inside one, so that no recording is on both sides.
import { Random } from '../util/random.js';

export interface Split {
  /** Indices of clips, ascending. */
  train: Int32Array;
  heldOut: Int32Array;
}

/** Splits clips at random, decided by the seed. Clips long enough for the task (`usable`) and the rest are divided in
 * the same proportion, so that a corpus of mostly short clips still holds some usable ones out.
 * @param clipStarts first frame of each clip and one past the last: clips + 1 entries
 * @param span frames a clip must have to be usable
 * @param fraction of the clips to hold out, from 0 to below 1; at least one usable clip is, and one is left, unless it is 0 */
export function splitClips(clipStarts: Float64Array, span: number, fraction: number, seed: number): Split {
  const rng = new Random(seed).fork('split');
  const clips = Array.from({ length: Math.max(0, clipStarts.length - 1) }, (_, i) => i);
  const isUsable = (i: number) => clipStarts[i + 1]! - clipStarts[i]! >= span;
  const usable = rng.shuffle(clips.filter(isUsable));
  const short = rng.shuffle(clips.filter((i) => !isUsable(i)));
  const wanted = fraction > 0 ? Math.max(1, Math.round(fraction * usable.length)) : 0;
  const held = Math.min(wanted, Math.max(0, usable.length - 1));
  const heldShort = held > 0 ? Math.round(fraction * short.length) : 0;
  const ascending = (parts: number[][]) => Int32Array.from(parts.flat()).sort();
  return {
    train: ascending([usable.slice(held), short.slice(heldShort)]),
    heldOut: ascending([usable.slice(0, held), short.slice(0, heldShort)]),
  };
}
