// Live audio in: PCM in chunks of any size → mono at 16 kHz, as it comes.
import { endianness } from 'node:os';
import { checkOptions } from '../util/arguments.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { bytesOf, MAX_RATE, MIN_RATE, type PcmLayout, SAMPLE_RATE } from './convert.js';
import { PieceConverter } from './pieces.js';
import { memorySource } from './source.js';
import { parseWav } from './wav.js';

/** How bytes hold samples: unsigned or signed integers of so many bits, or floating point; little-endian. */
export const pcmFormats = ['u8', 's16', 's24', 's32', 'f32', 'f64'] as const;
export type PcmFormat = (typeof pcmFormats)[number];

/** Samples of all channels in turn: 16-bit integers, floats in ±1, or bytes in a {@link PcmFormat}. */
export type PcmChunk = Int16Array | Float32Array | Uint8Array;

export interface PcmOptions {
  /** Hz, a whole number from 1000 to 768000. Default 16000. */
  rate?: number;
  /** Channels, of which the mean is taken. Default 1. */
  channels?: number;
  /** Of chunks of bytes; default `s16`. Bytes that begin with the header of a WAV file, as those of `arecord`, are read as
   * that says; then rate, channels and format given here do not count. */
  format?: PcmFormat;
  /** What to call the sound in errors; default `audio`. */
  name?: string;
  signal?: AbortSignal;
}

/** Their names. */
export const pcmOptions = ['rate', 'channels', 'format', 'name', 'signal'] as const satisfies (keyof PcmOptions)[];

/** From this size on, what a WAV header says of its samples means "until the end": recorders that write to a pipe do not
 * know better. */
const ENDLESS = 0x7fff0000;
/** The longest header that is waited for, in bytes. */
const LONGEST_HEADER = 1 << 20;
/** Bytes of samples that are waited for with it, so that it can be checked. */
const FIRST_SAMPLES = 256;

/** PCM in chunks of any size → mono float32 at 16 kHz in ±1, resampled as it comes: all pieces together are the bits that
 * `readAudio` gives for the same samples in a file. */
export class PcmStream {
  readonly #options: Required<Pick<PcmOptions, 'rate' | 'channels' | 'format' | 'name'>> & PcmOptions;
  #converter?: PieceConverter;
  #kind?: string;
  /** Bytes at the beginning that may be a WAV header. */
  #head?: Uint8Array;
  /** Bytes of samples still to come, if a header says so. */
  #left = Number.POSITIVE_INFINITY;

  /** @throws `ERR_ARGUMENT` */
  constructor(options: PcmOptions = {}) {
    checkOptions('options', options, pcmOptions);
    const { rate = SAMPLE_RATE, channels = 1, format = 's16', name = 'audio' } = options;
    if (!Number.isInteger(rate) || rate < MIN_RATE || rate > MAX_RATE) {
      throw argumentError('rate', `a whole number of Hz, ${MIN_RATE} to ${MAX_RATE}`, rate);
    }
    if (!Number.isInteger(channels) || channels < 1 || channels > 1024) {
      throw argumentError('channels', 'an integer from 1 to 1024', channels);
    }
    if (!pcmFormats.includes(format)) throw argumentError('format', `one of ${pcmFormats.join(', ')}`, format);
    this.#options = { ...options, rate, channels, format, name };
  }

