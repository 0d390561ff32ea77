// @ts-check
// FLAC (RFC 9639): finds the frames by their checksums, so that every one is either decoded or known to be damaged.
import { audio, DamagedAudio, damaged, decoderOf } from './output.js';

/** @typedef {import('./input.js').Input} Input */
/** @typedef {import('./output.js').Part} Part */

/**
 * @typedef {object} StreamInfo
 * @property {Uint8Array} header a stream header with nothing but this block
 * @property {number} rate
 * @property {number} total samples of each channel, 0 for unknown
 * @property {boolean} final whether the encoder came back to fill the block in: it knows the audio's MD5. If not, the
 *   total is a guess.
 */

/**
 * @param {Uint8Array} block the 34 bytes of STREAMINFO
 * @returns {StreamInfo}
 */
export function streamInfo(block) {
  const view = new DataView(block.buffer, block.byteOffset);
  const header = new Uint8Array(42);
  header.set([0x66, 0x4c, 0x61, 0x43, 0x80, 0, 0, 34]); // "fLaC", last block, STREAMINFO
  header.set(block.subarray(0, 34), 8);
  const rate = view.getUint32(10) >>> 12;
  const total = (block[13] & 15) * 2 ** 32 + view.getUint32(14);
  return { header, rate, total, final: block.subarray(18, 34).some((byte) => byte !== 0) };
}

const table = (/** @type {number} */ bits, /** @type {number} */ polynomial) =>
  Uint16Array.from({ length: 256 }, (_, i) => {
    let crc = i << (bits - 8);
    for (let k = 0; k < 8; k++) crc = crc & (1 << (bits - 1)) ? (crc << 1) ^ polynomial : crc << 1;
    return crc & ((1 << bits) - 1);
  });
const CRC8 = table(8, 0x07);
const CRC16 = table(16, 0x8005);

/**
 * A frame's header, if there is one: its length, samples of each channel, and its number (of frames or, with blocks of
 * different sizes, of samples before it).
 * @param {Uint8Array} bytes
 * @param {number} at
 */
function frameHeader(bytes, at) {
  if (bytes[at] !== 0xff || (bytes[at + 1] & 0xfe) !== 0xf8) return undefined;
  const variable = (bytes[at + 1] & 1) === 1;
  const sizeCode = bytes[at + 2] >> 4;
  const rateCode = bytes[at + 2] & 15;
  if (sizeCode === 0 || rateCode === 15 || bytes[at + 3] >> 4 > 10 || bytes[at + 3] & 1) return undefined;
  let i = at + 4;
  let number = bytes[i++];
  let more = 0;
  for (let bit = 0x80; number & bit; bit >>= 1) more++;
  if (more === 1 || more > 7) return undefined;
  number &= more === 0 ? 0x7f : (1 << (7 - more)) - 1;
  for (; more > 1; more--) number = number * 64 + (bytes[i++] & 0x3f);
  let samples = sizeCode === 1 ? 192 : sizeCode < 6 ? 576 << (sizeCode - 2) : 256 << (sizeCode - 8);
  if (sizeCode === 6) samples = bytes[i++] + 1;
  if (sizeCode === 7) {
    samples = ((bytes[i] << 8) | bytes[i + 1]) + 1;
    i += 2;
  }
  if (rateCode === 12) i += 1;
  if (rateCode === 13 || rateCode === 14) i += 2;
  if (i >= bytes.length) return undefined;
  let crc = 0;
  for (let k = at; k < i; k++) crc = CRC8[crc ^ bytes[k]];
  return crc === bytes[i] ? { length: i + 1 - at, samples, number, variable } : undefined;
}

/** No frame is longer: eight channels of 65535 samples of 32 bits, and headers. */
const LONGEST = 65536 * 8 * 5;

/**
 * The ends that the frame at the beginning of `view` may have: where its checksum fits. One that a frame or the end of
 * the audio follows is certain and the only one returned.
 * @param {Uint8Array} view
 * @param {number} headerLength
 * @param {boolean} whole whether the audio ends with `view`
 */
function frameEnds(view, headerLength, whole) {
  const ends = [];
  let crc = 0;
  const length = Math.min(view.length, LONGEST);
  for (let i = 0; i < length; ) {
    crc = ((crc << 8) & 0xffff) ^ CRC16[(crc >> 8) ^ view[i++]];
    if (crc !== 0 || i < headerLength + 3) continue;
    if ((whole && i === view.length) || frameHeader(view, i) || isStream(view, i)) return [i];
    if (ends.length < 16) ends.push(i);
  }
  return ends;
}

const isStream = (/** @type {Uint8Array} */ bytes, /** @type {number} */ at) =>
  bytes[at] === 0x66 && bytes[at + 1] === 0x4c && bytes[at + 2] === 0x61 && bytes[at + 3] === 0x43;

/**
 * Skips the metadata of the stream at `at`.
 * @param {Input} input
 * @param {number} at
 */
