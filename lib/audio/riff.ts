// The chunks of a WAV file, whatever became of their sizes.
import { Audio2VecError } from '../util/errors.js';
import type { Source } from './source.js';

export interface Chunks {
  bigEndian: boolean;
  /** What the `fmt ` chunk holds. */
  format: Uint8Array;
  /** Where the samples are in the file. */
  data: { start: number; end: number };
  /** Sample count of the `fact` chunk, 0 if there is none. */
  factFrames: number;
}

const UNKNOWN_SIZE = 0xffffffff;
/** Files have a handful of chunks; more than this is damage that would only cost time. */
const MAX_CHUNKS = 10_000;

/** Bytes read at a time. */
const WINDOW = 1 << 14;

const bad = (name: string, problem: string) => new Audio2VecError('ERR_AUDIO_FORMAT', `${name}: ${problem}`);

/**
 * Finds the chunks that matter in a RIFF, RIFX, RF64 or BW64 file that begins at `start`.
 *
 * Sizes that a recorder never got to fill in, or that exceed the file, mean "to the end of the file". A size is taken
 * for unfilled when what follows the samples is neither a chunk nor the end: a recorder that lost power leaves 0, or
 * what it wrote when it last looked after its header.
 * @throws {@link Audio2VecError} `ERR_AUDIO_FORMAT`.
 */
export async function findChunks(source: Source, start: number): Promise<Chunks> {
  const reader = new ChunkReader(source);
  const { name, size: fileEnd } = source;
  const little = (await reader.id(start)) !== 'RIFX';
  reader.littleEndian = little;
  const is64 = ['RF64', 'BW64'].includes(await reader.id(start));
  const riffEnd = start + 8 + (await reader.u32(start + 4));
  let format: Uint8Array | undefined;
  let data: Chunks['data'] | undefined;
  let factFrames = 0;
  let dataSize64 = 0;
  let past = '';
  for (let at = start + 12, n = 0; at + 8 <= fileEnd && !(format && data); n++) {
    if (n === MAX_CHUNKS) throw bad(name, `more than ${MAX_CHUNKS} chunks; the file is damaged.`);
    at = await reader.chunkNear(at);
    const chunk = await reader.id(at);
    const size = await reader.u32(at + 4);
    const begin = at + 8;
    const rest = fileEnd - begin;
    if (chunk === 'data' && !data) {
      // In RF64 the 32-bit field means nothing.
      let declared = is64 ? dataSize64 || rest : size === UNKNOWN_SIZE ? rest : size;
      if (declared < rest && !(await reader.endsAfter(declared, begin + declared, riffEnd))) declared = rest;
      data = { start: begin, end: begin + Math.min(declared, rest) };
      at = data.end + (declared % 2);
      continue;
    }
    if (size > rest) {
      past = ` (chunk ${JSON.stringify(chunk)} claims ${size} bytes, and the file ends ${rest} bytes into it)`;
      break;
    }
    if (chunk === 'fmt ') format ??= await source.read(begin, Math.min(size, 64));
    if (chunk === 'fact' && size >= 4) factFrames = await reader.u32(begin);
    if (chunk === 'ds64' && size >= 16) dataSize64 = await reader.u64(begin + 8);
    at = begin + size + (size % 2);
  }
  if (!format) throw bad(name, `a WAV file without a complete "fmt " chunk${past}.`);
  if (!data) throw bad(name, `a WAV file without a "data" chunk${past}.`);
  return { bigEndian: !little, format, data, factFrames };
}

/** The usual ones: a name that is off by a byte may look like another. */
const KNOWN = ['fmt ', 'data', 'fact', 'LIST', 'ds64', 'bext', 'JUNK', 'id3 ', 'cue ', 'smpl', 'inst', 'PEAK', 'iXML'];

/** Printable, as the names of chunks are; also of junk chunks. */
const isName = (id: string) => /^[A-Za-z0-9 _.-]{4}$/.test(id);

class ChunkReader {
  littleEndian = true;

  constructor(private readonly source: Source) {}

  private window = new Uint8Array(0);
  private windowAt = 0;

  private async view(at: number, length: number): Promise<DataView> {
    const before = at - this.windowAt;
    if (before < 0 || before + length > this.window.length) {
      const bytes = await this.source.read(Math.max(0, at - 8), WINDOW);
      this.window = new Uint8Array(bytes.length + 16); // zeros behind the end of the file
      this.window.set(bytes);
      this.windowAt = Math.max(0, at - 8);
    }
    return new DataView(this.window.buffer, at - this.windowAt, length);
  }

  async id(at: number): Promise<string> {
    const view = await this.view(at, 4);
    return String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(i)));
  }

  async u32(at: number): Promise<number> {
    return (await this.view(at, 4)).getUint32(0, this.littleEndian);
  }

  async u64(at: number): Promise<number> {
    return Number((await this.view(at, 8)).getBigUint64(0, this.littleEndian));
  }

  /** Where the chunk is that should be at `at`: some programs forget the padding of odd sizes, or add some. */
  async chunkNear(at: number): Promise<number> {
    const near = [at, at - 1, at + 1, at + 2].filter((place) => place + 8 <= this.source.size);
    const names = await Promise.all(near.map((place) => this.id(place)));
    const known = names.findIndex((name) => KNOWN.includes(name));
    if (known >= 0) return near[known];
    for (const [i, place] of near.entries()) {
      if (isName(names[i]) && place + 8 + (await this.u32(place + 4)) <= this.source.size) return place;
    }
    return at;
  }

  /** Whether the samples may end here, after `declared` bytes: at the end of the file, before further chunks, or before
   * what other programs append to a file that is complete. */
  async endsAfter(declared: number, end: number, riffEnd: number): Promise<boolean> {
    const { size } = this.source;
    if (end + 8 > size) return declared > 0;
    let at = end;
    for (let n = 0; n < MAX_CHUNKS && at + 8 <= size; n++) {
      const places = [at + (at % 2), at, at + 1];
      const named = await Promise.all(places.map(async (place) => isName(await this.id(place))));
      const found = places[named.indexOf(true)];
      if (found === undefined) break;
      const length = await this.u32(found + 4);
      if (found + 8 + length > size) return declared > 0; // cut, or samples that look like a name
      at = found + 8 + length;
    }
    if (at > end) return true;
    if (declared === 0) return false;
    // No chunk. The samples may end all the same, and the rest be zeros or a tag.
    const tail = await this.source.read(end, 1 << 16);
    const beginning = String.fromCharCode(...tail.subarray(0, 8));
    const isTag = ['ID3', 'TAG', 'APETAGEX', '<'].some((magic) => beginning.startsWith(magic));
    return isTag || tail.every((byte) => byte === 0) || (size - end < 4096 && Math.abs(riffEnd - end) < 2);
  }
}
