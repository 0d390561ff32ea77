// What a front end is: how samples become frames of features. One entry for each kind stands in front-end-list.ts; all that
// the rest of the package knows of a kind it asks of its entry.
import type { NativeFrontEnd } from '../native/types.js';
import { argumentError } from '../util/errors.js';
import type { FrontEndWriter } from './front-end-writer.js';

/** What every front end's configuration has. */
export interface FrontEndBase {
  kind: string;
  /** Samples per second. */
  sampleRate: number;
  /** Samples from one frame to the next. */
  hop: number;
}

export { DONE, NOT_FINITE } from '../native/constants.js'; // what a {@link FrontEndKernel} returns

/** The arithmetic of a front end with its tables, built once for a configuration and an instruction set. Arguments have
 * been checked: `samples` is plain memory, `out` has exactly the values that come. A result that is not finite makes
 * the status {@link NOT_FINITE}. */
export type FrontEndKernel = NativeFrontEnd;

/** Where the frames lie in a recording. */
export interface FrameGeometry<C extends FrontEndBase> {
  /** Frames that so many samples give. */
  frameCount(samples: number, config: C): number;
  /** The fewest samples that give `frames` frames (≥ 1). */
  sampleCount(frames: number, config: C): number;
  /** The time that a frame stands for: its centre, in samples from the start of the recording. */
  frameCentre(frame: number, config: C): number;
  /** Samples after its centre that a frame needs, which is how much later than its centre it can come in a stream. */
  latency(config: C): number;
}

/** Frames as they come in a stream. */
export interface FrontEndStream {
  /** New frames `[frames, width]`, in an array that is the caller's; empty if none is complete yet. After an error the
   * stream is as if just {@link reset}. All frames together are bit-equal to those of all samples together. */
  push(chunk: Float32Array): Float32Array;
  /** The frames that wait for samples after the end of the recording, which is over: the next sample starts another.
   * Streams of frames that lie within the recording have none. */
  flush?(): Float32Array;
  /** Forgets all samples: the next one starts a new recording. */
  reset(): void;
}

/** One kind of front end. */
export interface FrontEnd<C extends FrontEndBase = FrontEndBase> extends FrameGeometry<C> {
  readonly kind: C['kind'];
  /** What messages call its features. */
  readonly title: string;
  readonly defaults: Readonly<C>;
  /** Fills in the defaults; throws `ERR_ARGUMENT` for a value that is out of range or a name that doesn't exist. */
  check(given: Partial<C>): C;
  /** Values in a frame. */
  width(config: C): number;
  /** What digital silence becomes, the same in every value of a frame. */
  silence(config: C): number;
  /** Centre frequency of each value of a frame in Hz, for front ends that have bands. */
  bandHz?(config: C): Float64Array;
  kernel(config: C, isa: string): FrontEndKernel;
  /** A stream of its own, for frames that a sliding piece of the recording doesn't give (see {@link slidingFrames}). */
  stream?(config: C, isa: string | undefined): FrontEndStream;
  /** Appends the operators that turn a waveform `[N, samples]` into features `[N, frames, width]`, and returns the name
   * of the result. Without it, models of this front end are exported with features as their input. */
  emit?(writer: FrontEndWriter, waveform: string, samples: number | 'any', config: C): string;
}

/** The geometry of frames that read the `length(config)` samples from `frame * hop` on, and nothing else. */
export function slidingFrames<C extends FrontEndBase>(length: (config: C) => number): FrameGeometry<C> {
  return {
    frameCount: (samples, config) =>
      samples < length(config) ? 0 : 1 + Math.floor((samples - length(config)) / config.hop),
    sampleCount: (frames, config) => (frames - 1) * config.hop + length(config),
    frameCentre: (frame, config) => frame * config.hop + length(config) / 2,
    latency: (config) => length(config) / 2,
  };
}

/** `given` with what it leaves out. Throws `ERR_ARGUMENT` for a name that is not among the defaults, or another kind. */
export function fillIn<C extends FrontEndBase>(given: Partial<C>, defaults: Readonly<C>): C {
  if (typeof given !== 'object' || given === null) throw argumentError('frontEnd', 'an object', given);
  const config: C = { ...defaults };
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(defaults, key)) {
      throw argumentError('frontEnd', `made of ${Object.keys(defaults).join(', ')}`, key);
    }
    const name = key as keyof C;
    config[name] = given[name] ?? config[name];
  }
  if (config.kind !== defaults.kind) throw argumentError('frontEnd.kind', `"${defaults.kind}"`, config.kind);
  return config;
}

/** Throws `ERR_ARGUMENT` unless `config[key]` is a number (an integer) in this range. */
export function checkRange<C extends FrontEndBase>(
  config: C,
  key: keyof C & string,
  low: number,
  high: number,
  integer = true,
): void {
  const v = config[key] as unknown;
  if (typeof v === 'number' && v >= low && v <= high && (!integer || Number.isInteger(v))) return;
  throw argumentError(`frontEnd.${key}`, `${integer ? 'an integer' : 'a number'} from ${low} to ${high}`, v);
}
