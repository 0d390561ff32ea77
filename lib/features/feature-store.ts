// Features of a corpus on disk: written once (feature-build.ts), memory-mapped ever after.
import { type FileHandle, open } from 'node:fs/promises';
import { native } from '../native/addon.js';
import type { NativeFeatureStore } from '../native/types.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import type { FrontEndConfig } from './front-ends.js';
import { damaged, readIndex, type StoredColumn, type StoreIndex } from './store-format.js';

/** Frames that slices can be gathered from, with the statistics to normalise them by: `(x - mean) / std`. */
export interface FeatureColumn {
  readonly name: string;
  /** Frames in all clips together. */
  readonly frames: number;
  /** Values in a frame. */
  readonly width: number;
  /** Statistics of each value over all frames; `std` is at least 1e-3. */
  readonly mean: Float32Array;
  readonly std: Float32Array;
  /** What it was computed with: a front end, or what the maker of labels said of them. */
  readonly frontEnd?: FrontEndConfig;
  readonly labels?: unknown;
  /** A copy of `count` frames from `start` on, `[count, width]`, not normalised. */
  read(start: number, count: number): Float32Array;
  /** What the addon reads frames from. */
  readonly native: object;
}

/** Features of a corpus, as training and evaluation read them. What is said of frames here is said of the primary
 * column, log-mel unless another front end was asked for; other columns have a value for each of the same frames. */
export interface FeatureStore {
  /** Frames in all clips together. */
  readonly frames: number;
  /** Values in a frame. */
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
  /** One of its columns by name, where there may be several. Throws `ERR_ARGUMENT` if there is none of that name. */
  column?(name: string): FeatureColumn;
}

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
  /** Names of the columns, the primary one first. */
  readonly columns: readonly string[];
  /** Files of the corpus that gave no frames, and why. */
  readonly bad: readonly { name: string; reason: string }[];
  /** @internal */
  readonly index: StoreIndex;
  readonly #columns: readonly MappedColumn[];

  /** @internal See {@link openFeatureStore}.
   * @param handle of the file that the index was read from: another may have been renamed into its place */
  constructor(file: string, handle: FileHandle, index: StoreIndex, fileBytes: number) {
    this.file = file;
    this.index = index;
    this.clipStarts = new Float64Array(index.clips.length + 1);
    index.clips.forEach((clip, i) => {
      this.clipStarts[i + 1] = this.clipStarts[i]! + clip.frames;
    });
    this.frames = this.clipStarts[index.clips.length]!;
    this.clipNames = index.clips.map((clip) => clip.name);
    this.bad = index.bad;
    let source: number | NativeFeatureStore = handle.fd;
    try {
      this.#columns = index.columns.map((stored) => {
        source = new native.FeatureStore(source, stored.offset, this.frames, stored.width, fileBytes);
        return new MappedColumn(file, stored, this.frames, source);
      });
    } catch (cause) {
      throw damaged(file, (cause as Error).message, cause);
    }
    this.columns = index.columns.map(({ name }) => name);
    const [primary] = this.#columns as [MappedColumn];
    this.frontEnd = primary.frontEnd!;
    this.bands = primary.width;
    this.mean = primary.mean;
    this.std = primary.std;
    this.native = primary.native;
  }

  read(start: number, count: number): Float32Array {
    return this.#columns[0]!.read(start, count);
  }

  column(name: string): FeatureColumn {
    const found = this.#columns.find((column) => column.name === name);
    if (!found) throw argumentError('column', `one of ${this.columns.join(', ')} in ${this.file}`, name);
    return found;
  }

  /** Gives the mapping back. A training step that is still running keeps it until it ends. */
  close(): void {
    for (const column of this.#columns) column.close();
  }
}

class MappedColumn implements FeatureColumn {
  readonly name: string;
  readonly width: number;
  readonly mean: Float32Array;
  readonly std: Float32Array;
  readonly frontEnd?: FrontEndConfig;
  readonly labels?: unknown;
  #closed = false;

  constructor(
    private readonly file: string,
    stored: StoredColumn,
    readonly frames: number,
    readonly native: NativeFeatureStore,
  ) {
    this.name = stored.name;
    this.width = stored.width;
    this.mean = Float32Array.from(stored.mean);
    this.std = Float32Array.from(stored.std);
    if (stored.frontEnd) this.frontEnd = stored.frontEnd;
    else this.labels = stored.labels;
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

  close(): void {
    this.#closed = true;
    this.native.close();
  }
}

/** Opens a file that `buildFeatureStore` wrote.
 * @throws `ERR_FILE` if it can't be read, `ERR_MODEL_FORMAT` if it is damaged, of an earlier release or no feature
 *   store. */
export async function openFeatureStore(file: string): Promise<MappedFeatureStore> {
  if (typeof file !== 'string') throw argumentError('file', 'a path', file);
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'r');
    const { size } = await handle.stat();
    return new MappedFeatureStore(file, handle, await readIndex(file, handle, size), size);
  } catch (cause) {
    if (cause instanceof Audio2VecError) throw cause;
    throw new Audio2VecError('ERR_FILE', `${file}: ${(cause as Error).message}.`, { cause });
  } finally {
    await handle?.close();
  }
}
