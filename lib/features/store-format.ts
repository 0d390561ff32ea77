// The bytes of a feature store file around its frames: head and index. docs/feature-store.md has the format.
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import { Audio2VecError } from '../util/errors.js';
import { type FrontEndConfig, frameWidth, storedFrontEnd } from './front-ends.js';

const MAGIC = 'A2VMEL\r\n';
const VERSION = 2;
/** Columns start at multiples of this, so that mapped frames are aligned for any vector. The head is as long. */
export const ALIGNMENT = 64;
export const HEAD_BYTES = ALIGNMENT;
// A damaged length must not make us allocate what it says.
const MAX_INDEX_BYTES = 2 ** 30;

const sourceFile = z.object({ name: z.string(), size: z.number(), mtimeMs: z.number() });
const indexSchema = z.object({
  columns: z
    .array(
      z.object({
        name: z.string(),
        width: z.int().positive(),
        offset: z.int().multipleOf(ALIGNMENT).min(HEAD_BYTES),
        frontEnd: z.unknown().optional(),
        labels: z.unknown().optional(),
        mean: z.array(z.number()),
        std: z.array(z.number().positive()),
      }),
    )
    .min(1),
  clips: z.array(sourceFile.extend({ frames: z.int().positive() })),
  bad: z.array(sourceFile.extend({ reason: z.string(), retry: z.boolean().optional() })),
});

/** What a store file says of a column. */
export interface StoredColumn {
  name: string;
  /** Values in a frame. */
  width: number;
  /** Bytes from the start of the file to its first frame. */
  offset: number;
  /** What it was computed with: a front end, or what the maker of labels said of them (any JSON). */
  frontEnd?: FrontEndConfig;
  labels?: unknown;
  mean: number[];
  std: number[];
}

type RawIndex = z.infer<typeof indexSchema>;

/** What a store file holds beside the frames. The first column is the primary one, whose front end is the clock. */
export interface StoreIndex {
  columns: StoredColumn[];
  clips: RawIndex['clips'];
  /** `retry`: the failure says nothing of the recording itself, so that it is to be tried again. */
  bad: RawIndex['bad'];
}

/** The bytes that a store starts with. */
export function storeHead(frames: number, columns: number, index: Uint8Array): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.write(MAGIC, 0, 'latin1');
  head.writeUInt32LE(VERSION, 8);
  head.writeUInt32LE(columns, 12);
  head.writeBigUInt64LE(BigInt(frames), 16);
  head.writeBigUInt64LE(BigInt(index.length), 24);
  createHash('sha256').update(head.subarray(0, 32)).update(index).digest().copy(head, 32);
  return head;
}

/** Throws `ERR_FILE` if what begins with `head` is not ours to replace: another kind of file, or a store of a later release. */
export function checkReplaceable(file: string, head: Buffer): void {
  if (head.length === 0) return;
  const isStore = head.toString('latin1', 0, 8) === MAGIC && head.length >= 12;
  if (isStore && head.readUInt32LE(8) <= VERSION) return;
  const what = isStore ? `a feature store of a later release (format ${head.readUInt32LE(8)})` : 'no feature store';
  throw new Audio2VecError('ERR_FILE', `${file} is ${what} and is not replaced: name another file, or delete it.`);
}

export function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Reads and checks all but the frames. Throws `ERR_MODEL_FORMAT`. */
export async function readIndex(file: string, handle: FileHandle, size: number): Promise<StoreIndex> {
  const head = Buffer.alloc(HEAD_BYTES);
  await handle.read(head, 0, HEAD_BYTES, 0);
  if (head.toString('latin1', 0, 8) !== MAGIC) throw damaged(file, 'it starts with something else');
  const version = head.readUInt32LE(8);
  if (version !== VERSION) {
    const [release, remedy] =
      version < VERSION
        ? ['an earlier release', 'Build it again.']
        : ['a later release', 'Update audio2vec, or build it again.'];
    const message = `${file}: a feature store of ${release} (format ${version}, now ${VERSION}). ${remedy}`;
    throw new Audio2VecError('ERR_MODEL_FORMAT', message);
  }
  const columns = head.readUInt32LE(12);
  const frames = Number(head.readBigUInt64LE(16));
  const indexBytes = Number(head.readBigUInt64LE(24));
  if (indexBytes > MAX_INDEX_BYTES || indexBytes > size - HEAD_BYTES) {
    throw damaged(file, `it has ${size} bytes, and its head says ${indexBytes} of index`);
  }
  const json = Buffer.alloc(indexBytes);
  await handle.read(json, 0, indexBytes, size - indexBytes);
  if (!storeHead(frames, columns, json).equals(head)) throw damaged(file, 'its checksum is wrong');
  const index = parseIndex(file, json);
  const counted = index.clips.reduce((sum, clip) => sum + clip.frames, 0);
  let end = HEAD_BYTES;
  const fits = index.columns.every(({ width, offset, mean, std, frontEnd }) => {
    const follows = offset === aligned(end);
    end = offset + frames * width * 4;
    return follows && [mean.length, std.length, frontEnd ? frameWidth(frontEnd) : width].every((n) => n === width);
  });
  if (!fits || counted !== frames || index.columns.length !== columns || end + indexBytes !== size) {
    throw damaged(file, 'its parts contradict each other');
  }
  return index;
}

function parseIndex(file: string, json: Buffer): StoreIndex {
  try {
    const index = indexSchema.parse(JSON.parse(json.toString('utf8')));
    const columns = index.columns.map(({ frontEnd, ...column }): StoredColumn => {
      return frontEnd === undefined ? column : { ...column, frontEnd: storedFrontEnd(frontEnd) };
    });
    if (!columns[0]!.frontEnd) throw new Error('its first column has no front end');
    if (new Set(columns.map((c) => c.name)).size !== columns.length) throw new Error('two columns share a name');
    return { ...index, columns };
  } catch (cause) {
    throw damaged(file, 'its index makes no sense', cause);
  }
}

export function damaged(file: string, why: string, cause?: unknown): Audio2VecError {
  const message = `${file}: not a whole feature store (${why}). Delete it and build it again.`;
  return new Audio2VecError('ERR_MODEL_FORMAT', message, { cause });
}
