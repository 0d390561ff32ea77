// Takes a constant delay and a constant difference in level out of a test, and says so.
import { checkBoolean, checkOptions } from '../../util/arguments.js';
import { argumentError } from '../../util/errors.js';
import { frontEnds } from './front-end.js';
import type { Heard } from './sound.js';

export interface AlignOptions {
  /** Looks for a delay of up to so many seconds either way. `true`: 0.5. */
  delay?: number | boolean;
  /** Brings the test to the level (RMS) of the reference. */
  level?: boolean;
}

/** @throws `ERR_ARGUMENT` for options that are none */
export function checkAlign(options: AlignOptions): void {
  checkOptions('align', options, ['delay', 'level']);
  const { delay = false, level = false } = options;
  checkBoolean('align.level', level);
  if (typeof delay === 'boolean' || (typeof delay === 'number' && delay >= 0 && delay <= 10)) return;
  throw argumentError('align.delay', '0 to 10 seconds', delay);
}

/** Whether anything is to be taken out. */
export const asksFor = ({ delay = false, level = false }: AlignOptions) => delay !== false || level;

/** What was taken out of the test. */
export interface Alignment {
  /** Seconds that the test came later than the reference; negative: earlier. */
  delay?: number;
  /** dB that the test was louder. Absent, too, where one of the sounds is silent. */
  level?: number;
}

/** Samples of the coarse search are the RMS of so many. */
const COARSE = 16;

/** The test without delay and difference in level, as far as the options ask for it.
 *
 * The delay is that of the largest normalised cross-correlation: first of how the sounds' levels change over steps of a
 * millisecond, then, around the best, of the samples.
 * @param reference of the same width */
export function align(
  reference: Heard,
  test: Heard,
  { delay = false, level = false }: AlignOptions,
): { test: Heard; alignment: Alignment } {
  const most = delay === true ? 0.5 : delay === false ? 0 : delay;
  const alignment: Alignment = {};
  let { samples } = test;
  const rate = frontEnds[test.width].sampleRate;
  if (most > 0) {
    const late = findDelay(reference.samples, samples, Math.round(most * rate));
    samples = late >= 0 ? samples.subarray(Math.min(late, samples.length - 1)) : delayed(samples, -late);
    // What the delay pushed behind the reference's end, or took from it, is no difference.
    if (late !== 0) samples = ofLength(samples, reference.samples.length, late);
    alignment.delay = late / rate;
  }
  if (level) {
    const [a, b] = [rms(reference.samples), rms(samples)];
    if (a > 0 && b > 0) {
      alignment.level = 20 * Math.log10(b / a);
      samples = samples.map((v) => v * (a / b));
    }
  }
  return { test: { ...test, samples }, alignment };
}

function delayed(samples: Float32Array, by: number): Float32Array {
  const out = new Float32Array(samples.length + by);
  out.set(samples, by);
  return out;
}

/** Cut at the reference's end if a delay was taken out that had pushed it there. */
function ofLength(samples: Float32Array, length: number, late: number): Float32Array {
  return late < 0 && samples.length > length && samples.length + late <= length ? samples.subarray(0, length) : samples;
}

/** Samples by which `test` is late, within ± `most`. */
function findDelay(reference: Float32Array, test: Float32Array, most: number): number {
  const [a, b] = [changes(reference), changes(test)];
  const coarse = best(a, b, -Math.ceil(most / COARSE), Math.ceil(most / COARSE)) * COARSE;
  const fine = best(reference, test, Math.max(-most, coarse - 2 * COARSE), Math.min(most, coarse + 2 * COARSE));
  return fine;
}

/** How the level in dB changes from one step to the next. */
function changes(x: Float32Array): Float32Array {
  const steps = Math.max(1, Math.floor(x.length / COARSE));
  const out = new Float32Array(steps);
  let before = 0;
  for (let i = 0; i < steps; i++) {
    const power = x.subarray(i * COARSE, (i + 1) * COARSE).reduce((sum, v) => sum + v * v, 0) / COARSE;
    const level = Math.log(power + 1e-7);
    out[i] = i === 0 ? 0 : level - before;
    before = level;
  }
  return out;
}

/** The lag from `low` to `high` with the largest normalised correlation, 0 of several. */
function best(a: Float32Array, b: Float32Array, low: number, high: number): number {
  let found = 0;
  let most = Number.NEGATIVE_INFINITY;
  for (let lag = low; lag <= high; lag++) {
    const [first, end] = [Math.max(0, -lag), Math.min(a.length, b.length - lag)];
    let [dot, left, right] = [0, 0, 0];
    for (let i = first; i < end; i++) {
      dot += a[i]! * b[i + lag]!;
      left += a[i]! * a[i]!;
      right += b[i + lag]! * b[i + lag]!;
    }
    const similarity = left > 0 && right > 0 ? dot / Math.sqrt(left * right) : Number.NEGATIVE_INFINITY;
    if (similarity > most || (similarity === most && Math.abs(lag) < Math.abs(found)))
      [most, found] = [similarity, lag];
  }
  return found;
}

function rms(x: Float32Array): number {
  return Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length);
}
