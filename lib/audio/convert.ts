// PCM of any kind → mono float32 at 16 kHz, natively and off the event loop.

import { native } from '../native/addon.js';
import { Audio2VecError, argumentError } from '../util/errors.js';

/** Every encoder of this package hears audio at this rate, in Hz. */
export const SAMPLE_RATE = 16_000;

/** Sample rates that are read, in Hz. What lies outside is a damaged header, not a recording. */
export const MIN_RATE = 1_000;
export const MAX_RATE = 768_000;

/** More samples than this (2 GiB as float32; 9.3 hours at 16 kHz) are not taken in one piece. */
const MAX_SAMPLES = 2 ** 29;

/** How samples are stored; the numbers are those of `Encoding` in native/audio/pcm.h. */
export const encodings = { u8: 0, s16: 1, s24: 2, s32: 3, f32: 4, f64: 5, companded: 6, imaAdpcm: 7 } as const;

/** Interleaved samples in memory. */
export interface Pcm {
  bytes: Uint8Array;
  encoding: keyof typeof encodings;
  channels: number;
  /** Samples of each channel. */
  frames: number;
  bigEndian?: boolean;
  /** For `companded`: the value of each of the 256 codes. */
  expanded?: Float32Array;
  /** For `imaAdpcm`: bytes of a block, all channels together. */
  blockBytes?: number;
}

export interface ConvertOptions {
  /** What to call the recording in errors. */
  name: string;
  signal?: AbortSignal;
  /** Refuse recordings longer than this, in seconds. */
  maxSeconds?: number;
}

const NO_TABLE = new Float32Array(256);
const CANCELLED = -2;

/** Throws unless a recording of `frames` at `rate` is one that we take. Called before memory is spent on it. */
export function checkSize(frames: number, rate: number, { name, maxSeconds = Infinity }: ConvertOptions): void {
  if (!(rate >= MIN_RATE && rate <= MAX_RATE)) {
    throw new Audio2VecError(
      'ERR_AUDIO_FORMAT',
      `${name}: the sample rate is ${rate} Hz; ${MIN_RATE} to ${MAX_RATE} Hz can be read.`,
    );
  }
  if (frames / rate > maxSeconds) {
    throw new Audio2VecError(
      'ERR_AUDIO_TOO_LONG',
      `${name}: longer than maxSeconds (${maxSeconds} s). Cut it or raise the limit.`,
    );
  }
  if (Math.max(frames, outputLength(frames, rate)) > MAX_SAMPLES) {
    const hours = (MAX_SAMPLES / Math.max(rate, SAMPLE_RATE) / 3600).toFixed(1);
    throw new Audio2VecError(
      'ERR_AUDIO_TOO_LONG',
      `${name}: too long to hold in memory; cut it into parts of ${hours} h.`,
    );
  }
}

const outputLength = (frames: number, rate: number) =>
  frames === 0 ? 0 : Math.max(1, Math.round((frames * SAMPLE_RATE) / rate));

/**
 * Mono at 16 kHz: the mean of the channels, resampled with a windowed sinc (flat to 7 kHz, at least 80 dB down from
 * 8 kHz on) and aligned with the input. `max(1, round(frames · 16000 / rate))` samples in [-1, 1]; what exceeds full
 * scale is clipped.
 *
 * `pcm.bytes` must not change meanwhile.
 * @throws {@link Audio2VecError} `ERR_AUDIO_FORMAT` for a rate out of range or a sample that is NaN or infinite,
 *   `ERR_AUDIO_TOO_LONG`; the signal's reason when aborted.
 */
export async function toMono16k(pcm: Pcm, rate: number, options: ConvertOptions): Promise<Float32Array> {
  const { name, signal } = options;
  signal?.throwIfAborted();
  checkSize(pcm.frames, rate, options);
  const output = new Float32Array(outputLength(pcm.frames, rate));
  const cancel = new Int32Array(1);
  const onAbort = () => Atomics.store(cancel, 0, 1);
  signal?.addEventListener('abort', onAbort, { once: true });
  const layout = { bigEndian: false, expanded: NO_TABLE, blockBytes: 0, ...pcm, encoding: encodings[pcm.encoding] };
  const badFrame = await native
    .toMono16k(layout, rate, output, cancel)
    .finally(() => signal?.removeEventListener('abort', onAbort));
  if (badFrame === CANCELLED) throw signal?.reason;
  if (badFrame >= 0) {
    throw new Audio2VecError(
      'ERR_AUDIO_FORMAT',
      `${name}: sample ${badFrame} (at ${(badFrame / rate).toFixed(3)} s) is NaN or infinite. Repair or drop the file.`,
    );
  }
  return output;
}

/**
 * Resamples mono float32 audio from `rate` to 16 kHz; see {@link toMono16k} for the filter. The input is copied first.
 * @param rate Hz, an integer.
 * @throws {@link Audio2VecError} `ERR_ARGUMENT` for arguments of a wrong kind, else as {@link toMono16k}.
 */
export async function resample(
  samples: Float32Array,
  rate: number,
  options: { signal?: AbortSignal } = {},
): Promise<Float32Array> {
  if (!(samples instanceof Float32Array)) throw argumentError('samples', 'a Float32Array', typeof samples);
  if (!Number.isInteger(rate) || rate < MIN_RATE || rate > MAX_RATE) {
    throw argumentError('rate', `a whole number of Hz, ${MIN_RATE} to ${MAX_RATE}`, rate);
  }
  return toMono16k(monoPcm(samples.slice()), rate, { name: 'samples', signal: options.signal });
}

/** Mono float32 samples as {@link Pcm}. */
export function monoPcm(samples: Float32Array): Pcm {
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  return { bytes, encoding: 'f32', channels: 1, frames: samples.length };
}
