// Tells audio formats apart by their bytes; file names may lie.
import { Audio2VecError } from '../util/errors.js';

/** Formats that a separate decoder package reads. */
export type CompressedFormat = 'flac' | 'mp3' | 'vorbis' | 'opus';
export type AudioFormat = 'wav' | CompressedFormat;

/** A format, and the bytes without the tags that other programs put around them. */
export interface Recognised {
  format: AudioFormat;
  bytes: Uint8Array;
}

/** Beginnings of files that people take for audio we read: where, which bytes, what to call it. */
const FOREIGN: [offset: number, magic: string, what: string][] = [
  [4, 'ftyp', 'an MPEG-4 file (AAC or ALAC)'],
  [0, 'FORM', 'an AIFF file'],
  [0, '.snd', 'a Sun/NeXT .au file'],
  [0, 'caff', 'a Core Audio file'],
  [0, '\x1a\x45\xdf\xa3', 'a Matroska or WebM file'],
  [0, '\x30\x26\xb2\x75', 'a Windows Media file'],
  [0, 'riff', 'a Wave64 file'],
  [0, 'wvpk', 'a WavPack file'],
  [0, 'MAC ', "a Monkey's Audio file"],
  [0, '#!AMR', 'an AMR file'],
];

const CONVERT = 'Convert it, for example: ffmpeg -i IN OUT.flac';

/**
 * Recognises WAV, FLAC, MP3, Ogg Vorbis, Ogg Opus and Ogg FLAC.
 * @throws {@link Audio2VecError} `ERR_AUDIO_FORMAT`, naming what it is instead where that is known.
 */
export function recognise(all: Uint8Array, name: string): Recognised {
  const refuse = (problem: string) => new Audio2VecError('ERR_AUDIO_FORMAT', `${name}: ${problem}`);
  if (all.length === 0) throw refuse('the file is empty.');
  const bytes = withoutLeadingTags(all);
  const has = (at: number, magic: string) => isAt(bytes, at, magic);

  if (['RIFF', 'RIFX', 'RF64', 'BW64'].some((magic) => has(0, magic))) {
    if (!has(8, 'WAVE')) throw refuse(`a RIFF file, but not a WAVE file. ${CONVERT}`);
    return { format: 'wav', bytes };
  }
  if (has(0, 'fLaC')) return { format: 'flac', bytes: withoutTrailingTag(bytes) };
  if (has(0, 'OggS')) {
    const packet = 27 + (bytes[26] ?? 0); // the first packet follows the page's header and its segment table
    if (has(packet, '\x01vorbis')) return { format: 'vorbis', bytes };
    if (has(packet, 'OpusHead')) return { format: 'opus', bytes };
    if (has(packet, '\x7fFLAC')) return { format: 'flac', bytes };
    throw refuse(`an Ogg file without Vorbis, Opus or FLAC audio at its start. ${CONVERT}`);
  }
  for (const [offset, magic, what] of FOREIGN) {
    if (has(offset, magic)) throw refuse(`${what}, which is not supported. ${CONVERT}`);
  }
  const frame = findMpegFrames(bytes);
  if (frame >= 0) return { format: 'mp3', bytes: withoutTrailingTag(bytes.subarray(frame)) };
  throw refuse('not an audio file that can be read: neither WAV, FLAC, MP3, Ogg Vorbis nor Opus.');
}

/** Skips ID3v2 tags, which some programs put before any format. */
function withoutLeadingTags(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (bytes.length >= start + 10 && isAt(bytes, start, 'ID3')) {
    const [a, b, c, d] = bytes.subarray(start + 6, start + 10);
    const footer = bytes[start + 5] & 0x10 ? 10 : 0;
    start += 10 + (((a & 127) << 21) | ((b & 127) << 14) | ((c & 127) << 7) | (d & 127)) + footer;
  }
  return bytes.subarray(Math.min(start, bytes.length));
}

/** Cuts off an ID3v1 tag, for which decoders would take the last frame for damaged. */
function withoutTrailingTag(bytes: Uint8Array): Uint8Array {
  const tail = bytes.length - 128;
  return tail > 0 && isAt(bytes, tail, 'TAG') ? bytes.subarray(0, tail) : bytes;
}

const isAt = (bytes: Uint8Array, at: number, magic: string) =>
  [...magic].every((character, i) => bytes[at + i] === character.charCodeAt(0));

/** kbit/s by bit-rate index 1 … 14: MPEG-1 layers I, II, III; MPEG-2 layer I, layers II and III. ISO 11172-3, 13818-3. */
const BIT_RATES = [
  [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
  [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
  [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
  [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/** Length in bytes of the MPEG audio frame whose header is at `at`; 0 if there is none. */
function mpegFrameLength(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== 0xff || (bytes[at + 1] & 0xe0) !== 0xe0) return 0;
  const version = (bytes[at + 1] >> 3) & 3; // 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5
  const layer = 4 - ((bytes[at + 1] >> 1) & 3); // 4 is reserved (and what AAC in ADTS has)
  const bitRate = bytes[at + 2] >> 4;
  const rateIndex = (bytes[at + 2] >> 2) & 3;
  const padding = (bytes[at + 2] >> 1) & 1;
  if (version === 1 || layer === 4 || bitRate === 0 || bitRate === 15 || rateIndex === 3) return 0;
  const row = version === 3 ? layer - 1 : layer === 1 ? 3 : 4;
  const bitsPerSecond = BIT_RATES[row][bitRate - 1] * 1000;
  const rate = [44100, 48000, 32000][rateIndex] / (version === 3 ? 1 : version === 2 ? 2 : 4);
  if (layer === 1) return (Math.floor((12 * bitsPerSecond) / rate) + padding) * 4;
  const samples = layer === 3 && version !== 3 ? 72 : 144;
  return Math.floor((samples * bitsPerSecond) / rate) + padding;
}

/** Where MPEG audio begins: three frames in a row (or all that there are); -1 if nowhere in the first 64 kB. */
function findMpegFrames(bytes: Uint8Array): number {
  const sameKind = (a: number, b: number) =>
    ((bytes[a + 1] ^ bytes[b + 1]) & 0xfe) === 0 && ((bytes[a + 2] ^ bytes[b + 2]) & 0x0c) === 0;
  const end = Math.min(bytes.length - 4, 1 << 16);
  for (let start = 0; start < end; start++) {
    let at = start;
    let frames = 0;
    while (frames < 3 && at + 4 <= bytes.length && sameKind(start, at)) {
      const length = mpegFrameLength(bytes, at);
      if (length === 0) break;
      frames++;
      at += length;
    }
    if (frames === 3 || (start === 0 && frames > 0 && at >= bytes.length)) return start;
  }
  return -1;
}
