// Writes the columns of a feature store, clip by clip, in memory that does not grow with the corpus.
import type { FileHandle } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import type { ColumnPlan } from './store-columns.js';
import { aligned, HEAD_BYTES, type StoredColumn, type StoreIndex, storeHead } from './store-format.js';

/** Standard deviations are at least this: a band that never changes has no spread to divide by. */
export const STD_FLOOR = 1e-3;
const COPY_BYTES = 2 ** 22;

/** Columns lie one after the other in the file, but come clip by clip: the first goes where it belongs, each other to a
 * temporary file of its own until its place is known. */
export class StoreWriter {
  readonly #moments: Moments[];
  #frames = 0;

  private constructor(
    private readonly out: FileHandle,
    private readonly scratch: readonly FileHandle[],
    private readonly columns: readonly ColumnPlan[],
  ) {
    this.#moments = columns.map(({ width }) => new Moments(width));
  }

  /** @param scratch temporary files, one less than there are columns */
  static async start(
    out: FileHandle,
    scratch: readonly FileHandle[],
    columns: readonly ColumnPlan[],
  ): Promise<StoreWriter> {
    await out.appendFile(Buffer.alloc(HEAD_BYTES));
    return new StoreWriter(out, scratch, columns);
  }

  /** Appends a clip: for each column `[frames, width]`. */
  async append(frames: number, values: readonly Float32Array[]): Promise<void> {
    for (const [i, column] of values.entries()) {
      await this.#moments[i]!.add(column);
      const file = i === 0 ? this.out : this.scratch[i - 1]!;
      await file.appendFile(new Uint8Array(column.buffer, column.byteOffset, column.byteLength));
    }
    this.#frames += frames;
  }

  async finish(files: Pick<StoreIndex, 'clips' | 'bad'>, signal?: AbortSignal): Promise<void> {
    let end = HEAD_BYTES;
    const columns: StoredColumn[] = [];
    for (const [i, { name, width, frontEnd, labels }] of this.columns.entries()) {
      const offset = aligned(end);
      if (i > 0) {
        await this.out.appendFile(Buffer.alloc(offset - end));
        await this.#copy(this.scratch[i - 1]!, signal);
      }
      columns.push({ name, width, offset, frontEnd, labels, ...this.#moments[i]!.result() });
      end = offset + this.#frames * width * 4;
    }
    const json = Buffer.from(JSON.stringify({ columns, ...files }));
    await this.out.appendFile(json);
    await this.out.write(storeHead(this.#frames, columns.length, json), 0, HEAD_BYTES, 0);
  }

  async #copy(from: FileHandle, signal?: AbortSignal): Promise<void> {
    const buffer = Buffer.alloc(COPY_BYTES);
    for (let at = 0; ; ) {
      signal?.throwIfAborted();
      const { bytesRead } = await from.read(buffer, 0, COPY_BYTES, at);
      if (bytesRead === 0) return;
      await this.out.appendFile(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  }
}

/** Mean and standard deviation of each value of a frame, summed in double precision; from the first frame on, where values
 * are so far from zero that their squares would hide the spread. */
class Moments {
  private readonly sum: Float64Array;
  private readonly squares: Float64Array;
  /** Of what values are more than those of the first frame. */
  private readonly moved: Float64Array;
  private readonly movedSquares: Float64Array;
  private first: Float32Array | undefined;
  private frames = 0;

  constructor(private readonly width: number) {
    this.sum = new Float64Array(width);
    this.squares = new Float64Array(width);
    this.moved = new Float64Array(width);
    this.movedSquares = new Float64Array(width);
  }

  /** Lets the event loop turn every million values. */
  async add(features: Float32Array): Promise<void> {
    const { sum, squares, moved, movedSquares, width } = this;
    this.first ??= features.slice(0, width);
    const { first } = this;
    for (let i = 0, b = 0; i < features.length; i++, b = b + 1 === width ? 0 : b + 1) {
      const x = features[i]!;
      sum[b]! += x;
      squares[b]! += x * x;
      const more = x - first[b]!;
      moved[b]! += more;
      movedSquares[b]! += more * more;
      if (i % 2 ** 20 === 2 ** 20 - 1) await setImmediate();
    }
    this.frames += features.length / width;
  }

  result(): { mean: number[]; std: number[] } {
    const mean = [...this.sum.map((s) => s / this.frames)];
    const std = mean.map((m, b) => {
      let variance = this.squares[b]! / this.frames - m * m;
      if (variance < 1e-8 * m * m) variance = this.movedSquares[b]! / this.frames - (this.moved[b]! / this.frames) ** 2;
      return Math.max(STD_FLOOR, Math.sqrt(Math.max(0, variance)));
    });
    return { mean, std };
  }
}
