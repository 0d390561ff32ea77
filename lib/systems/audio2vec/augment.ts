// Random augmentations of the slices an encoder sees (never of the slices a decoder must rebuild). Drawn here as plain
// data, applied natively while slices are gathered.
import type { Augmentation } from '../../engine/augmentation.js';
import type { EncoderConfig } from '../../models/blocks.js';
import { argumentError } from '../../util/errors.js';
import type { Random } from '../../util/random.js';
import type { ClipDraw } from '../clip-draw.js';

/** Everything is off at 0. Each slice draws its own. */
export interface AugmentationOptions {
  /** Longest run of frames masked; the length is uniform from 0. */
  timeMask: number;
  /** Widest run of bands masked; the width is uniform from 0. */
  bandMask: number;
  /** Gain uniform within ± this many decibels. */
  gain: number;
  /** A random filter: decibels uniform within ± this at {@link filterPoints} bands from the lowest to the highest, and on
   * straight lines between them. What stays the same is not how a room or a microphone colours sound. */
  filter: number;
  /** Probability that another slice of the corpus is mixed in. */
  mix: number;
  /** Its level, uniform between these, in decibels relative to how it was recorded. */
  mixFrom: number;
  mixTo: number;
}

/** Bands at which a random filter's response is drawn. */
const filterPoints = 5;

export const noAugmentation: AugmentationOptions = {
  timeMask: 0,
  bandMask: 0,
  gain: 0,
  filter: 0,
  mix: 0,
  mixFrom: -20,
  mixTo: -5,
};

/** What pretraining with `contrastive` does by default, for slices of this size; docs/recipe.md says how it was chosen. */
export function recipeAugmentation({ frames, bands }: EncoderConfig): AugmentationOptions {
  return {
    timeMask: Math.floor(frames / 4),
    bandMask: Math.floor((3 * bands) / 16),
    gain: 6,
    filter: 6,
    mix: 1,
    mixFrom: -20,
    mixTo: -5,
  };
}

export function checkAugmentation(a: AugmentationOptions, { frames, bands }: EncoderConfig): void {
  const within = (key: keyof AugmentationOptions, min: number, max: number, integer = false) => {
    const v = a[key];
    if (!(v >= min && v <= max) || (integer && !Number.isInteger(v))) {
      throw argumentError(`augmentation.${key}`, `${integer ? 'an integer' : 'a number'} from ${min} to ${max}`, v);
    }
  };
  within('timeMask', 0, frames, true);
  within('bandMask', 0, bands, true);
  within('gain', 0, 60);
  within('filter', 0, 60);
  within('mix', 0, 1);
  within('mixFrom', -100, 60);
  within('mixTo', a.mixFrom, 60);
}

/** Whether anything is on. */
export function augments({ timeMask, bandMask, gain, filter, mix }: AugmentationOptions): boolean {
  return timeMask > 0 || bandMask > 0 || gain > 0 || filter > 0 || mix > 0;
}

/** Draws augmentations for `slices` slices.
 * @param background where mixed-in slices come from: clips of at least a slice
 * @param used augmentations drawn earlier with the same options and no longer needed: filled again and returned */
export function drawAugmentation(
  rng: Random,
  slices: number,
  { frames, bands }: EncoderConfig,
  options: AugmentationOptions,
  background: ClipDraw,
  used?: Augmentation,
): Augmentation {
  const { timeMask, bandMask, gain, filter, mix, mixFrom, mixTo } = options;
  const into = used ?? augmentationArrays(slices, bands, options);
  if (into.mix) {
    for (let i = 0; i < slices; i++) {
      const clip = background.clip(background.draw(rng));
      into.mix.frames[i] = clip.start + rng.int(clip.frames - frames + 1);
      const level = lnPower(rng.uniform(mixFrom, mixTo));
      into.mix.gain[i] = rng.uniform() < mix ? level : Number.NEGATIVE_INFINITY;
    }
  }
  if (into.gain) {
    const points = new Float64Array(filterPoints);
    for (let i = 0; i < slices; i++) {
      const level = lnPower(rng.uniform(-gain, gain));
      for (let p = 0; p < filterPoints; p++)
        points[p] = level + (filter > 0 ? lnPower(rng.uniform(-filter, filter)) : 0);
      fillLines(points, into.gain, i * bands, bands);
    }
  }
  if (into.mask) {
    for (let i = 0; i < slices; i++) {
      drawStrip(rng, timeMask, frames, into.mask, 4 * i);
      drawStrip(rng, bandMask, bands, into.mask, 4 * i + 2);
    }
  }
  return into;
}

/** Room for the augmentations of `slices` slices that `options` turn on. */
function augmentationArrays(slices: number, bands: number, options: AugmentationOptions): Augmentation {
  const { timeMask, bandMask, gain, filter, mix } = options;
  return {
    ...(mix > 0 && { mix: { frames: new Float64Array(slices), gain: new Float32Array(slices) } }),
    ...((gain > 0 || filter > 0) && { gain: new Float32Array(slices * bands) }),
    ...((timeMask > 0 || bandMask > 0) && { mask: new Int16Array(4 * slices) }),
  };
}

/** Decibels as the natural logarithm of a power ratio, which is what log-mel values are. */
function lnPower(decibels: number): number {
  return (decibels * Math.LN10) / 10;
}

/** Straight lines through `points`, over the bands of one slice in `gain`. */
function fillLines(points: Float64Array, gain: Float32Array, from: number, bands: number): void {
  const step = (points.length - 1) / Math.max(1, bands - 1);
  for (let f = 0; f < bands; f++) {
    const left = Math.min(Math.floor(f * step), points.length - 2);
    gain[from + f] = points[left]! + (f * step - left) * (points[left + 1]! - points[left]!);
  }
}

/** A run [from, to) inside [0, size), its length uniform on 0 … longest, into `mask` from `at` on. */
function drawStrip(rng: Random, longest: number, size: number, mask: Int16Array, at: number): void {
  const length = rng.int(longest + 1);
  mask[at] = rng.int(size - length + 1);
  mask[at + 1] = mask[at] + length;
}
