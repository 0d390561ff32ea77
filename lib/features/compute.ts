// Samples → features by any front end: at once, on the calling thread, and as a stream.
import { availableParallelism } from 'node:os';
import { capabilities } from '../native/addon.js';
import { checkOptions, lengthOf } from '../util/arguments.js';
import { withCancel } from '../util/cancel.js';
import { copied, giveBack, partOf } from '../util/copied.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { type FrontEndKernel, type FrontEndStream, NOT_FINITE } from './front-end.js';
import { checkFrontEnd, type FrontEndConfig, frontEndOf, type PartialFrontEnd } from './front-ends.js';

export interface FeatureSyncOptions {
  /** Default: log-mel, 25 ms windows every 10 ms, 64 bands. */
  frontEnd?: PartialFrontEnd;
  /** Where to write, at least as many values as come; saves allocating (and first touching) memory in a loop. */
  out?: Float32Array;
  /** Instruction set by name; default: the one in use. `float64` computes in double precision. */
  isa?: string;
}

type StreamOptions = Pick<FeatureSyncOptions, 'frontEnd' | 'isa'>;

export interface FeatureOptions extends FeatureSyncOptions {
  signal?: AbortSignal;
  /** Read samples and fill `out` where they are, instead of copying them piece by piece. For callers who do not transfer,
   * resize or change them until the promise settles. Default: false. */
  inPlace?: boolean;
  /** Default 1, which turns 10 minutes of audio into log-mel in some 10 ms. The result doesn't depend on it. */
  threads?: number;
}

const featureSyncOptions = ['frontEnd', 'out', 'isa'] as const;
const featureOptions = [...featureSyncOptions, 'signal', 'inPlace', 'threads'] as const;

/** Features `[frames, width]` of samples at `frontEnd.sampleRate`, normally in ±1, computed off the event loop.
 * @throws `ERR_ARGUMENT` for samples that are not finite or so large that a result is not; the signal's reason. */
export async function features(samples: Float32Array, options: FeatureOptions = {}): Promise<Float32Array> {
  checkOptions('options', options, featureOptions);
  const prepared = prepare(samples, options);
  const { kernel, entry, out } = prepared;
  const threads = checkThreads(options.threads);
  if (!options.inPlace && !entry.stream) return inPieces(samples, prepared, threads, options);
  const result = options.inPlace || !options.out ? out : new Float32Array(out.length);
  const own = options.inPlace ? plain(samples) : await copied(samples);
  const status = await withCancel(options.signal, (cancel) => kernel.run(own, result, threads, cancel));
  if (status === NOT_FINITE) throw notFinite(own);
  if (result !== out) giveBack(result, out);
  return out;
}

/** Samples copied at once for a thread: few enough to stay in a cache until they are read. */
const PIECE = 2 ** 18;

/** Frames that slide over the recording, from copies of pieces of it, which share their memory: the same bits as at once. */
async function inPieces(
  samples: Float32Array,
  { kernel, entry, frontEnd, out }: Prepared,
  threads: number,
  { signal, out: given }: FeatureOptions,
): Promise<Float32Array> {
  const length = lengthOf(samples);
  const width = entry.width(frontEnd);
  const size = out.length;
  const frames = size / width;
  const most = Math.min(frames, Math.max(1, entry.frameCount(PIECE * threads, frontEnd)));
  const room = new Float32Array(frames === 0 ? 0 : Math.min(length, entry.sampleCount(most, frontEnd)));
  const result = given ? new Float32Array(most * width) : undefined;
  signal?.throwIfAborted();
  for (let first = 0; first < frames; first += most) {
    const count = Math.min(most, frames - first);
    const begin = first * frontEnd.hop;
    const piece = room.subarray(0, entry.sampleCount(count, frontEnd));
    piece.set(partOf(samples, length, begin, begin + piece.length));
    const place = [first * width, (first + count) * width] as const;
    const values = result ? result.subarray(0, count * width) : out.subarray(...place);
    const status = await withCancel(signal, (cancel) => kernel.run(piece, values, threads, cancel));
    if (status === NOT_FINITE) throw notFinite(piece, undefined, begin);
    if (result) giveBack(values, partOf(out, size, ...place));
  }
  return out;
}