  /** What the samples so far decide, often nothing; an array of the caller's own. Wait for one call before the next.
   * @throws `ERR_ARGUMENT` for a chunk that is no array of samples, or of another type than those before;
   *   `ERR_AUDIO_FORMAT` for a sample that is NaN or infinite, or a WAV header that cannot be read */
  async push(chunk: PcmChunk): Promise<Float32Array> {
    const kind = kindOf(chunk);
    this.#kind ??= kind;
    if (kind !== this.#kind) throw argumentError('chunk', `of the type of those before (${this.#kind})`, kind);
    if (this.#converter) return this.#next(bytesOf(chunk));
    if (kind !== 'bytes') return this.#begin(kind === 'Int16Array' ? 's16' : 'f32').next(bytesOf(chunk));
    const head = Buffer.concat([this.#head ?? Buffer.alloc(0), bytesOf(chunk)]);
    const wav = isWav(head);
    if (wav === false) {
      this.#head = undefined;
      return this.#begin(this.#options.format).next(head);
    }
    this.#head = head;
    const waits = !(wav && head.length >= (samplesAt(head)?.start ?? LONGEST_HEADER) + FIRST_SAMPLES);
    return waits ? new Float32Array(0) : this.#beginWav(head);
  }

  /** Ends the recording: what is left. */
  async end(): Promise<Float32Array> {
    const head = this.#head;
    const first = head && (await (isWav(head) ? this.#beginWav(head) : this.#begin(this.#options.format).next(head)));
    const rest = (await this.#converter?.rest()) ?? new Float32Array(0);
    this.#converter = this.#kind = undefined;
    this.#left = Number.POSITIVE_INFINITY;
    if (!first?.length) return rest;
    const all = new Float32Array(first.length + rest.length);
    all.set(first);
    all.set(rest, first.length);
    return all;
  }

  #next(bytes: Uint8Array): Promise<Float32Array> {
    const taken = bytes.subarray(0, Math.min(bytes.length, this.#left));
    this.#left -= taken.length;
    return this.#converter!.next(taken);
  }

  #begin(encoding: PcmFormat): PieceConverter {
    const { channels, rate } = this.#options;
    const bigEndian = this.#kind !== 'bytes' && endianness() === 'BE';
    return this.#convert({ encoding, channels, bigEndian }, rate);
  }

  #convert(layout: PcmLayout, rate: number): PieceConverter {
    const { name, signal } = this.#options;
    this.#converter = new PieceConverter(layout, rate, { name, signal });
    return this.#converter;
  }

  async #beginWav(head: Uint8Array): Promise<Float32Array> {
    const { name } = this.#options;
    this.#head = undefined;
    const { layout, rate, start } = await parseWav(memorySource(head, name), 0);
    if (layout.encoding === 'imaAdpcm') {
      throw new Audio2VecError('ERR_AUDIO_FORMAT', `${name}: IMA ADPCM is read from files only. Send it as s16.`);
    }
    const size = samplesAt(head)?.size ?? 0;
    this.#left = size === 0 || size >= ENDLESS ? Number.POSITIVE_INFINITY : size;
    this.#convert(layout, rate);
    return this.#next(head.subarray(start));
  }
}

/** {@link PcmStream} of a whole source, piece by piece: a stream of bytes, or anything that gives chunks. */
export async function* streamPcm(
  source: AsyncIterable<PcmChunk> | Iterable<PcmChunk>,
  options: PcmOptions = {},
): AsyncGenerator<Float32Array, void, undefined> {
  const pcm = new PcmStream(options);
  const { [Symbol.asyncIterator]: later, [Symbol.iterator]: now } = Object(source);
  if (typeof (later ?? now) !== 'function') throw argumentError('source', 'an (async) iterable of chunks', source);
  for await (const chunk of source) {
    options.signal?.throwIfAborted();
    const samples = await pcm.push(chunk);
    if (samples.length > 0) yield samples;
  }
  const rest = await pcm.end();
  if (rest.length > 0) yield rest;
}

function kindOf(chunk: PcmChunk): 'Int16Array' | 'Float32Array' | 'bytes' {
  if (chunk instanceof Int16Array) return 'Int16Array';
  if (chunk instanceof Float32Array) return 'Float32Array';
  if (chunk instanceof Uint8Array) return 'bytes';
  throw argumentError('chunk', 'an Int16Array, a Float32Array or bytes (Buffer, Uint8Array)', chunk);
}

const wavIds = ['RIFF', 'RIFX', 'RF64', 'BW64'];

/** Whether bytes are the beginning of a WAV file; undefined while there are too few of them to tell. */
function isWav(head: Uint8Array): boolean | undefined {
  const text = (from: number, to: number) => Buffer.from(head.subarray(from, to)).toString('latin1');
  if (!wavIds.some((id) => id.startsWith(text(0, 4)))) return false;
  if (head.length < 12) return undefined;
  return text(8, 12) === 'WAVE';
}

/** Where the samples of a WAV file begin, and how many bytes its header says they are; undefined until that is
 * there. */
function samplesAt(head: Uint8Array): { start: number; size: number } | undefined {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.length);
  const bigEndian = bytes.toString('latin1', 0, 4) === 'RIFX';
  for (let at = 12; at + 8 <= bytes.length; ) {
    const size = bigEndian ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at + 4);
    const start = at + 8;
    if (bytes.toString('latin1', at, at + 4) === 'data') return { start, size };
    at = start + size + (size % 2);
  }
  return undefined;
}
