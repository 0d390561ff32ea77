// A corpus as log-mel on disk: written once, memory-mapped ever after. The format is in docs/feature-store.md.
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { z } from 'zod';
import { Audio2VecError, argumentError } from './errors.js';
import { checkFrontEnd, type FrontEnd } from './log-mel.js';
import { native } from './native.js';

/** The class that the addon exports (native/frontend/feature_store_addon.cc). */
export interface NativeFeatureStore {
  read(firstFrame: number, count: number): Float32Array;
  close(): void;
}

export const MAGIC = 'A2VMEL\r\n';
export const VERSION = 1;
/** Bytes before the frames; a multiple of 64, so that the mapped frames are aligned for any vector. */
export const PREAMBLE_BYTES = 64;
/** A band that never changes has no spread to divide by: standard deviations are at least this. */
export const STD_FLOOR = 1e-3;

const sourceFile = z.object({ name: z.string(), size: z.number(), mtimeMs: z.number() });
const indexSchema = z.object({
  frontEnd: z.record(z.string(), z.number()),
  mean: z.array(z.number()),
  std: z.array(z.number()),
  clips: z.array(sourceFile.extend({ frames: z.int().positive() })),
  bad: z.array(sourceFile.extend({ reason: z.string() })),
});
/** What the file holds beside the frames. */
export type StoreIndex = Omit<z.infer<typeof indexSchema>, 'frontEnd'> & { frontEnd: FrontEnd };

/** A corpus as log-mel, mapped into memory: frames are read from disk when they are needed, so that it may be larger
 * than memory. */
export class FeatureStore {
  readonly file: string;
  readonly frontEnd: FrontEnd;
  /** Frames in all clips together. */
  readonly frames: number;
  readonly bands: number;
  /** First frame of each clip, and one past the last frame of the last: clips + 1 entries. */
  readonly clipStarts: Float64Array;
  /** Path of each clip, relative to the corpus folder. */
  readonly clipNames: readonly string[];
  /** Files that gave no frames, and why. */
  readonly bad: readonly { name: string; reason: string }[];
  /** Per-band statistics over all frames. */
  readonly mean: Float32Array;
  /** At least {@link STD_FLOOR}. */
  readonly std: Float32Array;
  /** For native code (FeatureStoreObject in native/frontend). @internal */
  readonly handle: NativeFeatureStore;
  /** @internal */
  readonly index: StoreIndex;
  #closed = false;

  /** @internal Use {@link openFeatureStore}. */
  constructor(file: string, index: StoreIndex, fileBytes: number) {
    this.file = file;
    this.index = index;
    this.frontEnd = index.frontEnd;
    this.bands = index.frontEnd.bands;
    this.clipStarts = new Float64Array(index.clips.length + 1);
    index.clips.forEach((clip, i) => {
      this.clipStarts[i + 1] = this.clipStarts[i]! + clip.frames;
    });
    this.frames = this.clipStarts[index.clips.length]!;
    this.clipNames = index.clips.map((clip) => clip.name);
    this.bad = index.bad;
    this.mean = Float32Array.from(index.mean);
    this.std = Float32Array.from(index.std);
    try {
      this.handle = new native.FeatureStore(file, PREAMBLE_BYTES, this.frames, this.bands, fileBytes);
    } catch (error) {
      throw damaged(file, (error as Error).message);
    }
  }

  /** A copy of `count` frames from `firstFrame` on: `[count, bands]`. */
  read(firstFrame: number, count: number): Float32Array {
    if (this.#closed) throw new Audio2VecError('ERR_ARGUMENT', `The feature store ${this.file} has been closed.`);
    if (!Number.isInteger(firstFrame) || firstFrame < 0 || firstFrame > this.frames) {
      throw argumentError('firstFrame', `an integer from 0 to ${this.frames}`, firstFrame);
    }
    if (!Number.isInteger(count) || count < 0 || firstFrame + count > this.frames) {
      throw argumentError('count', `an integer from 0 to ${this.frames - firstFrame}`, count);
    }
    return this.handle.read(firstFrame, count);
  }

  /** Gives the memory mapping back. Native work that still uses the frames keeps them until it ends. */
  close(): void {
    this.#closed = true;
    this.handle.close();
  }
}

/** Opens a file that `buildFeatureStore` wrote.
 * @throws `ERR_FILE` if it can't be read, `ERR_MODEL_FORMAT` if it is damaged or no feature store. */
export async function openFeatureStore(file: string): Promise<FeatureStore> {
  const { index, bytes } = await readIndex(file);
  return new FeatureStore(file, index, bytes);
}

/** The 64 bytes that a store starts with. */
export function preamble(frames: number, bands: number, index: Buffer): Buffer {
  const head = Buffer.alloc(PREAMBLE_BYTES);
  head.write(MAGIC, 0, 'latin1');
  head.writeUInt32LE(VERSION, 8);
  head.writeUInt32LE(bands, 12);
  head.writeBigUInt64LE(BigInt(frames), 16);
  head.writeBigUInt64LE(BigInt(index.length), 24);
  createHash('sha256').update(head.subarray(0, 32)).update(index).digest().copy(head, 32);
  return head;
}

async function readIndex(file: string): Promise<{ index: StoreIndex; bytes: number }> {
  const handle = await open(file, 'r').catch((cause) => {
    throw new Audio2VecError('ERR_FILE', `The feature store ${file} can't be opened: ${cause.message}.`, { cause });
  });
  try {
    const { size } = await handle.stat();
    const head = Buffer.alloc(PREAMBLE_BYTES);
    const { bytesRead } = await handle.read(head, 0, PREAMBLE_BYTES, 0).catch((cause) => {
      throw new Audio2VecError('ERR_FILE', `The feature store ${file} can't be read: ${cause.message}.`, { cause });
    });
    if (bytesRead < PREAMBLE_BYTES || head.toString('latin1', 0, 8) !== MAGIC) throw damaged(file, 'it is none');
    const version = head.readUInt32LE(8);
    if (version !== VERSION) throw damaged(file, `it has version ${version}, this program reads ${VERSION}`);
    const bands = head.readUInt32LE(12);
    const frames = Number(head.readBigUInt64LE(16));
    const indexBytes = Number(head.readBigUInt64LE(24));
    const expected = PREAMBLE_BYTES + frames * bands * 4 + indexBytes;
    if (size !== expected) throw damaged(file, `it has ${size} bytes instead of ${expected}`);

    const json = Buffer.alloc(indexBytes);
    await handle.read(json, 0, indexBytes, size - indexBytes);
    if (!preamble(frames, bands, json).equals(head)) throw damaged(file, 'its checksum is wrong');
    const index = parseIndex(file, json);
    const counted = index.clips.reduce((sum, clip) => sum + clip.frames, 0);
    const sizes = [index.frontEnd.bands, index.mean.length, index.std.length];
    if (counted !== frames || sizes.some((n) => n !== bands)) throw damaged(file, 'its parts contradict each other');
    return { index, bytes: size };
  } finally {
    await handle.close();
  }
}

function parseIndex(file: string, json: Buffer): StoreIndex {
  try {
    const index = indexSchema.parse(JSON.parse(json.toString('utf8')));
    return { ...index, frontEnd: checkFrontEnd(index.frontEnd) };
  } catch (cause) {
    throw damaged(file, 'its index makes no sense', cause);
  }
}

function damaged(file: string, why: string, cause?: unknown): Audio2VecError {
  return new Audio2VecError(
    'ERR_MODEL_FORMAT',
    `${file} is not a whole feature store: ${why}. Delete it and build it again.`,
    { cause },
  );
}
