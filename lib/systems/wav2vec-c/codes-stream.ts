// Codes of audio as it comes in. A block of codes is computed when the last sample that it depends on is there; the
// log-mel frames of all its new samples are computed in one call, none of them twice.
import type { Network } from '../../engine/network.js';
import { kernelFor } from '../../features/compute.js';
import { type FrontEndKernel, NOT_FINITE } from '../../features/front-end.js';
import { frameCount } from '../../features/front-ends.js';
import { samplesOf } from '../../features/slices.js';
import { argumentError } from '../../util/errors.js';
import { nodes, vectorWidths } from './graph.js';
import type { CodesModel } from './model.js';
import { framesPerCode } from './options.js';
import {
  codeWindows,
  contextWindows,
  fillWithMean,
  type Vectors,
  type WindowKind,
  windowFrames,
  writeCodes,
} from './windows.js';

export interface CodesStreamOptions {
  /** What comes beside the codes, as in `SpeechCodes.encode`; with context vectors all comes later. */
  vectors?: Vectors;
}

/** Codes that became due. The arrays belong to the stream: they are valid until its next call. */
export interface DueCodes {
  /** `[frames, books]` */
  codes: Uint16Array;
  /** Middle of each code frame in milliseconds from the start of the stream. */
  timestamps: Float64Array;
  /** `[frames, width]`, if they were asked for. */
  vectors?: Float32Array;
}

/** Push samples in chunks of any size, get the codes that became due: bit-equal to `SpeechCodes.encode` of all samples
 * together. Made by `SpeechCodes.stream`. Works on the calling thread. */
export class CodesStream {
  /** Seconds from the middle of a code frame to when it comes, at most. */
  readonly delay: number;
  readonly #model: CodesModel;
  readonly #vectors: Vectors | undefined;
  readonly #kernel: FrontEndKernel;
  readonly #middle: (frame: number) => number;
  /** Code frames of a step, and those after them that it waits for. */
  readonly #block: number;
  readonly #reach: number;
  /** Samples from the first of the next log-mel frame on. */
  readonly #samples: Float32Array;
  /** The last log-mel frames, of the longest window. */
  readonly #frames: Float32Array;
  readonly #windows: Window[];
  readonly #results: Results;

  #held = 0;
  /** Log-mel frames taken so far, whole code frames only. */
  #taken = 0;
  /** Code frames given so far. */
  #given = 0;

