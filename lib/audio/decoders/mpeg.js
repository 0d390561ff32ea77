// @ts-check
// MPEG audio (MP3): finds the frames, and only them: tags, padding and other junk never reach the decoder.
// ISO/IEC 11172-3 and 13818-3; MPEG-2.5 as everybody does it.
import { audio, damaged, decoderOf } from './output.js';

/** @typedef {import('./input.js').Input} Input */

/** kbit/s by bit-rate index 1 … 14: MPEG-1 layers I, II, III; MPEG-2 layer I, layers II and III. */
const BIT_RATES = [
  [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
  [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
  [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
  [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];
/** A longer frame does not exist: layer II of MPEG-2.5 at 160 kbit/s and 8 kHz, and layer I likewise. */
const LONGEST = 5760;
/** So many frames in a row are no accident. */
const CERTAIN = 3;

/**
 * @typedef {{ length: number, samples: number, rate: number, bitRate: number, kind: number, tagAt: number }} Header `kind`: equal for
 *   frames that may follow each other; `tagAt`: where an encoder's tag would begin in this frame
 * @param {Uint8Array} bytes
 * @param {number} at
 * @returns {Header | undefined} undefined if there is no frame header
 */
export function frameHeader(bytes, at) {
  if (at + 4 > bytes.length || bytes[at] !== 0xff || (bytes[at + 1] & 0xe0) !== 0xe0) return undefined;
  const version = (bytes[at + 1] >> 3) & 3; // 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5
  const layer = 4 - ((bytes[at + 1] >> 1) & 3); // 4 is reserved (and what AAC in ADTS has)
  const bitRate = bytes[at + 2] >> 4;
  const rateIndex = (bytes[at + 2] >> 2) & 3;
  const padding = (bytes[at + 2] >> 1) & 1;
  if (version === 1 || layer === 4 || bitRate === 0 || bitRate === 15 || rateIndex === 3) return undefined;
  const row = version === 3 ? layer - 1 : layer === 1 ? 3 : 4;
  const bitsPerSecond = BIT_RATES[row][bitRate - 1] * 1000;
  const rate = [44100, 48000, 32000][rateIndex] / (version === 3 ? 1 : version === 2 ? 2 : 4);
  const samples = layer === 1 ? 384 : layer === 3 && version !== 3 ? 576 : 1152;
  const length =
    layer === 1
      ? (Math.floor((12 * bitsPerSecond) / rate) + padding) * 4
      : Math.floor((samples * bitsPerSecond) / 8 / rate) + padding;
  const mono = bytes[at + 3] >> 6 === 3;
  const sideInfo = version === 3 ? (mono ? 17 : 32) : mono ? 9 : 17;
  return {
    length,
    samples,
    rate,
    bitRate: bitsPerSecond,
    kind: (version << 4) | (layer << 2) | rateIndex,
    tagAt: 4 + sideInfo,
  };
}

/**
 * Where frames begin in `bytes`: three of a kind in a row, or as many as there are up to the end; -1 for nowhere.
 * @param {Uint8Array} bytes
 * @param {number} from
 * @param {boolean} whole whether the file ends where `bytes` do
 */
export function findFrames(bytes, from, whole) {
  for (let start = bytes.indexOf(0xff, from); start >= 0; start = bytes.indexOf(0xff, start + 1)) {
    let at = start;
    let frames = 0;
    const first = frameHeader(bytes, at);
    if (!first) continue;
    for (let next = first; next?.kind === first.kind && frames < CERTAIN; frames++) {
      at += next.length;
      next = /** @type {Header} */ (frameHeader(bytes, at));
    }
    if (frames === CERTAIN || (whole && at >= bytes.length && (start === 0 || frames > 1))) return start;
  }
  return -1;
}

/**
 * Frames one after the other; `first`: what follows is another recording, with an encoder's tag of its own.
 * @param {Input} input
 * @returns {Generator<{ bytes: Uint8Array, header: Header, first: boolean }>}
 */
function* frames(input) {
  const enough = CERTAIN * LONGEST + 10;
  let kind = -1;
  for (let at = input.start; at < input.end; ) {
    const view = input.view(at, enough);
    const header = frameHeader(view, 0);
    const whole = at + view.length >= input.end;
    if (header && (header.kind === kind || findFrames(view.subarray(0, enough), 0, whole) === 0)) {
      if (header.length > view.length) return; // the last one, cut
      kind = header.kind;
      const bytes = view.slice(0, header.length);
      yield { bytes, header, first: hasEncoderTag(bytes, header) };
      at += header.length;
      continue;
    }
    const tag = tagLength(view);
    if (tag > 0) {
      at += tag;
      continue;
    }
    const found = findFrames(view, 1, whole);
    if (found > 0) at += found;
    else if (whole) return;
    else at += view.length - enough + 1 > 0 ? view.length - enough + 1 : view.length;
  }
}

/**
 * @param {Uint8Array} bytes
 * @param {Header} header
 */
function hasEncoderTag(bytes, { tagAt }) {
  const id = (/** @type {number} */ at) => String.fromCharCode(...bytes.subarray(at, at + 4));
  return ['Xing', 'Info'].includes(id(tagAt)) || id(36) === 'VBRI';
}

/**
 * Length of a tag of other programs: ID3v2, ID3v1, APE; 0 if there is none.
 * @param {Uint8Array} bytes
 */
export function tagLength(bytes) {
  const is = (/** @type {string} */ magic) => [...magic].every((c, i) => bytes[i] === c.charCodeAt(0));
  if (is('ID3') && bytes.length >= 10) {
    const [a, b, c, d] = bytes.subarray(6, 10);
    const footer = bytes[5] & 0x10 ? 10 : 0;
    return 10 + (((a & 127) << 21) | ((b & 127) << 14) | ((c & 127) << 7) | (d & 127)) + footer;
  }
  if (is('TAG')) return 128;
  if (is('APETAGEX') && bytes.length >= 32) {
    const size = bytes[12] | (bytes[13] << 8) | (bytes[14] << 16);
    return bytes[23] & 0x20 ? size + 32 : 32; // before the items, or behind them
  }
  return 0;
}

/** Frames given to the decoder in one go. */
const TOGETHER = 64;

/**
 * @param {Input} input
 * @returns {AsyncGenerator<import('./output.js').Part>}
 */
export async function* decodeMpeg(input) {
  const { MPEGDecoder } = await decoderOf('mpg123-decoder');
  let decoder = new MPEGDecoder();
  try {
    await decoder.ready;
    /** @type {Uint8Array[]} */
    let waiting = [];
    let rate = 0;
    const flush = () => {
      const result = decoder.decode(Buffer.concat(waiting));
      waiting = [];
      if (result.errors.length > 0) throw damaged(result.errors[0].message);
      return audio(result.channelData, result.samplesDecoded, rate);
    };
    for (const { bytes, header, first } of frames(input)) {
      if (waiting.length >= TOGETHER || (waiting.length > 0 && (first || header.rate !== rate))) yield flush();
      // Each recording has its own delay and padding, which only a new decoder takes from its tag.
      if (first && rate !== 0) {
        decoder.free();
        decoder = new MPEGDecoder();
        await decoder.ready;
      }
      rate = header.rate;
      waiting.push(bytes);
    }
    if (waiting.length > 0) yield flush();
  } finally {
    decoder.free();
  }
}
