// The front end: samples → log-mel, computed natively (native/frontend).
import { availableParallelism } from 'node:os';
import { capabilities, native } from '../native/addon.js';
import type { NativeLogMel } from '../native/types.js';
import { withCancel } from '../util/cancel.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { defaultFrontEnd, type FrontEndConfig } from './front-end-config.js';

/** Fills in the defaults and throws `ERR_ARGUMENT` for a value that is out of range or a name that doesn't exist. */
export function checkFrontEnd(frontEnd: Partial<FrontEndConfig> = {}): FrontEndConfig {
  if (typeof frontEnd !== 'object' || frontEnd === null) throw argumentError('frontEnd', 'an object', frontEnd);
  for (const key of Object.keys(frontEnd)) {
    if (!(key in defaultFrontEnd)) {
      throw argumentError('frontEnd', `made of ${Object.keys(defaultFrontEnd).join(', ')}`, key);
    }
  }
  const fe = { ...defaultFrontEnd };
  for (const key of Object.keys(defaultFrontEnd) as (keyof FrontEndConfig)[]) fe[key] = frontEnd[key] ?? fe[key];

  const check = (key: keyof FrontEndConfig, low: number, high: number, integer: boolean) => {
    const v = fe[key];
    if (typeof v !== 'number' || !(v >= low && v <= high) || (integer && !Number.isInteger(v))) {
      throw argumentError(`frontEnd.${key}`, `${integer ? 'an integer' : 'a number'} from ${low} to ${high}`, v);
    }
  };
  check('sampleRate', 1000, 384000, false);
  check('fftSize', 64, 4096, true);
  if (!Number.isInteger(Math.log2(fe.fftSize))) throw argumentError('frontEnd.fftSize', 'a power of two', fe.fftSize);
  check('windowLength', 2, fe.fftSize, true);
  check('hop', 1, 65536, true);
  check('bands', 1, 512, true);
  check('highHz', 1, fe.sampleRate / 2, false);
  check('lowHz', 0, fe.highHz, false);
  if (fe.lowHz === fe.highHz) throw argumentError('frontEnd.lowHz', `below highHz (${fe.highHz})`, fe.lowHz);
  check('logOffset', 1e-30, 1, false);
  return fe;
}

/** Frames that `samples` samples give: `1 + floor((samples - windowLength) / hop)`, 0 if they don't fill a window. */
export function frameCount(samples: number, frontEnd: Partial<FrontEndConfig> = {}): number {
  const { windowLength, hop } = checkFrontEnd(frontEnd);
  return samples < windowLength ? 0 : 1 + Math.floor((samples - windowLength) / hop);
}

export interface LogMelSyncOptions {
  frontEnd?: Partial<FrontEndConfig>;
  /** Where to write, at least frames × bands values; saves allocating (and first touching) memory in a loop. */
  out?: Float32Array;
  /** Instruction set by name; default: the one in use. `float64` computes in double precision. */
  isa?: string;
}

export interface LogMelOptions extends LogMelSyncOptions {
  signal?: AbortSignal;
  /** Default 1, which turns 10 minutes of audio into log-mel in some 10 ms. The result doesn't depend on it. */
  threads?: number;
}

/** What a {@link NativeLogMel} returns for samples whose power is not finite (Status in log_mel_addon.cc). */
export const NOT_FINITE = 1;

/** Log-mel `[frames, bands]` of samples at `frontEnd.sampleRate`, normally in ±1, computed off the event loop.
 *
 * `samples` (and `out`) are read in place: leave them alone, and don't transfer them, until the promise settles.
 * @throws `ERR_ARGUMENT` for samples that are not finite or so large that their power is not; the signal's reason. */
export async function logMel(samples: Float32Array, options: LogMelOptions = {}): Promise<Float32Array> {
  const { kernel, input, out } = prepare(samples, options);
  const threads = options.threads ?? 1;
  if (!Number.isInteger(threads) || threads < 1 || threads > 256) {
    throw argumentError('threads', `an integer from 1 to 256 (this machine has ${availableParallelism()})`, threads);
  }
  const status = await withCancel(options.signal, (cancel) => kernel.run(input, out, threads, cancel));
  if (status === NOT_FINITE) throw notFinite(input);
  return out;
}

/** {@link logMel} on the calling thread, for the small chunks of a stream. */
export function logMelSync(samples: Float32Array, options: LogMelSyncOptions = {}): Float32Array {
  const { kernel, input, out } = prepare(samples, options);
  if (kernel.runSync(input, out) === NOT_FINITE) throw notFinite(input);
  return out;
}

