// PCM of any kind → mono float32 at 16 kHz or another rate, natively and off the event loop.

import { native } from '../native/addon.js';
import { encodings } from '../native/constants.js';
import { withCancel } from '../util/cancel.js';
import { Audio2VecError, argumentError } from '../util/errors.js';

/** Every encoder of this package hears audio at this rate, in Hz. */
export const SAMPLE_RATE = 16_000;

/** Sample rates that are read, in Hz. What lies outside is a damaged header, not a recording. */
export const MIN_RATE = 1_000;
export const MAX_RATE = 768_000;

/** How a recording stores its samples, interleaved. */
export interface PcmLayout {
  encoding: (typeof encodings)[number];
  channels: number;
  bigEndian?: boolean;
  /** For `companded`: the value of each of the 256 codes. */
  expanded?: Float32Array;
  /** For `imaAdpcm`: bytes of a block, all channels together. */
  blockBytes?: number;
}

/** A part of a recording in memory. */
export interface Pcm extends PcmLayout {
  bytes: Uint8Array;
  /** The recording's frame that `bytes` begins with. */
  first: number;
  /** Samples of each channel in `bytes`. */
  frames: number;
}

export interface ConvertOptions {
  /** What to call the recording in errors. */
  name: string;
  signal?: AbortSignal;
  /** Of the result, in Hz. Default 16000. */
  sampleRate?: number;
}

const NO_TABLE = new Float32Array(256);

/** Throws `ERR_AUDIO_FORMAT` unless the rate is one that we take. */
export function checkRate(rate: number, name: string): void {
  if (rate >= MIN_RATE && rate <= MAX_RATE) return;
  throw new Audio2VecError(
    'ERR_AUDIO_FORMAT',
    `${name}: the sample rate is ${rate} Hz; ${MIN_RATE} to ${MAX_RATE} Hz can be read.`,
  );
}

/** Throws `ERR_ARGUMENT` unless recordings can be resampled to this rate. */
export function checkTarget(rate: number): void {
  if (Number.isInteger(rate) && rate >= 8000 && rate <= 48_000) return;
  throw argumentError('sampleRate', 'a whole number of Hz, 8000 to 48000', rate);
}

/** Samples that `frames` at `rate` become. */
export const outputLength = (frames: number, rate: number, target = SAMPLE_RATE) =>
  frames === 0 ? 0 : Math.max(1, Math.round((frames * target) / rate));

/** Input frames that the outputs [from, to) depend on; those before 0 or behind the end count as silence. */
export function inputRange(from: number, to: number, rate: number, target = SAMPLE_RATE): [first: number, end: number] {
  const reach = native.resampleReach(rate, target);
  const at = (output: number) => Math.floor((output * rate) / target);
  return [Math.max(0, at(from) - reach), at(to - 1) + reach + 1];
}

/**
 * The recording's outputs from `from` on: mono at 16 kHz (or `sampleRate`), the mean of the channels, resampled with a
 * windowed sinc (flat to 7 kHz, at least 80 dB down from 8 kHz on, of 16) and aligned with the input. In [-1, 1]; what exceeds full scale is
 * clipped. The same bits in whatever parts the recording comes.
 *
 * `pcm` must hold the {@link inputRange} of these outputs, as far as the recording goes, and not change meanwhile.
 * @throws {@link Audio2VecError} `ERR_AUDIO_FORMAT` for a sample that is NaN or infinite; the signal's reason when
 *   aborted.
 */
export async function convert(
  pcm: Pcm,
  rate: number,
  [from, to]: Range,
  { name, signal, sampleRate = SAMPLE_RATE }: ConvertOptions,
): Promise<Float32Array<ArrayBuffer>> {
  signal?.throwIfAborted();
  const output = new Float32Array(to - from);
  const layout = nativeLayout(pcm);
  const badFrame = await withCancel(signal, (cancel) => native.toMono(layout, rate, output, cancel, from, sampleRate));
  if (badFrame >= 0) throw notFinite(badFrame, rate, name);
  return output;
}

/** {@link convert} on the calling thread, for the small chunks of a stream. */
export function convertSync(
  pcm: Pcm,
  rate: number,
  [from, to]: Range,
  { name, sampleRate = SAMPLE_RATE }: Omit<ConvertOptions, 'signal'>,
): Float32Array<ArrayBuffer> {
  const output = new Float32Array(to - from);
  const badFrame = native.toMonoSync(nativeLayout(pcm), rate, output, neverCancelled, from, sampleRate);
  if (badFrame >= 0) throw notFinite(badFrame, rate, name);
  return output;
}

/** Outputs, from the first to before the last. */
export type Range = [from: number, to: number];

const neverCancelled = new Int32Array(1);

function nativeLayout(pcm: Pcm): object {
  return { bigEndian: false, expanded: NO_TABLE, blockBytes: 0, ...pcm, encoding: encodings.indexOf(pcm.encoding) };
}

function notFinite(frame: number, rate: number, name: string): Audio2VecError {
  const where = `sample ${frame} (at ${(frame / rate).toFixed(3)} s)`;
  return new Audio2VecError('ERR_AUDIO_FORMAT', `${name}: ${where} is NaN or infinite. Repair or drop the file.`);
}

/**
 * Resamples mono float32 audio from `rate` to 16 kHz (or `sampleRate`): `max(1, round(length · 16000 / rate))` samples; see
 * {@link convert} for the filter. The input is copied first.
 * @param rate Hz, an integer.
 * @throws {@link Audio2VecError} `ERR_ARGUMENT` for arguments of a wrong kind, `ERR_AUDIO_FORMAT` for a sample that is
 *   NaN or infinite; the signal's reason when aborted.
 */
export async function resample(
  samples: Float32Array,
  rate: number,
  { signal, sampleRate = SAMPLE_RATE }: { signal?: AbortSignal; sampleRate?: number } = {},
): Promise<Float32Array> {
  checkTarget(sampleRate);
  if (!(samples instanceof Float32Array)) throw argumentError('samples', 'a Float32Array', samples);
  if (!Number.isInteger(rate) || rate < MIN_RATE || rate > MAX_RATE) {
    throw argumentError('rate', `a whole number of Hz, ${MIN_RATE} to ${MAX_RATE}`, rate);
  }
  const pcm = monoPcm(samples.slice());
  return convert(pcm, rate, [0, outputLength(pcm.frames, rate, sampleRate)], { name: 'samples', signal, sampleRate });
}

/** Mono float32 samples as {@link Pcm}. */
function monoPcm(samples: Float32Array): Pcm {
  return { bytes: bytesOf(samples), encoding: 'f32', channels: 1, first: 0, frames: samples.length };
}

/** The memory of an array, as it is. */
export function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