/** {@link features} on the calling thread, for the small chunks of a stream. */
export function featuresSync(samples: Float32Array, options: FeatureSyncOptions = {}): Float32Array {
  checkOptions('options', options, featureSyncOptions);
  const { kernel, out } = prepare(samples, options);
  const input = plain(samples);
  if (kernel.runSync(input, out) === NOT_FINITE) throw notFinite(input);
  return out;
}

/** Gradient with respect to the samples `[samples]` of a loss whose gradient with respect to the features
 * `[frames, width]` is `gradient` (the vector-Jacobian product of {@link features}).
 * @throws `ERR_ARGUMENT` for values that are not finite or of the wrong number, and for a front end without a gradient;
 *   the signal's reason */
export async function featuresGradient(
  samples: Float32Array,
  gradient: Float32Array,
  options: FeatureOptions = {},
): Promise<Float32Array> {
  checkOptions('options', options, featureOptions);
  const { kernel, out } = prepareGradient(samples, gradient, options);
  const threads = checkThreads(options.threads);
  const result = options.inPlace || !options.out ? out : new Float32Array(out.length);
  const [own, ownGradient] = options.inPlace
    ? [plain(samples), plain(gradient)]
    : await Promise.all([copied(samples), copied(gradient)]); // together, so that both are as they were checked
  const status = await withCancel(options.signal, (cancel) =>
    kernel.gradient(own, ownGradient, result, threads, cancel),
  );
  if (status === NOT_FINITE) throw notFinite(own, ownGradient);
  if (result !== out) giveBack(result, out);
  return out;
}

/** {@link featuresGradient} on the calling thread. */
export function featuresGradientSync(
  samples: Float32Array,
  gradient: Float32Array,
  options: FeatureSyncOptions = {},
): Float32Array {
  checkOptions('options', options, featureSyncOptions);
  const { kernel, out } = prepareGradient(samples, gradient, options);
  const [input, given] = [plain(samples), plain(gradient)];
  if (kernel.gradientSync(input, given, out) === NOT_FINITE) throw notFinite(input, given);
  return out;
}

/** Features of a stream: push samples in chunks of any size, get the frames that became complete. */
export function featureStream(options: StreamOptions = {}): FrontEndStream {
  checkOptions('options', options, ['frontEnd', 'isa']);
  const config = checkFrontEnd(options.frontEnd);
  return frontEndOf(config).stream?.(config, options.isa) ?? new FeatureStream(options);
}

function prepare(samples: Float32Array, options: FeatureSyncOptions) {
  checkSamples('samples', samples);
  const frontEnd = checkFrontEnd(options.frontEnd);
  const entry = frontEndOf(frontEnd);
  const kernel = kernelFor(frontEnd, options.isa);
  const size = entry.frameCount(lengthOf(samples), frontEnd) * entry.width(frontEnd);
  return { kernel, entry, frontEnd, out: checkOut(options.out, size) };
}

type Prepared = ReturnType<typeof prepare>;

function prepareGradient(samples: Float32Array, gradient: Float32Array, options: FeatureSyncOptions) {
  checkSamples('samples', samples);
  checkSamples('gradient', gradient);
  const frontEnd = checkFrontEnd(options.frontEnd);
  const entry = frontEndOf(frontEnd);
  const [frames, width] = [entry.frameCount(lengthOf(samples), frontEnd), entry.width(frontEnd)];
  if (lengthOf(gradient) !== frames * width) {
    throw argumentError('gradient', `[${frames} frames, ${width}], ${frames * width} values`, gradient.length);
  }
  const kernel = kernelFor(frontEnd, options.isa);
  if (!kernel.gradient || !kernel.gradientSync) {
    throw argumentError('frontEnd.kind', 'a front end that has a gradient', frontEnd.kind);
  }
  const out = checkOut(options.out, lengthOf(samples));
  if (out.buffer === samples.buffer || out.buffer === gradient.buffer) {
    throw argumentError('out', 'memory of its own', 'the buffer of samples or gradient');
  }
  return { kernel: kernel as Required<FrontEndKernel>, out };
}

function checkSamples(name: string, samples: Float32Array): void {
  if (!(samples instanceof Float32Array)) throw argumentError(name, 'a Float32Array', samples);
}