function prepare(samples: Float32Array, options: LogMelSyncOptions) {
  if (!(samples instanceof Float32Array)) throw argumentError('samples', 'a Float32Array', samples);
  const frontEnd = checkFrontEnd(options.frontEnd);
  const kernel = kernelFor(frontEnd, options.isa);
  const size = frameCount(samples.length, frontEnd) * frontEnd.bands;
  const { out } = options;
  if (out !== undefined && !(out instanceof Float32Array && out.length >= size && isPlain(out))) {
    throw argumentError('out', `a Float32Array of at least ${size} values on a plain ArrayBuffer`, out?.length ?? out);
  }
  // Memory that others may unmap or change meanwhile is copied.
  const input = isPlain(samples) ? samples : new Float32Array(samples);
  return { kernel, input, out: out?.subarray(0, size) ?? new Float32Array(size) };
}

function isPlain({ buffer }: Float32Array): boolean {
  return buffer instanceof ArrayBuffer && !(buffer as { resizable?: boolean }).resizable;
}

// Tables are built once for a front end and kept for the few that a process uses.
const kernels = new Map<string, NativeLogMel>();
const KEPT_KERNELS = 16;

const { isa: isaInUse, available } = capabilities();

/** @internal */
export function kernelFor(frontEnd: FrontEndConfig, isa = isaInUse): NativeLogMel {
  const key = JSON.stringify([isa, frontEnd]);
  let kernel = kernels.get(key);
  if (!kernel) {
    if (!available.includes(isa)) {
      throw new Audio2VecError('ERR_ISA', `isa must be one of ${available.join(', ')}, got ${JSON.stringify(isa)}.`);
    }
    kernel = new native.LogMel(frontEnd, isa);
    for (const oldest of kernels.keys()) {
      if (kernels.size < KEPT_KERNELS) break;
      kernels.delete(oldest);
    }
    kernels.set(key, kernel);
  }
  return kernel;
}

function notFinite(samples: Float32Array): Audio2VecError {
  const at = samples.findIndex((x) => !Number.isFinite(x));
  if (at >= 0) return argumentError(`samples[${at}]`, 'finite', samples[at]);
  const largest = samples.reduce((a, x) => Math.max(a, Math.abs(x)), 0);
  return argumentError('samples', 'audio in ±1 (their power overflows)', `values up to ${largest}`);
}

/** Log-mel of a stream: push samples in chunks of any size, get the frames that became complete. All frames together
 * are bit-equal to {@link logMel} of all samples together. */
export class LogMelStream {
  readonly frontEnd: FrontEndConfig;
  readonly #kernel: NativeLogMel;
  /** Samples that a frame to come will need, and room for more. */
  #pending = new Float32Array(0);
  #length = 0;
  /** Samples still to be dropped before the next frame starts (hop > windowLength). */
  #skip = 0;

  constructor(options: { frontEnd?: Partial<FrontEndConfig>; isa?: string } = {}) {
    this.frontEnd = checkFrontEnd(options.frontEnd);
    this.#kernel = kernelFor(this.frontEnd, options.isa);
  }

  /** New frames `[frames, bands]`, in an array that is the caller's; empty if none is complete yet. After an error
   * the stream is as if just {@link reset}. */
  push(chunk: Float32Array): Float32Array {
    if (!(chunk instanceof Float32Array)) throw argumentError('chunk', 'a Float32Array', chunk);
    this.#append(chunk);
    const { windowLength, hop, bands } = this.frontEnd;
    const frames = this.#length < windowLength ? 0 : 1 + Math.floor((this.#length - windowLength) / hop);
    const out = new Float32Array(frames * bands);
    if (frames === 0) return out;
    const samples = this.#pending.subarray(0, this.#length);
    if (this.#kernel.runSync(samples, out) === NOT_FINITE) {
      const error = notFinite(samples);
      this.reset();
      throw error;
    }
    this.#drop(frames * hop);
    return out;
  }

  /** Forgets all samples: the next one starts a new recording. */
  reset(): void {
    this.#length = 0;
    this.#skip = 0;
  }

  #append(chunk: Float32Array): void {
    const start = Math.min(this.#skip, chunk.length);
    this.#skip -= start;
    const length = this.#length + chunk.length - start;
    if (length > this.#pending.length) {
      const grown = new Float32Array(Math.max(length, 2 * this.#pending.length));
      grown.set(this.#pending.subarray(0, this.#length));
      this.#pending = grown;
    }
    this.#pending.set(chunk.subarray(start), this.#length);
    this.#length = length;
  }

  #drop(samples: number): void {
    const here = Math.min(samples, this.#length);
    this.#skip = samples - here;
    this.#pending.copyWithin(0, here, this.#length);
    this.#length -= here;
  }
}
