// Which slices a recording is cut into, and what time they stand for.
import { argumentError } from '../util/errors.js';
import { type FrontEndConfig, frontEndOf } from './front-ends.js';

/** First frames of the slices of a recording: one every `hop` frames. If frames are left over at the end, one more
 * slice ends with the last of them, so that nothing is missed; not so when `hop` is longer than a slice, because then
 * frames are left out on purpose. A recording shorter than a slice has one that starts with it.
 * @param step of which `hop` is a multiple: that one more slice begins at a multiple too, and leaves out fewer than `step` */
export function sliceStarts(frames: number, slice: number, hop: number, step = 1): Float64Array {
  const whole = frames < slice ? 1 : 1 + Math.floor((frames - slice) / hop);
  const lastStart = Math.floor((frames - slice) / step) * step;
  const last = lastStart > (whole - 1) * hop && hop <= slice ? 1 : 0;
  return Float64Array.from({ length: whole + last }, (_, i) => (i < whole ? i * hop : lastStart));
}

/** Middle of a slice in seconds from the start of the recording. */
export function sliceMiddle(start: number, slice: number, config: FrontEndConfig): number {
  const entry = frontEndOf(config);
  const centres = entry.frameCentre(start, config) + entry.frameCentre(start + slice - 1, config);
  return centres / 2 / config.sampleRate;
}

/** The fewest samples that give `frames` frames. */
export function samplesOf(frames: number, config: FrontEndConfig): number {
  return frontEndOf(config).sampleCount(frames, config);
}

/** The time from slice to slice, in one of two units. */
export interface HopOptions {
  /** Seconds from one slice to the next, to the nearest frame; default: half a slice (0.48 s). */
  hopSeconds?: number;
  /** The same in frames (10 ms each, unless the front end says otherwise).
   * @deprecated Give `hopSeconds`. */
  hop?: number;
}

/** Their names. */
export const hopOptions = ['hopSeconds', 'hop'] as const satisfies (keyof HopOptions)[];

/** Frames from slice to slice, of one who asked in either unit. */
export function hopFrames({ hopSeconds, hop }: HopOptions, slice: number, frontEnd: FrontEndConfig): number {
  if (hopSeconds === undefined) return checkHop(hop, slice);
  if (hop !== undefined) throw argumentError('hop', 'absent when hopSeconds is given', hop);
  const frames = Math.round((hopSeconds * frontEnd.sampleRate) / frontEnd.hop);
  if (hopSeconds > 0 && frames <= LONGEST_HOP) return Math.max(1, frames);
  const longest = Math.floor((LONGEST_HOP * frontEnd.hop) / frontEnd.sampleRate);
  throw argumentError('hopSeconds', `a number above 0, at most ${longest}`, hopSeconds);
}

const LONGEST_HOP = 2 ** 20; // frames

/** Frames from slice to slice: what was asked for, or half a slice; a multiple of `step`. */
export function checkHop(hop: number | undefined, slice: number, step = 1): number {
  if (hop === undefined) return Math.max(1, Math.floor(slice / 2 / step)) * step;
  if (!Number.isInteger(hop) || hop < 1 || hop > LONGEST_HOP) {
    throw argumentError('hop', `an integer from 1 to ${LONGEST_HOP} (frames)`, hop);
  }
  if (hop % step !== 0) throw argumentError('hop', `a multiple of the ${step} frames that outputs stand for`, hop);
  return hop;
}
