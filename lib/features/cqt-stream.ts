// Constant-Q frames of a stream.
import { native } from '../native/addon.js';
import type { NativeCqt, NativeCqtStream } from '../native/types.js';
import { argumentError } from '../util/errors.js';
import type { CqtConfig } from './cqt-config.js';
import type { FrontEndStream } from './front-end.js';

/** Push samples in chunks of any size, get the frames that became complete: frame m when `latency` samples after sample
 * m · hop have come. {@link flush} gives the last ones. All frames together are bit-equal to those of all samples
 * together. */
export class CqtStream implements FrontEndStream {
  readonly #native: NativeCqtStream;
  readonly #hop: number;
  readonly #bins: number;
  readonly #latency: number;
  #samples = 0;
  #frames = 0;

  constructor(config: CqtConfig, latency: number, kernel: NativeCqt) {
    this.#native = new native.CqtStream(kernel);
    [this.#hop, this.#bins, this.#latency] = [config.hop, config.bins, latency];
  }

  push(chunk: Float32Array): Float32Array {
    checkChunk(chunk);
    const out = new Float32Array(this.framesAfter(chunk.length) * this.#bins);
    this.pushInto(chunk, out);
    return out;
  }

  /** {@link push} without allocating: writes to `out`, which must have room for {@link framesAfter} frames.
   * @returns how many frames were written */
  pushInto(chunk: Float32Array, out: Float32Array): number {
    checkChunk(chunk);
    this.#checkOut(out, this.framesAfter(chunk.length));
    for (let i = 0; i < chunk.length; i++) {
      if (Number.isFinite(chunk[i])) continue;
      this.reset();
      throw argumentError(`chunk[${i}]`, 'finite', chunk[i]);
    }
    // Memory that others may unmap or change meanwhile is copied.
    const samples = chunk.buffer instanceof ArrayBuffer ? chunk : new Float32Array(chunk);
    this.#samples += chunk.length;
    return this.#count(this.#native.push(samples, out));
  }

  /** Frames that pushing so many samples will complete. */
  framesAfter(samples: number): number {
    const last = this.#samples + samples - 1 - this.#latency;
    return last < 0 ? 0 : Math.floor(last / this.#hop) + 1 - this.#frames;
  }

  flush(): Float32Array {
    const out = new Float32Array(this.framesLeft * this.#bins);
    this.flushInto(out);
    return out;
  }

  /** {@link flush} without allocating; `out` must have room for {@link framesLeft} frames. */
  flushInto(out: Float32Array): number {
    const left = this.framesLeft;
    this.#checkOut(out, left);
    const last = (this.#frames + left - 1) * this.#hop;
    const frames =
      left === 0 ? 0 : this.#count(this.#native.pushSilence(last + this.#latency + 1 - this.#samples, out));
    this.reset();
    return frames;
  }

  /** Frames of the recording so far, were it to end here, that have not come yet. */
  get framesLeft(): number {
    return this.#samples === 0 ? 0 : Math.floor(this.#samples / this.#hop) + 1 - this.#frames;
  }

  reset(): void {
    this.#native.reset();
    this.#samples = 0;
    this.#frames = 0;
  }

  #count(frames: number): number {
    if (frames < 0) {
      this.reset();
      throw argumentError('chunk', 'audio in ±1', 'values so large that their power overflows');
    }
    this.#frames += frames;
    return frames;
  }

  #checkOut(out: Float32Array, frames: number): void {
    const size = frames * this.#bins;
    if (!(out instanceof Float32Array && out.length >= size && out.buffer instanceof ArrayBuffer)) {
      throw argumentError(
        'out',
        `a Float32Array of at least ${size} values on a plain ArrayBuffer`,
        out?.length ?? out,
      );
    }
  }
}

function checkChunk(chunk: Float32Array): void {
  if (!(chunk instanceof Float32Array)) throw argumentError('chunk', 'a Float32Array', chunk);
}
