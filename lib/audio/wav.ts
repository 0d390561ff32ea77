// WAV: finds the chunks, lets `wavefile` read the format, and describes the samples for the native converter.
//
// `wavefile` never sees a file as it came: it follows whatever sizes and counts the chunks claim (a cue chunk of four
// billion points, LIST chunks inside each other), so damaged headers would make it run for minutes. It gets a clean
// header made of the `fmt ` chunk alone. Its IMA ADPCM decoder is not used either: it repeats the first sample of
// every block and drops the last block (11.0.0); native/audio/ima_adpcm.cc follows the standard.
import wavefile from 'wavefile';
import { Audio2VecError } from '../util/errors.js';
import type { Pcm } from './convert.js';

/** What a WAV file holds. */
export interface Wav {
  rate: number;
  pcm: Pcm;
}

/** The fields of a `fmt ` chunk, as `wavefile` names them. */
interface Format {
  audioFormat: number;
  numChannels: number;
  sampleRate: number;
  blockAlign: number;
  bitsPerSample: number;
  subformat: number[];
}

const TAG = { pcm: 1, float: 3, aLaw: 6, muLaw: 7, imaAdpcm: 0x11, extensible: 0xfffe } as const;
const KNOWN_TAGS: Record<number, string> = { 2: 'MS ADPCM', 49: 'GSM 6.10', 80: 'MPEG', 85: 'MP3', 255: 'AAC' };
/** The fixed part of the sub-format GUIDs that extend the old format tags, as 32-bit words. */
const TAG_GUID = [0x00100000, 0xaa000080, 0x719b3800];
const UNKNOWN_SIZE = 0xffffffff;
/** Files have a handful of chunks; more than this is damage that would only cost time. */
const MAX_CHUNKS = 10_000;

const bad = (name: string, problem: string) => new Audio2VecError('ERR_AUDIO_FORMAT', `${name}: ${problem}`);

/**
 * Reads the header of a WAV file (RIFF, RIFX, RF64, BW64). Sizes that a recorder never got to fill in, or that exceed
 * the file, mean "to the end of the file"; a last frame that is cut is dropped.
 * @throws {@link Audio2VecError} `ERR_AUDIO_FORMAT`.
 */
export function parseWav(bytes: Uint8Array, name: string): Wav {
  const chunks = findChunks(bytes, name);
  const format = readFormat(bytes, chunks, name);
  const { numChannels: channels, sampleRate: rate } = format;
  if (channels === 0) throw bad(name, 'the header says 0 channels.');
  const data = bytes.subarray(chunks.data.start, chunks.data.end);
  const pcm = { ...describeSamples(format, data, chunks.factFrames, name), bigEndian: chunks.bigEndian };
  if (pcm.frames === 0) throw bad(name, 'the file holds no samples.');
  return { rate, pcm };
}

interface Chunks {
  bigEndian: boolean;
  format: { start: number; end: number };
  data: { start: number; end: number };
  /** Sample count of the `fact` chunk, 0 if there is none. */
  factFrames: number;
}

function findChunks(bytes: Uint8Array, name: string): Chunks {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const id = (at: number) => String.fromCharCode(...bytes.subarray(at, at + 4));
  const little = id(0) !== 'RIFX';
  const u32 = (at: number) => view.getUint32(at, little);
  const found: Partial<Chunks> = {};
  let factFrames = 0;
  let dataSize64 = Infinity;
  let past = '';
  for (let at = 12, n = 0; at + 8 <= bytes.length; n++) {
    if (n === MAX_CHUNKS) throw bad(name, `more than ${MAX_CHUNKS} chunks; the file is damaged.`);
    const chunk = id(at);
    const size = u32(at + 4);
    const start = at + 8;
    const rest = bytes.length - start;
    if (chunk === 'data') {
      const unfinished = size === 0 && u32(4) === 0;
      const declared = unfinished ? rest : size === UNKNOWN_SIZE ? dataSize64 : size;
      found.data ??= { start, end: start + Math.min(declared, rest) };
      at = found.data.end + (declared % 2);
      continue;
    }
    if (size > rest) {
      past = ` (chunk ${JSON.stringify(chunk)} claims ${size} bytes, and the file ends ${rest} bytes into it)`;
      break;
    }
    if (chunk === 'fmt ') found.format ??= { start, end: start + size };
    if (chunk === 'fact' && size >= 4) factFrames = u32(start);
    if (chunk === 'ds64' && size >= 16) dataSize64 = Number(view.getBigUint64(start + 8, little));
    at = start + size + (size % 2);
  }
  const { format, data } = found;
  if (!format) throw bad(name, `a WAV file without a complete "fmt " chunk${past}.`);
  if (!data) throw bad(name, `a WAV file without a "data" chunk${past}.`);
  return { bigEndian: !little, format, data, factFrames };
}