function checkOut(out: Float32Array | undefined, size: number): Float32Array {
  if (out === undefined) return new Float32Array(size);
  if (!(out instanceof Float32Array && lengthOf(out) >= size && isPlain(out))) {
    throw argumentError('out', `a Float32Array of at least ${size} values on a plain ArrayBuffer`, out?.length ?? out);
  }
  return out.subarray(0, size);
}

function checkThreads(threads = 1): number {
  if (Number.isInteger(threads) && threads >= 1 && threads <= 256) return threads;
  throw argumentError('threads', `an integer from 1 to 256 (this machine has ${availableParallelism()})`, threads);
}

/** Memory that others may unmap or change meanwhile is copied. */
function plain(samples: Float32Array): Float32Array {
  return isPlain(samples) ? samples : new Float32Array(samples);
}

function isPlain({ buffer }: Float32Array): boolean {
  return buffer instanceof ArrayBuffer && !(buffer as { resizable?: boolean }).resizable;
}

// Tables are built once for a front end and kept for the few that a process uses.
const kernels = new Map<string, FrontEndKernel>();
const KEPT_KERNELS = 16;

const { isa: isaInUse, available } = capabilities();

/** @internal */
export function kernelFor(frontEnd: FrontEndConfig, isa = isaInUse): FrontEndKernel {
  const key = JSON.stringify([isa, frontEnd]);
  let kernel = kernels.get(key);
  if (!kernel) {
    if (!available.includes(isa)) {
      throw new Audio2VecError('ERR_ISA', `isa must be one of ${available.join(', ')}, got ${JSON.stringify(isa)}.`);
    }
    kernel = frontEndOf(frontEnd).kernel(frontEnd, isa);
    for (const oldest of kernels.keys()) {
      if (kernels.size < KEPT_KERNELS) break;
      kernels.delete(oldest);
    }
    kernels.set(key, kernel);
  }
  return kernel;
}

/** @internal */
export function notFinite(
  samples: Float32Array,
  gradient: Float32Array = new Float32Array(0),
  first = 0,
): Audio2VecError {
  for (const [name, values] of Object.entries({ samples, gradient })) {
    const at = values.findIndex((x) => !Number.isFinite(x));
    if (at >= 0) return argumentError(`${name}[${first + at}]`, 'finite', values[at]);
  }
  const largest = (values: Float32Array) => values.reduce((a, x) => Math.max(a, Math.abs(x)), 0);
  if (gradient.length === 0) {
    return argumentError('samples', 'audio in ±1 (their power overflows)', `values up to ${largest(samples)}`);
  }
  const got = `values up to ${largest(samples)} and ${largest(gradient)}`;
  return argumentError('samples and gradient', 'small enough that the result is finite', got);
}

/** The stream of a front end whose frames slide over the recording (see `slidingFrames`). */
export class FeatureStream implements FrontEndStream {
  readonly frontEnd: FrontEndConfig;
  readonly #kernel: FrontEndKernel;
  /** Samples that a frame to come will need, and room for more. */
  #pending = new Float32Array(0);
  #length = 0;
  /** Samples still to be dropped before the next frame starts (hop longer than a frame). */
  #skip = 0;

  constructor(options: StreamOptions = {}) {
    checkOptions('options', options, ['frontEnd', 'isa']);
    this.frontEnd = checkFrontEnd(options.frontEnd);
    this.#kernel = kernelFor(this.frontEnd, options.isa);
  }

  push(chunk: Float32Array): Float32Array {
    if (!(chunk instanceof Float32Array)) throw argumentError('chunk', 'a Float32Array', chunk);
    this.#append(chunk);
    const entry = frontEndOf(this.frontEnd);
    const frames = entry.frameCount(this.#length, this.frontEnd);
    const out = new Float32Array(frames * entry.width(this.frontEnd));
    if (frames === 0) return out;
    const samples = this.#pending.subarray(0, this.#length);
    if (this.#kernel.runSync(samples, out) === NOT_FINITE) {
      const error = notFinite(samples);
      this.reset();
      throw error;
    }
    this.#drop(frames * this.frontEnd.hop);
    return out;
  }

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
