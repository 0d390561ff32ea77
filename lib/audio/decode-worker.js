// @ts-check
// Runs the WebAssembly decoders on a thread of their own: they are synchronous, and a damaged file may make them spin.
// Plain JavaScript, because Node 20 starts a thread only from a file that it can run as it is.
import { parentPort } from 'node:worker_threads';

/**
 * @typedef {{ format: 'flac' | 'mp3' | 'vorbis' | 'opus', bytes: Uint8Array, maxFrames: number, maxSeconds: number }} Job
 * @typedef {{ channelData: Float32Array[], samplesDecoded: number, sampleRate: number, errors: { message: string }[] }} Decoded
 * @typedef {{ ready: Promise<void>, decode(bytes: Uint8Array): Decoded | Promise<Decoded>,
 *   flush?(): Promise<Decoded>, free(): void }} Decoder
 * @typedef {{ samples: Float32Array, rate: number } | { problem: string } | { missing: string } | { tooLong: true }} Reply
 */

/** @type {Record<Job['format'], [packageName: string, className: string]>} */
const DECODERS = {
  flac: ['@wasm-audio-decoders/flac', 'FLACDecoder'],
  mp3: ['mpg123-decoder', 'MPEGDecoder'],
  vorbis: ['@wasm-audio-decoders/ogg-vorbis', 'OggVorbisDecoder'],
  opus: ['ogg-opus-decoder', 'OggOpusDecoder'],
};

/** Bytes given to a decoder at a time: a few seconds of audio, so that channels are mixed before they pile up. */
const CHUNK = 1 << 16;

// The decoders print what they also report. mpg123-decoder repeats a lasting error for ever: leave it by an exception.
const MOST_COMPLAINTS = 100;
let complaints = 0;
console.error = () => {
  if (++complaints > MOST_COMPLAINTS) throw new Error('the decoder reports errors without end');
};

/**
 * The mean of the channels.
 * @param {Float32Array[]} channels
 */
function mix([first, ...others]) {
  if (others.length === 0) return first;
  const mono = new Float32Array(first.length);
  for (const channel of [first, ...others]) for (let i = 0; i < mono.length; i++) mono[i] += channel[i];
  for (let i = 0; i < mono.length; i++) mono[i] /= others.length + 1;
  return mono;
}

/**
 * @param {Decoder} decoder
 * @param {Job} job
 * @returns {Promise<Reply>}
 */
async function decode(decoder, { bytes, maxFrames, maxSeconds }) {
  /** @type {Float32Array[]} */
  const parts = [];
  let frames = 0;
  let rate = 0;
  await decoder.ready;
  for (let at = 0; ; at += CHUNK) {
    const flushing = at >= bytes.length;
    const part = flushing ? await decoder.flush?.() : await decoder.decode(bytes.subarray(at, at + CHUNK));
    if (part?.errors.length) return { problem: `damaged (${part.errors[0].message.trim()})` };
    if (part && part.samplesDecoded > 0) {
      if (rate !== 0 && part.sampleRate !== rate) {
        return { problem: `damaged, or several recordings in one (${rate} Hz, then ${part.sampleRate} Hz)` };
      }
      rate = part.sampleRate;
      parts.push(mix(part.channelData));
      frames += part.samplesDecoded;
      if (frames > maxFrames || frames > maxSeconds * rate) return { tooLong: true };
    }
    if (flushing) break;
    parentPort?.postMessage('working');
  }
  if (frames === 0) return { problem: 'damaged, or without any audio' };
  const samples = new Float32Array(frames);
  let at = 0;
  for (const part of parts) {
    samples.set(part.subarray(0, frames - at), at);
    at += part.length;
  }
  return { samples, rate };
}

/**
 * @param {Job} job
 * @returns {Promise<Reply>}
 */
async function answer(job) {
  complaints = 0;
  const [packageName, className] = DECODERS[job.format];
  /** @type {Decoder | undefined} */
  let decoder;
  try {
    decoder = new (await import(packageName))[className]();
  } catch (error) {
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
    return code === 'ERR_MODULE_NOT_FOUND' ? { missing: packageName } : { problem: `not decodable (${message})` };
  }
  try {
    return await decode(/** @type {Decoder} */ (decoder), job);
  } catch (error) {
    return { problem: `damaged (${/** @type {Error} */ (error).message})` };
  } finally {
    try {
      decoder?.free();
    } catch {} // a decoder that never came up has nothing to free
  }
}

parentPort?.on('message', async (/** @type {Job} */ job) => {
  const reply = await answer(job);
  parentPort?.postMessage(reply, 'samples' in reply ? [/** @type {ArrayBuffer} */ (reply.samples.buffer)] : []);
});
