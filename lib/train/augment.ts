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
    filter: 0,
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

/** Draws alterations for `slices` slices.
 * @param background where mixed-in slices come from: clips of at least a slice */
export function drawAugmentation(
  rng: Random,
  slices: number,
  { frames, bands }: EncoderConfig,
  options: AugmentationOptions,
  background: ClipDraw,
): Augmentation {
  const { timeMask, bandMask, gain, filter, mix, mixFrom, mixTo } = options;
  const result: Augmentation = {};
  if (mix > 0) {
    result.mix = { frames: new Float64Array(slices), gain: new Float32Array(slices).fill(Number.NEGATIVE_INFINITY) };
    for (let i = 0; i < slices; i++) {
      const clip = background.clip(background.draw(rng));
      result.mix.frames[i] = clip.start + rng.int(clip.frames - frames + 1);
      const level = lnPower(rng.uniform(mixFrom, mixTo));
      if (rng.uniform() < mix) result.mix.gain[i] = level;
    }
  }
  if (gain > 0 || filter > 0) {
    result.gain = new Float32Array(slices * bands);
    for (let i = 0; i < slices; i++) {
      const level = rng.uniform(-gain, gain);
      const points = Array.from(
        { length: filterPoints },
        () => level + (filter > 0 ? rng.uniform(-filter, filter) : 0),
      );
      for (let f = 0; f < bands; f++) result.gain[i * bands + f] = lnPower(onLines(points, f / Math.max(1, bands - 1)));
    }
  }
  if (timeMask > 0 || bandMask > 0) {
    result.mask = new Int16Array(4 * slices);
    for (let i = 0; i < slices; i++) {
      result.mask.set([...strip(rng, timeMask, frames), ...strip(rng, bandMask, bands)], 4 * i);
    }
  }
  return result;
}

/** Decibels as the natural logarithm of a power ratio, which is what log-mel values are. */
function lnPower(decibels: number): number {
  return (decibels * Math.LN10) / 10;
}

/** Where straight lines from point to point are at `x`, 0 at the first and 1 at the last. */
function onLines(points: readonly number[], x: number): number {
  const at = x * (points.length - 1);
  const left = Math.min(Math.floor(at), points.length - 2);
  return points[left]! + (at - left) * (points[left + 1]! - points[left]!);
}

/** A run [from, to) inside [0, size), its length uniform on 0 … longest. */
function strip(rng: Random, longest: number, size: number): [number, number] {
  const length = rng.int(longest + 1);
  const from = rng.int(size - length + 1);
  return [from, from + length];
}