function readHeader(input, at) {
  const first = input.view(at, 42);
  if (!isStream(first, 0) || (first[4] & 0x7f) !== 0 || first.length < 42) throw damaged('its header is incomplete');
  const info = streamInfo(first.slice(8, 42));
  let last = false;
  for (at += 4; !last; ) {
    const block = input.view(at, 4);
    if (block.length < 4) throw damaged('its header is incomplete');
    last = (block[0] & 0x80) !== 0;
    at += 4 + ((block[1] << 16) | (block[2] << 8) | block[3]);
  }
  return { info, at };
}

/** Decodes frames, which may have their rate and depth only in the stream's header. */
export class FlacFrames {
  /** @type {any} */
  #decoder;

  /** @param {StreamInfo} info */
  static async open(info) {
    const { FLACDecoder } = await decoderOf('@wasm-audio-decoders/flac');
    const frames = new FlacFrames();
    frames.rate = info.rate;
    frames.#decoder = new FLACDecoder();
    await frames.#decoder.ready;
    await frames.#decoder.decodeFrames([info.header]);
    return frames;
  }

  rate = 0;

  /**
   * @param {Uint8Array[]} frames
   * @returns {Promise<Part>}
   */
  async decode(frames) {
    const { channelData, samplesDecoded, sampleRate, errors } = await this.#decoder.decodeFrames(frames);
    if (errors.length > 0) throw damaged(errors[0].message);
    return audio(channelData, samplesDecoded, sampleRate || this.rate);
  }

  free() {
    this.#decoder.free();
  }
}

/**
 * @param {Input} input
 * @returns {AsyncGenerator<Part>}
 */
export async function* decodeFlac(input) {
  for (let at = input.start; at < input.end; ) {
    const stream = readHeader(input, at);
    const decoder = await FlacFrames.open(stream.info);
    try {
      at = yield* decodeStream(input, stream.at, stream.info, decoder);
    } finally {
      decoder.free();
    }
  }
}

/**
 * Returns where the next stream begins, or the end.
 * @param {Input} input
 * @param {number} at
 * @param {StreamInfo} info
 * @param {FlacFrames} decoder
 * @returns {AsyncGenerator<Part, number>}
 */
async function* decodeStream(input, at, info, decoder) {
  let done = 0;
  /** @type {number | undefined} */
  let expected;
  const incomplete = () => {
    const of = info.final && info.total > 0 ? ` of ${info.total}` : '';
    return new DamagedAudio(`damaged or cut short (${done}${of} samples can be decoded)`);
  };
  for (;;) {
    let view = input.view(at, 1 << 16);
    if (view.length === 0 || isStream(view, 0)) break;
    const header = frameHeader(view, 0);
    if (!header) {
      const next = findFrame(input, at, expected);
      if (next < 0) throw incomplete();
      if (next === input.end) break;
      at = next;
      continue;
    }
    if (expected !== undefined && header.number !== expected && header.number !== 0) throw incomplete();
    let ends = frameEnds(view, header.length, at + view.length >= input.end);
    if (ends.length !== 1 && at + view.length < input.end) {
      view = input.view(at, LONGEST + 64);
      ends = frameEnds(view, header.length, at + view.length >= input.end);
    }
    const part = await firstThatDecodes(view, ends, header.samples, decoder);
    if (!part) {
      // A recorder that stopped in the middle of a frame never came back to fill in its header either.
      if (!info.final && findFrame(input, at + 1, undefined) === input.end) break;
      throw incomplete();
    }
    done += header.samples;
    expected = header.variable ? header.number + header.samples : header.number + 1;
    at += part.end;
    yield part.audio;
  }
  if (info.final && done < info.total) throw incomplete();
  return isStream(input.view(at, 4), 0) ? at : input.end;
}

/**
 * @param {Uint8Array} view
 * @param {number[]} ends
 * @param {number} samples
 * @param {FlacFrames} decoder
 */
async function firstThatDecodes(view, ends, samples, decoder) {
  for (const end of ends) {
    try {
      const part = await decoder.decode([view.subarray(0, end)]);
      if (part.samples.length === samples) return { end, audio: part };
    } catch (error) {
      if (ends.length === 1) throw error;
    }
  }
  return undefined;
}

/**
 * After something that is no frame: the end, if nothing but junk follows; where the audio goes on; or -1 if frames are
 * missing before it does.
 * @param {Input} input
 * @param {number} from
 * @param {number | undefined} expected
 */
function findFrame(input, from, expected) {
  for (let at = from; at < input.end; ) {
    const view = input.view(at, 64);
    const whole = at + view.length >= input.end;
    const length = whole ? view.length : view.length - 32;
    let i = 0;
    for (; i < length; i++) {
      if (isStream(view, i)) return at + i;
      const header = view[i] === 0xff ? frameHeader(view, i) : undefined;
      if (!header) continue;
      if (expected === undefined || header.number === expected) return at + i;
      if (header.number < expected) continue;
      // A later frame, if it is one: its own checksum tells.
      const rest = input.view(at + i, LONGEST + 64);
      if (frameEnds(rest, header.length, at + i + rest.length >= input.end).length === 1) return -1;
      i++;
      break; // the view has gone
    }
    at += Math.max(1, i);
  }
  return input.end;
}
