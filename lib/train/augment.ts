// Random alterations of the slices an encoder sees (never of the slices a decoder must rebuild). Drawn here as plain
// data, applied natively while slices are gathered.
import type { Augmentation } from '../engine/augmentation.js';
import { argumentError } from '../errors.js';
import type { EncoderConfig } from '../model/audio2vec.js';
import type { Random } from '../random.js';
import type { ClipDraw } from './clip-draw.js';

/** Everything is off at 0. Each slice draws its own. */
export interface AugmentationOptions {
  /** Longest run of frames masked; the length is uniform from 0. */
  timeMask: number;
  /** Widest run of bands masked; the width is uniform from 0. */
  bandMask: number;
  /** Gain uniform within ± this many decibels. */
  gain: number;
  /** Probability that another slice of the corpus is mixed in. */
  mix: number;
  /** Its level, uniform between these, in decibels relative to how it was recorded. */
  mixFrom: number;
  mixTo: number;
}

export const noAugmentation: AugmentationOptions = {
  timeMask: 0,
  bandMask: 0,
  gain: 0,
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
  within('mix', 0, 1);
  within('mixFrom', -100, 60);
  within('mixTo', a.mixFrom, 60);
}

/** Whether anything is on. */
export function augments({ timeMask, bandMask, gain, mix }: AugmentationOptions): boolean {
  return timeMask > 0 || bandMask > 0 || gain > 0 || mix > 0;
}

/** Draws alterations for `slices` slices.
 * @param background where mixed-in slices come from: clips of at least a slice
 * @param used alterations drawn earlier with the same options and no longer needed: filled again and returned */
export function drawAugmentation(
  rng: Random,
  slices: number,
  { frames, bands }: EncoderConfig,
  options: AugmentationOptions,
  background: ClipDraw,
  used?: Augmentation,
): Augmentation {
  const { timeMask, bandMask, gain, mix, mixFrom, mixTo } = options;
  const into = used ?? augmentationArrays(slices, options);
  if (into.mix) {
    for (let i = 0; i < slices; i++) {
      const clip = background.clip(background.draw(rng));
      into.mix.frames[i] = clip.start + rng.int(clip.frames - frames + 1);
      const level = lnPower(rng.uniform(mixFrom, mixTo));
      into.mix.gain[i] = rng.uniform() < mix ? level : Number.NEGATIVE_INFINITY;
    }
  }
  if (into.gain) for (let i = 0; i < slices; i++) into.gain[i] = lnPower(rng.uniform(-gain, gain));
  if (into.mask) {
    for (let i = 0; i < slices; i++) {
      drawStrip(rng, timeMask, frames, into.mask, 4 * i);
      drawStrip(rng, bandMask, bands, into.mask, 4 * i + 2);
    }
  }
  return into;
}

/** Room for the alterations of `slices` slices that `options` turn on. */
function augmentationArrays(slices: number, options: AugmentationOptions): Augmentation {
  const { timeMask, bandMask, gain, mix } = options;
  return {
    ...(mix > 0 && { mix: { frames: new Float64Array(slices), gain: new Float32Array(slices) } }),
    ...(gain > 0 && { gain: new Float32Array(slices) }),
    ...((timeMask > 0 || bandMask > 0) && { mask: new Int16Array(4 * slices) }),
  };
}

/** Decibels as the natural logarithm of a power ratio, which is what log-mel values are. */
function lnPower(decibels: number): number {
  return (decibels * Math.LN10) / 10;
}

/** A run [from, to) inside [0, size), its length uniform on 0 … longest, into `mask` from `at` on. */
function drawStrip(rng: Random, longest: number, size: number, mask: Int16Array, at: number): void {
  const length = rng.int(longest + 1);
  mask[at] = rng.int(size - length + 1);
  mask[at + 1] = mask[at] + length;
}