/** Has `wavefile` read the `fmt ` chunk, in a header of our own making around it. */
function readFormat(bytes: Uint8Array, { format, bigEndian }: Chunks, name: string): Format {
  const size = format.end - format.start;
  if (size < 16) throw bad(name, `the "fmt " chunk has ${size} bytes; it takes 16 or more.`);
  const FMT_SIZE = 40; // the longest, of WAVE_FORMAT_EXTENSIBLE
  const header = new Uint8Array(12 + 8 + FMT_SIZE + 8);
  const view = new DataView(header.buffer);
  const put = (at: number, id: string, length?: number) => {
    header.set(Buffer.from(id, 'latin1'), at);
    if (length !== undefined) view.setUint32(at + 4, length, !bigEndian);
  };
  put(0, bigEndian ? 'RIFX' : 'RIFF', header.length - 8);
  put(8, 'WAVE');
  put(12, 'fmt ', FMT_SIZE);
  header.set(bytes.subarray(format.start, Math.min(format.end, format.start + FMT_SIZE)), 20);
  put(20 + FMT_SIZE, 'data', 0);
  const wav = new wavefile.WaveFile();
  wav.fromBuffer(header, false);
  const read = wav.fmt as Format;
  if (read.audioFormat !== TAG.extensible) return read;
  const [tag, ...guid] = read.subformat;
  if (size < FMT_SIZE || guid.some((word, i) => word !== TAG_GUID[i])) {
    throw bad(name, 'WAVE_FORMAT_EXTENSIBLE with a sub-format that is not one of the standard ones.');
  }
  return { ...read, audioFormat: tag };
}

function describeSamples(format: Format, bytes: Uint8Array, factFrames: number, name: string): Pcm {
  const { audioFormat: tag, numChannels: channels, bitsPerSample: bits, blockAlign } = format;
  const plain = (encoding: Pcm['encoding'], sampleBytes: number): Pcm => ({
    bytes,
    encoding,
    channels,
    frames: Math.floor(bytes.length / (sampleBytes * channels)),
  });
  switch (tag) {
    case TAG.pcm: {
      // Depths between the usual ones are stored in the next whole byte, padded with low zero bits.
      const sampleBytes = Math.ceil(bits / 8);
      const encoding = ([undefined, 'u8', 's16', 's24', 's32'] as const)[sampleBytes];
      if (!encoding) throw bad(name, `integer PCM of ${bits} bits a sample; 1 to 32 can be read.`);
      return plain(encoding, sampleBytes);
    }
    case TAG.float:
      if (bits !== 32 && bits !== 64)
        throw bad(name, `floating-point PCM of ${bits} bits a sample; 32 and 64 can be read.`);
      return plain(bits === 32 ? 'f32' : 'f64', bits / 8);
    case TAG.aLaw:
    case TAG.muLaw:
      return { ...plain('companded', 1), expanded: expandedCodes(tag === TAG.aLaw ? '8a' : '8m') };
    case TAG.imaAdpcm: {
      const headers = 4 * channels;
      const groups = channels === 1 ? 1 : headers; // bytes in which the channels' codes take turns
      if (bits !== 4 || blockAlign <= headers || (blockAlign - headers) % groups !== 0) {
        throw bad(
          name,
          `IMA ADPCM with ${bits} bits a sample in blocks of ${blockAlign} bytes, which the format does not allow.`,
        );
      }
      const framesIn = (size: number) =>
        size < headers ? 0 : 1 + Math.floor((size - headers) / groups) * (channels === 1 ? 2 : 8);
      const blocks = Math.floor(bytes.length / blockAlign);
      const stored = blocks * framesIn(blockAlign) + framesIn(bytes.length % blockAlign);
      // The last block is padded; `fact` says where the recording ends.
      const padded = factFrames > 0 && factFrames < stored && stored - factFrames < framesIn(blockAlign);
      const frames = padded ? factFrames : stored;
      return { bytes, encoding: 'imaAdpcm', channels, frames, blockBytes: blockAlign };
    }
    default: {
      const codec = KNOWN_TAGS[tag] ?? `format tag 0x${tag.toString(16).padStart(4, '0')}`;
      throw bad(
        name,
        `a WAV file with a codec that is not supported (${codec}). Convert it: ffmpeg -i IN -c:a pcm_s16le OUT.wav`,
      );
    }
  }
}

const expansions = new Map<string, Float32Array>();

/** The value of each A-law (`8a`) or µ-law (`8m`) code: `wavefile` decodes all 256 of them, once. */
function expandedCodes(law: '8a' | '8m'): Float32Array {
  let table = expansions.get(law);
  if (!table) {
    const wav = new wavefile.WaveFile();
    wav.fromScratch(
      1,
      8000,
      law,
      Uint8Array.from({ length: 256 }, (_, code) => code),
    );
    if (law === '8a') wav.fromALaw();
    else wav.fromMuLaw();
    table = Float32Array.from(wav.getSamples() as Float64Array, (value) => value / 32768);
    expansions.set(law, table);
  }
  return table;
}
