// Embeddings of audio as it comes in. Features are computed when a slice becomes due, all its new frames in one call
// (sixteen frames cost the kernel hardly more than one), and no frame is computed twice. Nor are the rows of the
// encoder's maps that a slice shares with the one before it (engine/cached-rows.ts).
import type { Network } from '../engine/network.js';
import { kernelFor } from '../features/compute.js';
import { type FrontEndKernel, NOT_FINITE } from '../features/front-end.js';
import { frameCount } from '../features/front-ends.js';
import { type HopOptions, hopFrames, samplesOf, sliceMiddle } from '../features/slices.js';
import type { EncoderModel } from '../models/encoder-model.js';
import { argumentError } from '../util/errors.js';

export interface StreamOptions extends HopOptions {}

/** Embeddings that became due. The arrays belong to the stream: they are valid until its next call. */
export interface DueEmbeddings {
  /** `[slices, dimension]` */
  embeddings: Float32Array;
  /** Middle of each slice, from the start of the stream. */
  seconds: Float64Array;
  /** The same in milliseconds.
   * @deprecated Read `seconds`. */
  timestamps: Float64Array;
}

/** Push samples in chunks of any size, get the embeddings that became due: bit-equal to
 * `Encoder.timestampEmbeddings` of all samples together. Made by `Encoder.stream`.
 *
 * Works on the calling thread, so that hundreds of streams with small chunks cost no more than their arithmetic. Once
 * it runs it allocates nothing: memory is what a slice takes, however large the chunks. */
export class EmbeddingStream {
  /** Frames from slice to slice. */
  readonly hop: number;
  readonly #model: EncoderModel;
  readonly #kernel: FrontEndKernel;
  readonly #embed: (later: boolean) => void;
  readonly #embedding: Float32Array;
  /** Samples from the first of the next frame on. */
  readonly #samples: Float32Array;
  /** The last frames, `[slice, bands]`. */
  readonly #frames: Float32Array;
  /** Where the frames of the first slice, and those new in each later one, are read from and written to. */
  readonly #firstStep: Step;
  readonly #laterStep: Step;
  readonly #results: Results;

  /** Samples in `#samples`. */
  #held = 0;
  /** Samples still to be dropped, between slices that do not touch. */
  #skip = 0;
  /** Slices embedded since the start. */
  #slices = 0;