  /** @internal Use `SpeechCodes.stream`.
   * @param network for windows of a kind, with room for one, used by nobody else at the same time */
  constructor(
    model: CodesModel,
    network: (kind: WindowKind) => Network,
    middle: (frame: number) => number,
    { vectors, isa }: CodesStreamOptions & { isa?: string },
  ) {
    this.#model = model;
    this.#vectors = vectors;
    this.#middle = middle;
    this.#kernel = kernelFor(model.frontEnd, isa);
    const longest = vectors === 'context' ? contextWindows : codeWindows;
    [this.#block, this.#reach] = [longest.block, longest.reach];
    const bands = model.shape.bands;
    this.#frames = new Float32Array(windowFrames(longest) * bands);
    this.#samples = new Float32Array(samplesOf(framesPerCode * (this.#block + this.#reach), model.frontEnd));
    this.#windows = this.#makeWindows(network);
    this.#results = new Results(model.shape.books, vectors ? vectorWidths(model.shape)[vectors] : 0);
    const { sampleRate } = model.frontEnd;
    const waits = samplesOf(framesPerCode * (this.#block + this.#reach), model.frontEnd) / sampleRate;
    this.delay = waits - middle(0) / 1000;
    this.reset();
  }

  /** Takes samples (mono, at the front end's rate, normally in ±1) and returns what became due, often nothing.
   * @throws `ERR_ARGUMENT` for a sample that is not finite; the stream is then as if just {@link reset} */
  push(chunk: Float32Array): DueCodes {
    if (!(chunk instanceof Float32Array)) throw argumentError('chunk', 'a Float32Array', chunk);
    this.#results.clear();
    for (let at = 0; at < chunk.length; ) {
      const wanted = this.#wanted();
      const need = samplesOf(wanted, this.#model.frontEnd);
      for (const end = Math.min(chunk.length, at + need - this.#held); at < end; at++) {
        const x = chunk[at]!;
        if (x - x !== 0) {
          this.reset();
          throw argumentError(`chunk[${at}]`, 'finite', x);
        }
        this.#samples[this.#held++] = x;
      }
      if (this.#held === need) {
        this.#take(wanted);
        this.#give(this.#block);
      }
    }
    return this.#results.get();
  }

  /** Ends the recording and returns what is left, as `SpeechCodes.encode` would. The next sample starts a new one. */
  flush(): DueCodes {
    this.#results.clear();
    const { frontEnd } = this.#model;
    if (this.#held > 0 || this.#taken > 0) {
      const least = samplesOf(framesPerCode, frontEnd);
      if (this.#taken === 0 && this.#held < least) {
        this.#samples.fill(0, this.#held, least);
        this.#held = least;
      }
      const left = frameCount(this.#held, frontEnd);
      this.#take(left - (left % framesPerCode));
      const count = this.#taken / framesPerCode;
      while (this.#given < count) {
        this.#shiftIn(this.#given + this.#block + this.#reach - this.#shifted);
        this.#give(Math.min(this.#block, count - this.#given));
      }
    }
    this.reset();
    return this.#results.get();
  }

  /** Forgets everything: the next sample starts a new recording. */
  reset(): void {
    this.#held = 0;
    this.#taken = 0;
    this.#given = 0;
    this.#shifted = 0;
    fillWithMean(this.#frames, this.#model.mean);
  }

  /** Code frames shifted into the window, those of the mean after the end included. */
  #shifted = 0;

  /** New log-mel frames that the next block waits for. */
  #wanted(): number {
    return framesPerCode * (this.#given + this.#block + this.#reach) - this.#taken;
  }

  /** The next `frames` log-mel frames, out of the samples held, into the window. */
  #take(frames: number): void {
    if (frames === 0) return;
    const { frontEnd, shape } = this.#model;
    this.#shiftIn(frames / framesPerCode);
    const input = this.#samples.subarray(0, samplesOf(frames, frontEnd));
    const output = this.#frames.subarray(this.#frames.length - frames * shape.bands);
    if (this.#kernel.runSync(input, output) === NOT_FINITE) {
      this.reset();
      throw argumentError('chunk', 'audio in ±1', 'samples whose power overflows');
    }
    this.#taken += frames;
    const used = frames * frontEnd.hop;
    this.#samples.copyWithin(0, used, this.#held);
    this.#held -= used;
  }

  /** Moves the window on by so many code frames; the new ones are the mean. */
  #shiftIn(count: number): void {
    const values = count * framesPerCode * this.#model.shape.bands;
    this.#frames.copyWithin(0, values);
    fillWithMean(this.#frames.subarray(this.#frames.length - values), this.#model.mean);
    this.#shifted += count;
  }

  /** The codes of the window's block, of which the first `count` are wanted. */
  #give(count: number): void {
    for (const window of this.#windows) window.run(count, this.#results);
    this.#results.advance(count, this.#given, this.#middle);
    this.#given += count;
  }

  #makeWindows(network: (kind: WindowKind) => Network): Window[] {
    const { shape } = this.#model;
    const { bands, books, codes } = shape;
    const widths = vectorWidths(shape);
    const valuesOf: Record<string, number> = { ...widths, [nodes.chosen]: books * codes };
    const store = { frames: this.#frames.length / bands, native: this.#frames };
    const bind = (kind: WindowKind, start: number) => {
      const length = kind.block + 2 * kind.reach;
      const values = kind.read.map((name) => new Float32Array(length * valuesOf[name]!));
      const frames = Float64Array.of(start);
      const run = network(kind).bindForward(
        { examples: 1, inputs: { [nodes.input]: { frames, store } } },
        kind.read,
        values,
      );
      return { run, frames, values };
    };
    if (this.#vectors !== 'context') {
      const { run, values } = bind(codeWindows, 0);
      const from = codeWindows.reach;
      return [
        {
          run: (count, results) => {
            run();
            results.putCodes(values[0]!.subarray(from * books * codes), codes, 0, count);
            const { latents } = widths;
            if (this.#vectors) results.putVectors(values[1]!.subarray(from * latents, (from + count) * latents));
          },
        },
      ];
    }
    // Codes come of windows of their own kind, several in a block of context vectors.
    const steps = contextWindows.block / codeWindows.block;
    const code = bind(codeWindows, 0);
    const context = bind(contextWindows, 0);
    return [
      {
        run: (count, results) => {
          for (let i = 0; i < steps && i * codeWindows.block < count; i++) {
            code.frames[0] = framesPerCode * (contextWindows.reach - codeWindows.reach + i * codeWindows.block);
            code.run();
            const done = i * codeWindows.block;
            const part = Math.min(codeWindows.block, count - done);
            results.putCodes(code.values[0]!.subarray(codeWindows.reach * books * codes), codes, done, part);
          }
          context.run();
          const [values, { reach }, width] = [context.values[0]!, contextWindows, widths.context];
          results.putVectors(values.subarray(reach * width, (reach + count) * width));
        },
      },
    ];
  }
}

/** Computes a block and puts its first `count` frames into the results. */
interface Window {
  run(count: number, results: Results): void;
}

/** Room for what a call returns, kept from call to call. */
class Results {
  #codes: Uint16Array;
  #timestamps: Float64Array;
  #vectors: Float32Array;
  #count = 0;

  constructor(
    private readonly books: number,
    private readonly width: number,
  ) {
    [this.#codes, this.#timestamps] = [new Uint16Array(64 * books), new Float64Array(64)];
    this.#vectors = new Float32Array(64 * width);
  }

  clear(): void {
    this.#count = 0;
  }

  /** `count` frames, `offset` after those that are there. */
  putCodes(oneHot: Float32Array, size: number, offset: number, count: number): void {
    this.#room(offset + count);
    const first = this.#count + offset;
    writeCodes(oneHot, size, this.#codes.subarray(first * this.books, (first + count) * this.books));
  }

  putVectors(vectors: Float32Array): void {
    this.#vectors.set(vectors, this.#count * this.width);
  }

  advance(count: number, frame: number, middle: (frame: number) => number): void {
    for (let i = 0; i < count; i++) this.#timestamps[this.#count + i] = middle(frame + i);
    this.#count += count;
  }

  get(): DueCodes {
    const n = this.#count;
    return {
      codes: this.#codes.subarray(0, n * this.books),
      timestamps: this.#timestamps.subarray(0, n),
      ...(this.width > 0 && { vectors: this.#vectors.subarray(0, n * this.width) }),
    };
  }

  #room(more: number): void {
    const need = this.#count + more;
    if (need <= this.#timestamps.length) return;
    const size = 2 * need;
    const [codes, timestamps, vectors] = [this.#codes, this.#timestamps, this.#vectors];
    this.#codes = new Uint16Array(size * this.books);
    this.#timestamps = new Float64Array(size);
    this.#vectors = new Float32Array(size * this.width);
    this.#codes.set(codes);
    this.#timestamps.set(timestamps);
    this.#vectors.set(vectors);
  }
}
