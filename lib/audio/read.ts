// Audio in: a file or its bytes → mono float32 at 16 kHz.
import { checkOptions } from '../util/arguments.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { checkTarget, outputLength, SAMPLE_RATE } from './convert.js';
import { type DecodedPiece, decode } from './decode.js';
import { estimateLength } from './estimate.js';
import { recognise } from './format.js';
import { convertPieces } from './pieces.js';
import { fileSource, memorySource, type Source } from './source.js';
import { parseWav, wavPieces } from './wav.js';

export interface ReadAudioOptions {
  /** Stops reading, decoding and resampling; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** What to call the recording in errors. Default: the path, or "audio" for bytes. */
  name?: string;
  /** Refuse recordings longer than this, in seconds, before memory is spent on them. Default: no limit. */
  maxSeconds?: number;
  /** Of the result, in Hz, from 8000 to 48000. Default 16000. */
  sampleRate?: number;
}

const readOptions = ['signal', 'name', 'maxSeconds', 'sampleRate'] as const;

type Samples = Float32Array<ArrayBuffer>;

/** More samples than this (2 GiB; 9.3 hours) are not taken in one array. */
const MAX_SAMPLES = 2 ** 29;

/**
 * Reads a recording as mono at 16 kHz (or `sampleRate`): the mean of its channels, resampled with a windowed sinc (flat to 7 kHz, at
 * least 80 dB down from 8 kHz on), aligned with the original. Values are in [-1, 1]; floating-point samples beyond
 * full scale are clipped. `max(1, round(frames · 16000 / rate))` samples. It is read, decoded and resampled piece by
 * piece, so that memory holds little more than the result; {@link streamAudio} does without that.
 *
 * The format is told by content, not by name. WAV: integers of 1 to 32 bits, float32, float64, A-law, µ-law, IMA ADPCM,
 * WAVE_FORMAT_EXTENSIBLE; RIFF, RIFX, RF64; any number of channels; 1 kHz to 768 kHz; one that is cut short, or whose
 * recorder never filled in its header, is read as far as it goes. FLAC, MP3, Ogg Vorbis and Opus need the optional
 * packages of their decoders; files that hold several recordings one after the other are read to the end; one that is
 * damaged is refused.
 *
 * @param source A path, or the bytes of a file (which are copied).
 * @throws {@link Audio2VecError} `ERR_FILE` (missing, unreadable, not a file), `ERR_AUDIO_FORMAT` (damaged, no audio,
 *   NaN or infinite samples, an unsupported codec), `ERR_DECODER_MISSING`, `ERR_DECODER`, `ERR_AUDIO_TOO_LONG`,
 *   `ERR_MEMORY`, `ERR_ARGUMENT`.
 */
export async function readAudio(source: string | Uint8Array, options: ReadAudioOptions = {}): Promise<Float32Array> {
  checkOptions('options', options, readOptions);
  const opened = await open(source, options);
  try {
    const { pieces, length } = await start(opened, options);
    let samples = room(length, opened.name);
    let done = 0;
    for await (const piece of pieces) {
      if (done + piece.length > samples.length) samples = grown(samples, done + piece.length, opened.name);
      samples.set(piece, done);
      done += piece.length;
    }
    // Where the guess was good, the few samples too many stay unused: a copy would take the memory twice.
    return samples.length - done <= samples.length / 64 ? samples.subarray(0, done) : samples.slice(0, done);
  } finally {
    await opened.close();
  }
}

/**
 * {@link readAudio}, a piece of some seconds at a time: memory does not grow with the recording's length, which is not
 * limited. The pieces put together are what `readAudio` gives, to the bit. Leaving the loop early is fine.
 * @throws as {@link readAudio}, at the piece that cannot be read
 */
export async function* streamAudio(
  source: string | Uint8Array,
  options: ReadAudioOptions = {},
): AsyncGenerator<Float32Array, void, undefined> {
  checkOptions('options', options, readOptions);
  const opened = await open(source, options);
  try {
    yield* (await start(opened, options)).pieces;
  } finally {
    await opened.close();
  }
}

/** The rate that a recording was made at, in Hz, where its header says so (WAV); `undefined` of a compressed one.
 * @throws as {@link readAudio} */
export async function recordedRate(
  source: string | Uint8Array,
  options: ReadAudioOptions = {},
): Promise<number | undefined> {
  const opened = await open(source, options);
  try {
    const found = await recognise(opened);
    return found.format === 'wav' ? (await parseWav(opened, found.start)).rate : undefined;
  } finally {
    await opened.close();
  }
}