  /** @internal Use `Encoder.stream`.
   * @param network with room for an example, used by nobody else at the same time
   * @param nodes of its graph: where slices go in and embeddings come out, and of how many values */
  constructor(
    model: EncoderModel,
    network: Network,
    nodes: { input: string; output: string; dimension: number },
    options: StreamOptions & { isa?: string } = {},
  ) {
    const { frames: slice, bands } = model.config;
    this.hop = hopFrames(options, slice, model.frontEnd);
    this.#model = model;
    this.#kernel = kernelFor(model.frontEnd, options.isa);
    this.#samples = new Float32Array(samplesOf(slice, model.frontEnd));
    this.#frames = new Float32Array(slice * bands);
    this.#firstStep = this.#step(slice);
    this.#laterStep = this.#step(Math.min(this.hop, slice));
    this.#results = new Results(nodes.dimension);
    this.#embedding = new Float32Array(nodes.dimension);
    const store = { frames: slice, native: this.#frames };
    const batch = { examples: 1, inputs: { [nodes.input]: { frames: new Float64Array(1), store } } };
    this.#embed = network.bindForward(batch, nodes.output, this.#embedding, this.hop);
  }

  /** Takes samples (mono, at the front end's rate, normally in ±1) and returns what became due, often nothing.
   * @throws `ERR_ARGUMENT` for a sample that is not finite; the stream is then as if just {@link reset} */
  push(chunk: Float32Array): DueEmbeddings {
    if (!(chunk instanceof Float32Array)) throw argumentError('chunk', 'a Float32Array', chunk);
    this.#results.clear();
    for (let at = 0; at < chunk.length; ) {
      if (this.#skip > 0) {
        const dropped = Math.min(this.#skip, chunk.length - at);
        this.#skip -= dropped;
        at += dropped;
        continue;
      }
      const step = this.#slices === 0 ? this.#firstStep : this.#laterStep;
      const end = Math.min(chunk.length, at + step.input.length - this.#held);
      // A loop, not set(subarray()), which would allocate; and it has to look at each sample anyway.
      for (; at < end; at++) {
        const x = chunk[at]!;
        if (x - x !== 0) {
          this.reset();
          throw argumentError(`chunk[${at}]`, 'finite', x);
        }
        this.#samples[this.#held++] = x;
      }
      if (this.#held === step.input.length) this.#take(step, this.#slices * this.hop);
    }
    return this.#results.get();
  }

  /** Ends the recording and returns the embedding of what is left, as `Encoder.timestampEmbeddings` would: the last
   * slice if it has frames that no other has, or, if there never was a whole slice, one followed by silence. The next
   * sample starts a new recording. */
  flush(): DueEmbeddings {
    const { frames: slice } = this.#model.config;
    this.#results.clear();
    if (this.#slices === 0 && this.#held > 0) {
      this.#samples.fill(0, this.#held);
      this.#take(this.#firstStep, 0);
    } else if (this.#slices > 0 && this.hop <= slice) {
      const left = frameCount(this.#held, this.#model.frontEnd);
      if (left > 0) this.#take(this.#step(left), (this.#slices - 1) * this.hop + left);
    }
    this.reset();
    return this.#results.get();
  }

  /** Forgets everything: the next sample starts a new recording. */
  reset(): void {
    this.#held = 0;
    this.#skip = 0;
    this.#slices = 0;
  }

  #step(frames: number): Step {
    const { config, frontEnd } = this.#model;
    const input = this.#samples.subarray(0, samplesOf(frames, frontEnd));
    return { frames, input, output: this.#frames.subarray((config.frames - frames) * config.bands) };
  }

  /** Frames of `step` into the window, then the embedding of the window, whose first frame is frame `start`. */
  #take({ frames, input, output }: Step, start: number): void {
    const { config, frontEnd } = this.#model;
    this.#frames.copyWithin(0, frames * config.bands);
    if (this.#kernel.runSync(input, output) === NOT_FINITE) {
      this.reset();
      throw argumentError('chunk', 'audio in ±1', 'samples whose power overflows');
    }
    this.#embed(this.#slices > 0 && start === this.#slices * this.hop);
    this.#results.add(this.#embedding, sliceMiddle(start, config.frames, frontEnd));
    this.#slices++;
    const used = (frames + Math.max(0, this.hop - config.frames)) * frontEnd.hop;
    const here = Math.min(used, this.#held);
    this.#samples.copyWithin(0, here, this.#held);
    this.#held -= here;
    this.#skip = used - here;
  }
}

/** New frames at the end of the window. */
interface Step {
  frames: number;
  input: Float32Array;
  output: Float32Array;
}

/** Room for what a call returns, kept from call to call, and a view of it for each number of slices. */
class Results {
  #embeddings: Float32Array;
  #seconds = new Float64Array(1);
  #timestamps = new Float64Array(1);
  #views: DueEmbeddings[] = [];
  #count = 0;

  constructor(private readonly dimension: number) {
    this.#embeddings = new Float32Array(dimension);
  }

  clear(): void {
    this.#count = 0;
  }

  add(embedding: Float32Array, seconds: number): void {
    if (this.#count === this.#seconds.length) this.#grow();
    this.#embeddings.set(embedding, this.#count * this.dimension);
    this.#seconds[this.#count] = seconds;
    this.#timestamps[this.#count++] = 1000 * seconds;
  }

  get(): DueEmbeddings {
    const n = this.#count;
    this.#views[n] ??= {
      embeddings: this.#embeddings.subarray(0, n * this.dimension),
      seconds: this.#seconds.subarray(0, n),
      timestamps: this.#timestamps.subarray(0, n),
    };
    return this.#views[n];
  }

  #grow(): void {
    this.#embeddings = doubled(this.#embeddings);
    this.#seconds = doubled(this.#seconds);
    this.#timestamps = doubled(this.#timestamps);
    this.#views = [];
  }
}

function doubled<T extends Float32Array | Float64Array>(values: T): T {
  const out = new (values.constructor as new (length: number) => T)(2 * values.length);
  out.set(values);
  return out;
}
