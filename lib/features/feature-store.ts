// A corpus as log-mel on disk: written once (lib/features/feature-build.ts), memory-mapped ever after. The format is in
// docs/feature-store.md.
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { z } from 'zod';
import { native } from '../native/addon.js';
import type { NativeFeatureStore } from '../native/types.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import type { FrontEndConfig } from './front-end-config.js';
import { checkFrontEnd } from './log-mel.js';

/** Log-mel of a corpus, as training and evaluation read it. */
export interface FeatureStore {
  /** Frames in all clips together. */
  readonly frames: number;
  readonly bands: number;
  readonly frontEnd: FrontEndConfig;
  /** First frame of each clip, and one past the last frame of the last: clips + 1 entries. */
  readonly clipStarts: Float64Array;
  /** Path of each clip, relative to the corpus folder. */
  readonly clipNames: readonly string[];
  /** Per-band statistics over all frames; `std` is at least 1e-3. */
  readonly mean: Float32Array;
  readonly std: Float32Array;
  /** A copy of `count` frames from `start` on, `[count, bands]`, not normalised. */
  read(start: number, count: number): Float32Array;
  /** What the addon reads frames from. */
  readonly native: object;
}

const MAGIC = 'A2VMEL\r\n';
const VERSION = 1;
/** Bytes before the frames; a multiple of 64, so that the mapped frames are aligned for any vector. */
export const HEAD_BYTES = 64;
// A damaged length must not make us allocate what it says.
const MAX_INDEX_BYTES = 2 ** 30;

const sourceFile = z.object({ name: z.string(), size: z.number(), mtimeMs: z.number() });
const indexSchema = z.object({
  frontEnd: z.record(z.string(), z.number()),
  mean: z.array(z.number()),
  std: z.array(z.number()),
  clips: z.array(sourceFile.extend({ frames: z.int().positive() })),
  bad: z.array(sourceFile.extend({ reason: z.string() })),
});

/** What a store file holds beside the frames. */
export type StoreIndex = Omit<z.infer<typeof indexSchema>, 'frontEnd'> & { frontEnd: FrontEndConfig };

/** A feature store file, mapped into memory: frames come from disk when they are read and can be dropped again, so a
 * corpus may be larger than memory. */
export class MappedFeatureStore implements FeatureStore {
  readonly file: string;
  readonly frames: number;
  readonly bands: number;
  readonly frontEnd: FrontEndConfig;
  readonly clipStarts: Float64Array;
  readonly clipNames: readonly string[];
  readonly mean: Float32Array;
  readonly std: Float32Array;
  readonly native: NativeFeatureStore;
  /** Files of the corpus that gave no frames, and why. */
  readonly bad: readonly { name: string; reason: string }[];
  /** @internal */
  readonly index: StoreIndex;
  #closed = false;

  /** @internal See {@link openFeatureStore}. */
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
      this.native = new native.FeatureStore(file, HEAD_BYTES, this.frames, this.bands, fileBytes);
    } catch (cause) {
      throw damaged(file, (cause as Error).message, cause);
    }
  }

  read(start: number, count: number): Float32Array {
    if (this.#closed) throw argumentError('store', 'open', `${this.file}, which has been closed`);
    if (!Number.isInteger(start) || start < 0 || start > this.frames) {
      throw argumentError('start', `an integer from 0 to ${this.frames}`, start);
    }
    if (!Number.isInteger(count) || count < 0 || start + count > this.frames) {
      throw argumentError('count', `an integer from 0 to ${this.frames - start}`, count);
    }
    return this.native.read(start, count);
  }

  /** Gives the mapping back. A training step that is still running keeps it until it ends. */
  close(): void {
    this.#closed = true;
    this.native.close();
  }
}

/** Opens a file that `buildFeatureStore` wrote.
 * @throws `ERR_FILE` if it can't be read, `ERR_MODEL_FORMAT` if it is damaged or no feature store. */
export async function openFeatureStore(file: string): Promise<MappedFeatureStore> {
  if (typeof file !== 'string') throw argumentError('file', 'a path', file);
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'r');
    const { size } = await handle.stat();
    return new MappedFeatureStore(file, await readIndex(file, handle, size), size);
  } catch (cause) {
    if (cause instanceof Audio2VecError) throw cause;
    throw new Audio2VecError('ERR_FILE', `${file}: ${(cause as Error).message}.`, { cause });
  } finally {
    await handle?.close();
  }
}

/** The 64 bytes that a store starts with. */
export function storeHead(frames: number, bands: number, index: Uint8Array): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.write(MAGIC, 0, 'latin1');
  head.writeUInt32LE(VERSION, 8);
  head.writeUInt32LE(bands, 12);
  head.writeBigUInt64LE(BigInt(frames), 16);
  head.writeBigUInt64LE(BigInt(index.length), 24);
  createHash('sha256').update(head.subarray(0, 32)).update(index).digest().copy(head, 32);
  return head;
}

async function readIndex(file: string, handle: FileHandle, size: number): Promise<StoreIndex> {
  const head = Buffer.alloc(HEAD_BYTES);
  await handle.read(head, 0, HEAD_BYTES, 0);
  if (head.toString('latin1', 0, 8) !== MAGIC) throw damaged(file, 'it starts with something else');
  const version = head.readUInt32LE(8);
  if (version !== VERSION) throw damaged(file, `it has version ${version}, this release reads ${VERSION}`);
  const bands = head.readUInt32LE(12);
  const frames = Number(head.readBigUInt64LE(16));
  const indexBytes = Number(head.readBigUInt64LE(24));
  const expected = HEAD_BYTES + frames * bands * 4 + indexBytes;
  if (size !== expected || indexBytes > MAX_INDEX_BYTES) {
    throw damaged(file, `it has ${size} bytes where its head says ${expected}`);
  }
  const json = Buffer.alloc(indexBytes);
  await handle.read(json, 0, indexBytes, size - indexBytes);
  if (!storeHead(frames, bands, json).equals(head)) throw damaged(file, 'its checksum is wrong');
  const index = parseIndex(file, json);
  const counted = index.clips.reduce((sum, clip) => sum + clip.frames, 0);
  if (counted !== frames || [index.frontEnd.bands, index.mean.length, index.std.length].some((n) => n !== bands)) {
    throw damaged(file, 'its parts contradict each other');
  }
  return index;
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
  const message = `${file}: not a whole feature store (${why}). Delete it and build it again.`;
  return new Audio2VecError('ERR_MODEL_FORMAT', message, { cause });
}