/** How long a recording is, in seconds, as far as its header or its size says so; of a compressed one it may be a guess.
 * `undefined` where nothing tells.
 * @throws as {@link readAudio} */
export async function recordedSeconds(
  source: string | Uint8Array,
  options: ReadAudioOptions = {},
): Promise<number | undefined> {
  const opened = await open(source, options);
  try {
    const found = await recognise(opened);
    if (found.format !== 'wav') return (await estimateLength(opened, found, SAMPLE_RATE)) / SAMPLE_RATE || undefined;
    const { frames, rate } = await parseWav(opened, found.start);
    return frames / rate;
  } finally {
    await opened.close();
  }
}

function open(
  source: string | Uint8Array,
  { signal, name, maxSeconds, sampleRate }: ReadAudioOptions,
): Promise<Source> | Source {
  if (typeof source !== 'string' && !(source instanceof Uint8Array)) {
    throw argumentError('source', 'a path or a Buffer (Uint8Array)', source);
  }
  if (name !== undefined && typeof name !== 'string') throw argumentError('name', 'a string', name);
  if (maxSeconds !== undefined && !(typeof maxSeconds === 'number' && maxSeconds > 0)) {
    throw argumentError('maxSeconds', 'a positive number', maxSeconds);
  }
  if (sampleRate !== undefined) checkTarget(sampleRate);
  signal?.throwIfAborted();
  return typeof source === 'string'
    ? fileSource(source, name ?? source, signal)
    : memorySource(source, name ?? 'audio', signal);
}

/** The recording's pieces, and how long it will probably be (0: unknown). */
async function start(
  source: Source,
  { maxSeconds = Infinity, sampleRate = SAMPLE_RATE }: ReadAudioOptions,
): Promise<{ pieces: AsyncIterable<Samples>; length: number }> {
  const found = await recognise(source);
  const { name, signal } = source;
  const options = { name, signal, sampleRate };
  if (found.format === 'wav') {
    const wav = await parseWav(source, found.start);
    const length = outputLength(wav.frames, wav.rate, sampleRate);
    if (wav.frames / wav.rate > maxSeconds) throw tooLong(source, maxSeconds);
    return { pieces: wavPieces(source, wav, options), length: fits(length) };
  }
  const length = Math.min(await estimateLength(source, found, sampleRate), maxSeconds * sampleRate);
  const decoded = limited(decode(source, found), source, maxSeconds);
  return { pieces: convertPieces(decoded, options), length: fits(length) };
}

/** What is longer than an array may be is found out piece by piece, where it becomes an error only when it must. */
const fits = (length: number) => (length <= MAX_SAMPLES ? Math.floor(length) : 0);

async function* limited(pieces: AsyncIterable<DecodedPiece>, source: Source, maxSeconds: number) {
  let seconds = 0;
  for await (const piece of pieces) {
    seconds += piece.samples.length / piece.rate;
    if (seconds > maxSeconds) throw tooLong(source, maxSeconds);
    yield piece;
  }
}

function tooLong({ name }: Source, maxSeconds: number): Audio2VecError {
  return new Audio2VecError(
    'ERR_AUDIO_TOO_LONG',
    `${name}: longer than maxSeconds (${maxSeconds} s). Cut it or raise the limit.`,
  );
}

function room(length: number, name: string): Samples {
  try {
    return new Float32Array(length);
  } catch (cause) {
    const MB = Math.ceil((4 * length) / 1e6);
    throw new Audio2VecError(
      'ERR_MEMORY',
      `${name}: there is no memory for its samples (${MB} MB): cut it, or take it piece by piece (streamAudio).`,
      { cause },
    );
  }
}

function grown(samples: Samples, needed: number, name: string): Samples {
  if (needed > MAX_SAMPLES) {
    const hours = (MAX_SAMPLES / SAMPLE_RATE / 3600).toFixed(1);
    throw new Audio2VecError(
      'ERR_AUDIO_TOO_LONG',
      `${name}: too long to hold in memory; cut it into parts of ${hours} h, or take it piece by piece (streamAudio).`,
    );
  }
  const larger = room(Math.min(MAX_SAMPLES, Math.max(needed, Math.floor(samples.length * 1.5))), name);
  larger.set(samples);
  return larger;
}
