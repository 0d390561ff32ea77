// WAV: finds the chunks, lets `wavefile` read the format, and describes the samples for the native converter.
//
// `wavefile` never sees a file as it came: it follows whatever sizes and counts the chunks claim (a cue chunk of four
// billion points, LIST chunks inside each other), so damaged headers would make it run for minutes. It gets a clean
// header made of the `fmt ` chunk alone. Its IMA ADPCM decoder is not used either: it repeats the first sample of
// every block and drops the last block (11.0.0); native/audio/ima_adpcm.cc follows the standard.
import wavefile from 'wavefile';
import { Audio2VecError } from '../util/errors.js';
import { type ConvertOptions, checkRate, convert, inputRange, outputLength, type PcmLayout } from './convert.js';
import { type Chunks, findChunks } from './riff.js';
import type { Source } from './source.js';

/** What a WAV file holds. */
export interface Wav {
  rate: number;
  layout: PcmLayout;
  /** Samples of each channel. */
  frames: number;
  /** Where they are in the file. */
  start: number;
  /** The least that can be read alone: a frame, or a block of them. */
  unit: { bytes: number; frames: number };
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
/** The fixed part of the sub-format GUIDs that extend the old format tags, as 32-bit words; and of ambisonic ones. */
const TAG_GUIDS = [
  [0x00100000, 0xaa000080, 0x719b3800],
  [0x11d30721, 0xc1c84486, 0xca],
];

const bad = (name: string, problem: string) => new Audio2VecError('ERR_AUDIO_FORMAT', `${name}: ${problem}`);

/** Outputs in a piece: a few seconds. */
const PIECE = 1 << 17;

/**
 * Reads the header of a WAV file (RIFF, RIFX, RF64, BW64) that begins at `start`; see {@link findChunks} for sizes that
 * are not true. A last frame that is cut is dropped.
 * @throws {@link Audio2VecError} `ERR_AUDIO_FORMAT`.
 */
export async function parseWav(source: Source, start: number): Promise<Wav> {
  const { name } = source;
  const chunks = await findChunks(source, start);
  const format = readFormat(chunks, name);
  const { numChannels, sampleRate: rate } = format;
  if (numChannels === 0) throw bad(name, 'the header says 0 channels.');
  checkRate(rate, name);
  const wav = describeSamples(format, chunks.data.end - chunks.data.start, chunks.factFrames, name);
  if (wav.frames === 0) throw bad(name, 'the file holds no samples.');
  const layout = { ...wav.layout, bigEndian: chunks.bigEndian };
  return { ...wav, layout, rate, start: chunks.data.start };
}

/** Mono at 16 kHz, piece by piece; each reads its own part of the file. */
export async function* wavPieces(
  source: Source,
  { rate, layout, frames, start, unit }: Wav,
  options: ConvertOptions,
): AsyncGenerator<Float32Array<ArrayBuffer>, void, undefined> {
  const outputs = outputLength(frames, rate, options.sampleRate);
  const piece = Math.max(1, Math.floor(PIECE / Math.max(1, (rate * layout.channels) / 48_000)));
  for (let from = 0; from < outputs; from += piece) {
    const to = Math.min(outputs, from + piece);
    const [first, end] = inputRange(from, to, rate, options.sampleRate);
    const units = [Math.floor(first / unit.frames), Math.ceil(Math.min(end, frames) / unit.frames)];
    const range = { first: units[0] * unit.frames, end: Math.min(frames, units[1] * unit.frames) };
    const bytes = await source.read(start + units[0] * unit.bytes, (units[1] - units[0]) * unit.bytes);
    // The last block of a file may be shorter.
    const complete = units[1] * unit.frames > frames ? (units[1] - units[0] - 1) * unit.bytes + 1 : undefined;
    if (bytes.length < (complete ?? (units[1] - units[0]) * unit.bytes)) {
      throw new Audio2VecError('ERR_FILE', `${options.name}: became shorter while it was read.`);
    }
    const pcm = { ...layout, bytes, first: range.first, frames: range.end - range.first };
    yield await convert(pcm, rate, [from, to], options);
  }
}

/** Has `wavefile` read the `fmt ` chunk, in a header of our own making around it. */
function readFormat({ format, bigEndian }: Chunks, name: string): Format {
  const size = format.length;
  // The oldest headers end before the bits of a sample.
  if (size < 14) throw bad(name, `the "fmt " chunk has ${size} bytes; it takes 16 or more.`);
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
  header.set(format.subarray(0, FMT_SIZE), 20);
  put(20 + FMT_SIZE, 'data', 0);
  const wav = new wavefile.WaveFile();
  wav.fromBuffer(header, false);
  const read = wav.fmt as Format;
  if (size < 16) return { ...read, bitsPerSample: (8 * read.blockAlign) / Math.max(1, read.numChannels) };
  if (read.audioFormat !== TAG.extensible) return read;
  // Without the extension these are all that it can be.
  if (size < FMT_SIZE && read.bitsPerSample <= 24) return { ...read, audioFormat: TAG.pcm };
  const [first = 0, ...rest] = read.subformat;
  // In a big-endian file SoX writes the tag big-endian, but the bytes of the GUID behind it as they always are.
  const swapped = bigEndian && first >>> 16 > 0 && (first & 0xffff) === 0;
  const tag = swapped ? first >>> 16 : first;
  const guid = swapped ? rest.map((word) => Buffer.from(Uint32Array.of(word).buffer).readUInt32BE()) : rest;
  // Some programs leave the rest of the GUID empty.
  const known =
    size >= FMT_SIZE && [...TAG_GUIDS, [0, 0, 0]].some((words) => words.every((word, i) => guid[i] === word));
  if (!known) throw bad(name, 'WAVE_FORMAT_EXTENSIBLE with a sub-format that is not one of the standard ones.');
  return { ...read, audioFormat: tag };
}

type Samples = Omit<Wav, 'rate' | 'start'>;

function describeSamples(format: Format, length: number, factFrames: number, name: string): Samples {
  const { audioFormat: tag, numChannels: channels, bitsPerSample: bits, blockAlign } = format;
  const plain = (encoding: PcmLayout['encoding'], sampleBytes: number): Samples => ({
    layout: { encoding, channels },
    frames: Math.floor(length / (sampleBytes * channels)),
    unit: { bytes: sampleBytes * channels, frames: 1 },
  });
  switch (tag) {
    case TAG.pcm: {
      // Depths between the usual ones are stored in the next whole byte, or in words, padded with low zero bits.
      const sampleBytes = blockAlign === 4 * channels && bits <= 32 ? 4 : Math.ceil(bits / 8);
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
      return withTable(plain('companded', 1), expandedCodes(tag === TAG.aLaw ? '8a' : '8m'));
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
      const blocks = Math.floor(length / blockAlign);
      const stored = blocks * framesIn(blockAlign) + framesIn(length % blockAlign);
      // The last block is padded; `fact` says where the recording ends.
      const padded = factFrames > 0 && factFrames < stored && stored - factFrames < framesIn(blockAlign);
      const frames = padded ? factFrames : stored;
      const unit = { bytes: blockAlign, frames: framesIn(blockAlign) };
      return { layout: { encoding: 'imaAdpcm', channels, blockBytes: blockAlign }, frames, unit };
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

const withTable = ({ layout, ...samples }: Samples, expanded: Float32Array): Samples => ({
  ...samples,
  layout: { ...layout, expanded },
});

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
