// @ts-check
// Runs the WebAssembly decoders on a thread of their own: they are synchronous, and a damaged file may make them spin.
// Plain JavaScript, because Node 20 starts a thread only from a file that it can run as it is.
import { parentPort } from 'node:worker_threads';
import { decodeFlac } from './flac.js';
import { Input } from './input.js';
import { decodeMpeg } from './mpeg.js';
import { decodeOgg } from './ogg-audio.js';
import { DamagedAudio, MissingDecoder } from './output.js';

/**
 * @typedef {{ format: 'flac' | 'mp3' | 'ogg', path?: string, bytes?: Uint8Array, start: number, end: number }} Job a
 *   file by its path or its bytes, and which part of it is audio
 * @typedef {{ samples: Float32Array, rate: number } | { end: true } | { problem: string } | { missing: string } |
 *   { failed: string, code?: string }} Reply a piece of audio, the end, or why there is no more. `failed` is not the
 *   file's fault.
 */

const DECODERS = { flac: decodeFlac, mp3: decodeMpeg, ogg: decodeOgg };

/** Samples in a piece: a few seconds. */
const PIECE = 1 << 17;

/** How V8 says that there is no memory for a decoder or its arrays. */
const NO_MEMORY = /could not allocate|cannot allocate|allocation failed|out of memory/i;

// The decoders print what they also report. mpg123-decoder repeats a lasting error for ever: leave it by an exception.
const MOST_COMPLAINTS = 100;
let complaints = 0;
console.error = () => {
  if (++complaints > MOST_COMPLAINTS) throw new DamagedAudio('damaged (errors without end)');
};

/**
 * Puts what a decoder yields together to pieces of one rate.
 * @param {AsyncGenerator<import('./output.js').Part>} parts
 */
async function* pieces(parts) {
  /** @type {Float32Array[]} */
  let waiting = [];
  let length = 0;
  let rate = 0;
  const take = () => {
    const samples = new Float32Array(length);
    let at = 0;
    for (const part of waiting) {
      samples.set(part, at);
      at += part.length;
    }
    waiting = [];
    length = 0;
    return { samples, rate };
  };
  for await (const part of parts) {
    if (part.samples.length === 0) continue;
    if (length > 0 && part.rate !== rate) yield take();
    rate = part.rate;
    waiting.push(part.samples);
    length += part.samples.length;
    if (length >= PIECE) yield take();
  }
  if (length > 0) yield take();
}

/**
 * @param {Job} job
 * @returns {AsyncGenerator<Reply, Reply>}
 */
async function* work(job) {
  complaints = 0;
  /** @type {Input | undefined} */
  let input;
  let isEmpty = true;
  try {
    input = new Input(job);
    for await (const piece of pieces(DECODERS[job.format](input))) {
      isEmpty = false;
      yield piece;
    }
    return isEmpty ? { problem: 'damaged, or without any audio' } : { end: true };
  } catch (error) {
    const { message, code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (error instanceof MissingDecoder) return { missing: message };
    if (error instanceof DamagedAudio) return { problem: message };
    if (NO_MEMORY.test(message)) return { failed: message, code: 'ERR_MEMORY' };
    // What a decoder throws on a file that it cannot take; the system's errors have a code.
    return code === undefined ? { problem: `damaged (${message})` } : { failed: message, code };
  } finally {
    input?.close();
  }
}

/** @type {AsyncGenerator<Reply, Reply> | undefined} */
let current;

// A message is a job, or asks for the next piece of it.
parentPort?.on('message', async (/** @type {Job | 'next'} */ message) => {
  if (message !== 'next') current = work(message);
  const { value: reply } = await /** @type {AsyncGenerator<Reply, Reply>} */ (current).next();
  parentPort?.postMessage(reply, 'samples' in reply ? [/** @type {ArrayBuffer} */ (reply.samples.buffer)] : []);
});
