// Audio in: a file or its bytes → mono float32 at 16 kHz.
import { readFile, stat } from 'node:fs/promises';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { type ConvertOptions, checkSize, monoPcm, toMono16k } from './convert.js';
import { decode } from './decode.js';
import { recognise } from './format.js';
import { parseWav } from './wav.js';

export interface ReadAudioOptions {
  /** Stops reading, decoding and resampling; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** What to call the recording in errors. Default: the path, or "audio" for bytes. */
  name?: string;
  /** Refuse recordings longer than this, in seconds, before memory is spent on them. Default: no limit. */
  maxSeconds?: number;
}

/** Node reads files of up to 2 GiB in one piece. */
const MAX_FILE_BYTES = 2 ** 31 - 1;

/**
 * Reads a recording as mono at 16 kHz: the mean of its channels, resampled with a windowed sinc (flat to 7 kHz, at
 * least 80 dB down from 8 kHz on), aligned with the original. Values are in [-1, 1]; floating-point samples beyond
 * full scale are clipped. `max(1, round(frames · 16000 / rate))` samples.
 *
 * The format is told by content, not by name. WAV: integers of 1 to 32 bits, float32, float64, A-law, µ-law, IMA ADPCM,
 * WAVE_FORMAT_EXTENSIBLE; RIFF, RIFX, RF64; any number of channels; 1 kHz to 768 kHz; one that is cut short is read
 * as far as it goes. FLAC, MP3, Ogg Vorbis and Opus need the optional packages of their decoders; a file that its
 * decoder reports as damaged is refused.
 *
 * @param source A path, or the bytes of a file (which are copied).
 * @throws {@link Audio2VecError} `ERR_FILE` (missing, unreadable, not a file), `ERR_AUDIO_FORMAT` (damaged, no audio,
 *   NaN or infinite samples, an unsupported codec), `ERR_DECODER_MISSING`, `ERR_AUDIO_TOO_LONG`, `ERR_ARGUMENT`.
 */
export async function readAudio(source: string | Uint8Array, options: ReadAudioOptions = {}): Promise<Float32Array> {
  const { signal, maxSeconds } = options;
  if (typeof source !== 'string' && !(source instanceof Uint8Array)) {
    throw argumentError('source', 'a path or a Buffer (Uint8Array)', typeof source);
  }
  if (maxSeconds !== undefined && !(maxSeconds > 0)) throw argumentError('maxSeconds', 'a positive number', maxSeconds);
  signal?.throwIfAborted();
  const name = options.name ?? (typeof source === 'string' ? source : 'audio');
  // A caller's bytes are copied: they might be changed or given away while other threads work on them.
  const file = typeof source === 'string' ? await readBytes(source, signal) : new Uint8Array(source);
  return toMono(file, { name, signal, maxSeconds });
}

async function toMono(file: Uint8Array, options: ConvertOptions): Promise<Float32Array> {
  const { format, bytes } = recognise(file, options.name);
  if (format === 'wav') {
    const { pcm, rate } = parseWav(bytes, options.name);
    return toMono16k(pcm, rate, options);
  }
  const { samples, rate } = await decode(format, bytes, options);
  checkSize(samples.length, rate, options);
  return toMono16k(monoPcm(samples), rate, options);
}

async function readBytes(path: string, signal?: AbortSignal): Promise<Uint8Array> {
  try {
    const info = await stat(path);
    if (!info.isFile()) {
      throw new Audio2VecError(
        'ERR_FILE',
        `${path}: ${info.isDirectory() ? 'a folder' : 'not a regular file'}; name an audio file.`,
      );
    }
    if (info.size > MAX_FILE_BYTES) {
      throw new Audio2VecError('ERR_AUDIO_TOO_LONG', `${path}: larger than 2 GiB; cut it into shorter files.`);
    }
    const file = await readFile(path, { signal });
    // A small file may lie in Node's shared pool of buffers, which cannot be handed to another thread.
    return file.byteLength === file.buffer.byteLength ? file : new Uint8Array(file);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (error instanceof Audio2VecError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'no permission to read it' : message;
    throw new Audio2VecError('ERR_FILE', `${path}: ${reason}.`, { cause: error });
  }
}
