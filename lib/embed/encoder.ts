// From recordings to embeddings: log-mel → slices → encoder.

import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { PcmChunk } from '../audio/index.js';
import { Network } from '../engine/network.js';
import { features } from '../features/compute.js';
import { type FrontEndConfig, frameCount, frontEndOf } from '../features/front-ends.js';
import { type HopOptions, hopFrames, hopOptions, samplesOf, sliceMiddle, sliceStarts } from '../features/slices.js';
import { sizeOf } from '../graph/graph.js';
import type { EncoderConfig } from '../models/blocks.js';
import { checkEncoderModel, type EncoderModel, encoderGraph, loadEncoderModel } from '../models/encoder-model.js';
import type { ReadOut } from '../models/read-out.js';
import { checkFinite, checkOptions, notFiniteOr } from '../util/arguments.js';
import { copied } from '../util/copied.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { EmbeddingTransform, embedLive, type LiveEmbedding, type LiveOptions } from './live.js';
import { EmbeddingStream, type StreamOptions } from './streaming.js';

export interface EncoderOptions {
  /** Worker threads; default: all cores. Embeddings do not depend on it. */
  threads?: number;
  /** Instruction set by name; default: the one in use. */
  isa?: string;
  /** What is read from the encoder ({@link ReadOut}); default: what its file says, normally the embedding. */
  readOut?: ReadOut;
}

export interface EmbedOptions extends HopOptions {
  /** Stops between two batches of slices; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** One embedding for each slice. */
export interface TimestampEmbeddings {
  /** `[slices, dimension]`. */
  embeddings: Float32Array;
  /** Middle of each slice, from the start of the recording. */
  seconds: Float64Array;
  /** The same in milliseconds, as the HEAR interface has it.
   * @deprecated Read `seconds`. */
  timestamps: Float64Array;
}

/** Slices in one native call. */
const BATCH = 64;
/** Log-mel frames held at once, whatever the length of a recording: 8 MiB of 64 bands. */
const SPAN_FRAMES = 1 << 15;

/** A recording, and the argument that it came as. */
interface Clip {
  name: string;
  samples: Float32Array;
}

/** A part of a recording, a whole number of slices, that is embedded in one go. */
interface Span {
  clip: Clip;
  samples: Float32Array;
  frames: number;
  /** First frames of its slices within the span. */
  starts: Float64Array;
}

/** Embeds recordings, in the manner of the HEAR interface: `sceneEmbedding` gives one vector for a recording,
 * `timestampEmbeddings` one for each slice.
 *
 * Samples are mono at `frontEnd.sampleRate` (16 kHz; `readAudio` returns them so), normally in ±1. A slice starts
 * every `hopSeconds`; if frames are left over at the end, one more slice ends with the last frame. A recording shorter than a
 * slice (0.975 s) is embedded as if digital silence followed. The embedding of a slice depends on nothing else: the same
 * bits come alone, in a batch, in a stream, and with any number of threads.
 *
 * Calls may overlap; their batches take turns. */
export class Encoder {
  readonly model: EncoderModel;
  readonly #threads: number;
  readonly #isa: string | undefined;
  readonly #input: string;
  readonly #output: string;
  readonly #network: Network;
  /** For streams: another network, because theirs works on the calling thread while this one may be busy. */
  #streamNetwork?: Network;
  #queue: Promise<unknown> = Promise.resolve();
  /** Calls that have begun and not ended. */
  #calls = 0;
  #closed = false;
  /** Log-mel memory that no call is using: the next one need not allocate its own. */
  #idle = new Float32Array(0);
  /** Room for samples, which are copied before another thread reads them. */
  readonly #rooms: Float32Array[] = [];
  /** Of a recording's embeddings. */
  readonly #sum: Float64Array;
  /** Values in an embedding: all that is read, see {@link ReadOut}. */
  readonly dimension: number;

  private constructor(given: EncoderModel, options: EncoderOptions) {
    checkOptions('options', options, ['threads', 'isa', 'readOut']);
    const { threads = availableParallelism(), isa, readOut } = options;
    const model = readOut === undefined ? given : { ...given, readOut };
    checkEncoderModel(model);
    const { input, output } = encoderGraph(model.config, model.readOut);
    this.model = model;
    this.dimension = sizeOf(output.shape);
    this.#threads = threads;
    this.#isa = isa;
    [this.#input, this.#output] = [input.name, output.name];
    this.#sum = new Float64Array(this.dimension);
    this.#network = this.#makeNetwork(BATCH, threads);
  }

  /** Reads a model file (`encoder.safetensors` of a training run).
   * @throws `ERR_FILE`, `ERR_MODEL_FORMAT`, `ERR_ISA`, `ERR_ARGUMENT` */
  static async load(file: string, options: EncoderOptions = {}): Promise<Encoder> {
    if (typeof file !== 'string') throw argumentError('file', 'a path', file);
    return new Encoder(await loadEncoderModel(file), options);
  }

  /** @throws `ERR_ARGUMENT` if the model is not whole */
  static fromModel(model: EncoderModel, options: EncoderOptions = {}): Encoder {
    return new Encoder(model, options);
  }

  /** The encoder that ships with this package; models/README.md says what it was trained on. */
  static pretrained(options: EncoderOptions = {}): Promise<Encoder> {
    return Encoder.load(pretrainedFile, options);
  }

  get config(): EncoderConfig {
    return this.model.config;
  }
  get frontEnd(): FrontEndConfig {
    return this.model.frontEnd;
  }

  /** One embedding for a recording, the mean over its slices: `[dimension]`.
   * @throws `ERR_ARGUMENT` for samples that are empty or not finite; the signal's reason */
  sceneEmbedding(samples: Float32Array, options: EmbedOptions = {}): Promise<Float32Array> {
    return this.#scenes([{ name: 'samples', samples }], options);
  }

  /** {@link sceneEmbedding} of many recordings: `[recordings, dimension]`. Slices of several recordings share a batch,
   * which is faster when they are short. */
  async sceneEmbeddings(recordings: readonly Float32Array[], options: EmbedOptions = {}): Promise<Float32Array> {
    if (!Array.isArray(recordings)) throw argumentError('recordings', 'a list of Float32Arrays', recordings);
    const clips = recordings.map((samples, i) => ({ name: `recordings[${i}]`, samples }));
    return this.#scenes(clips, options);
  }

  /** An embedding for each slice of a recording, with the time of its middle.
   * @throws as {@link sceneEmbedding} */
  async timestampEmbeddings(samples: Float32Array, options: EmbedOptions = {}): Promise<TimestampEmbeddings> {
    const { embeddings, starts } = await this.#embed([{ name: 'samples', samples }], options);
    return { embeddings, ...this.#times(starts[0]!) };
  }

  /** The same from log-mel `[frames, bands]` of this encoder's front end, not normalised. Less than a slice is filled up
   * with the log-mel of silence, ln(logOffset). */
  async embedLogMel(logMel: Float32Array, options: EmbedOptions = {}): Promise<TimestampEmbeddings> {
    checkOptions('options', options, [...hopOptions, 'signal']);
    const { frames: slice, bands } = this.config;
    const hop = hopFrames(options, slice, this.frontEnd);
    if (!(logMel instanceof Float32Array) || logMel.length === 0 || logMel.length % bands) {
      throw argumentError('logMel', `a Float32Array [frames, ${bands}] of at least a frame`, logMel?.length);
    }
    const bad = logMel.findIndex((x) => !Number.isFinite(x));
    if (bad >= 0) throw argumentError(`logMel[${bad}]`, 'finite', logMel[bad]);
    const silence = frontEndOf(this.frontEnd).silence(this.frontEnd);
    // A copy: the caller may change or give away the array while it is read.
    const filled = new Float32Array(Math.max(logMel.length, slice * bands)).fill(silence);
    filled.set(logMel);
    const starts = sliceStarts(filled.length / bands, slice, hop);
    const embeddings = new Float32Array(starts.length * this.dimension);
    await this.#call(() => this.#forward(filled, starts, embeddings, options.signal));
    return { embeddings, ...this.#times(starts) };
  }

  /** Embeddings of live audio, in the form it comes: PCM of any rate and number of channels, from a microphone's pipe or
   * anything that gives chunks. Each is the caller's to keep.
   *
   *     for await (const { seconds, embedding } of encoder.live(process.stdin, { rate: 48000, channels: 2 })) …
   *
   * @throws `ERR_ARGUMENT`, `ERR_AUDIO_FORMAT`; the signal's reason */
  live(source: AsyncIterable<PcmChunk> | Iterable<PcmChunk>, options: LiveOptions = {}): AsyncGenerator<LiveEmbedding> {
    return embedLive(this, source, options);
  }

  /** The same as a Node stream: PCM is piped or written in, a {@link LiveEmbedding} comes out for each slice. */
  transform(options: LiveOptions = {}): EmbeddingTransform {
    return new EmbeddingTransform(this, options);
  }

  /** Embeddings of samples at the front end's rate, pushed as they come; {@link live} is simpler. What it returns is
   * overwritten by the next push: copy what is to be kept. Any number of streams share this encoder's weights. */
  stream(options: StreamOptions = {}): EmbeddingStream {
    checkOptions('options', options, hopOptions);
    this.#checkOpen();
    this.#streamNetwork ??= this.#makeNetwork(1, 1);
    const nodes = { input: this.#input, output: this.#output, dimension: this.dimension };
    return new EmbeddingStream(this.model, this.#streamNetwork, nodes, { isa: this.#isa, ...options });
  }

  /** Gives back what it holds, without waiting for the garbage collector; calls that were made before end as they would.
   * Afterwards it and its streams throw `ERR_ARGUMENT`. Closing twice does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#streamNetwork?.close();
    if (this.#calls === 0) this.#network.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw new Audio2VecError('ERR_ARGUMENT', 'This encoder is closed: load it anew.');
  }

  #makeNetwork(maxExamples: number, threads: number): Network {
    const { mean, std, weights, config, readOut } = this.model;
    const network = new Network(encoderGraph(config, readOut).graph.nodes, {
      maxExamples,
      threads,
      isa: this.#isa,
      mean,
      std,
      inPlace: true, // features and embeddings are arrays of our own until a call settles
    });
    network.setParameters(new Map(weights));
    return network;
  }

  #times(starts: Float64Array): { seconds: Float64Array; timestamps: Float64Array } {
    const seconds = starts.map((start) => sliceMiddle(start, this.config.frames, this.frontEnd));
    return { seconds, timestamps: seconds.map((s) => 1000 * s) };
  }

  async #scenes(clips: readonly Clip[], options: EmbedOptions): Promise<Float32Array> {
    const { embeddings, starts } = await this.#embed(clips, options);
    const { dimension } = this;
    const scenes = new Float32Array(clips.length * dimension);
    const sum = this.#sum;
    let row = 0;
    starts.forEach(({ length }, clip) => {
      sum.fill(0);
      for (const end = row + length; row < end; row++) {
        for (let i = 0; i < dimension; i++) sum[i]! += embeddings[row * dimension + i]!;
      }
      for (let i = 0; i < dimension; i++) scenes[clip * dimension + i] = sum[i]! / length;
    });
    return scenes;
  }

  /** Embeddings of all slices of all clips, one after the other, and where the slices of each clip start. */
  #embed(clips: readonly Clip[], options: EmbedOptions): Promise<{ embeddings: Float32Array; starts: Float64Array[] }> {
    return this.#call(() => this.#embedAll(clips, options));
  }

  /** Work that {@link close} waits for. */
  async #call<T>(work: () => Promise<T>): Promise<T> {
    this.#checkOpen();
    this.#calls++;
    try {
      return await work();
    } finally {
      this.#calls--;
      if (this.#closed && this.#calls === 0) this.#network.close();
    }
  }

  async #embedAll(clips: readonly Clip[], options: EmbedOptions) {
    checkOptions('options', options, [...hopOptions, 'signal']);
    const { signal } = options;
    signal?.throwIfAborted();
    const { frames: slice, bands } = this.config;
    const hop = hopFrames(options, slice, this.frontEnd);
    for (const clip of clips) checkSamples(clip, this.frontEnd.hop);
    const starts = clips.map(({ samples }) => sliceStarts(frameCount(samples.length, this.frontEnd), slice, hop));
    const embeddings = new Float32Array(starts.reduce((n, s) => n + s.length, 0) * this.dimension);
    let logMels = this.#idle;
    this.#idle = new Float32Array(0);
    let done = 0;
    for (const group of groups(this.#spans(clips, starts))) {
      const frames = group.reduce((n, span) => n + span.frames, 0);
      if (logMels.length < frames * bands) logMels = new Float32Array(frames * bands);
      const groupStarts = await this.#features(group, logMels, signal);
      await this.#forward(logMels, groupStarts, embeddings.subarray(done * this.dimension), signal);
      done += groupStarts.length;
    }
    // Not after an error: other threads may then still write there.
    if (logMels.length > this.#idle.length) this.#idle = logMels;
    return { embeddings, starts };
  }

  /** Cuts clips into spans of at most {@link SPAN_FRAMES} frames. */
  *#spans(clips: readonly Clip[], starts: readonly Float64Array[]): Generator<Span> {
    const { frames: slice } = this.config;
    for (const [i, clip] of clips.entries()) {
      const all = starts[i]!;
      for (let begin = 0, end = 0; begin < all.length; begin = end) {
        const first = all[begin]!;
        for (end = begin + 1; end < all.length && all[end]! + slice - first <= SPAN_FRAMES; ) end++;
        const frames = all[end - 1]! + slice - first;
        const from = first * this.frontEnd.hop;
        const length = samplesOf(frames, this.frontEnd);
        yield {
          clip,
          samples: padded(clip.samples.subarray(from, from + length), length),
          frames,
          starts: all.slice(begin, end).map((start) => start - first),
        };
      }
    }
  }

  /** Log-mel of the spans one after the other into `out`; returns where their slices start there. */
  async #features(spans: readonly Span[], out: Float32Array, signal?: AbortSignal): Promise<Float64Array> {
    const { bands } = this.config;
    let frames = 0;
    const jobs = spans.map((span) => {
      const at = frames;
      frames += span.frames;
      return { span, at };
    });
    const threads = spans.length === 1 ? this.#threads : 1;
    const queue = jobs.values();
    const work = async () => {
      let room = this.#rooms.pop() ?? new Float32Array(0);
      for (const { span, at } of queue) {
        const target = out.subarray(at * bands, (at + span.frames) * bands);
        const options = { frontEnd: this.frontEnd, isa: this.#isa, out: target, threads, signal, inPlace: true };
        const length = samplesOf(span.frames, this.frontEnd);
        if (room.length < length) room = new Float32Array(length);
        await features(await copied(span.samples, length, room), options).catch((error) => {
          throw error.code === 'ERR_ARGUMENT' ? notAudio(span.clip, error) : error;
        });
      }
      this.#rooms.push(room); // not after an error: another thread may still read there
    };
    await Promise.all(Array.from({ length: Math.min(this.#threads, spans.length) }, work));
    return Float64Array.from(jobs.flatMap(({ span, at }) => Array.from(span.starts, (start) => at + start)));
  }

  /** Embeds slices of `logMels` into `out`, batch by batch. */
  async #forward(logMels: Float32Array, starts: Float64Array, out: Float32Array, signal?: AbortSignal): Promise<void> {
    const store = { frames: logMels.length / this.config.bands, native: logMels };
    for (let at = 0; at < starts.length; at += BATCH) {
      const frames = starts.subarray(at, at + BATCH);
      const batch = { examples: frames.length, inputs: { [this.#input]: { frames, store } } };
      const embeddings = out.subarray(at * this.dimension, (at + frames.length) * this.dimension);
      await this.#exclusive(() => {
        signal?.throwIfAborted();
        return this.#network.forward(batch, this.#output, embeddings);
      });
    }
    signal?.throwIfAborted();
  }

  /** A network computes one batch at a time: whoever comes waits for those before. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => {});
    return result;
  }
}

/** The encoder that ships with this package. */
export const pretrainedFile = fileURLToPath(new URL('../../models/audio2vec.safetensors', import.meta.url));

/** @param tail samples at the end that may belong to no frame, where the front end would not notice them */
function checkSamples({ name, samples }: Clip, tail: number): void {
  if (!(samples instanceof Float32Array)) throw argumentError(name, 'a Float32Array', samples);
  if (samples.length === 0) throw new Audio2VecError('ERR_ARGUMENT', `${name} must not be empty.`);
  checkFinite(name, samples, Math.max(0, samples.length - tail));
}

/** The front end refused a part of the clip: says where in the clip. */
function notAudio({ name, samples }: Clip, cause: Error): unknown {
  const named = new Audio2VecError('ERR_ARGUMENT', cause.message.replace(/^samples/, name), { cause });
  return notFiniteOr(name, samples, named);
}

/** Followed by silence up to `length`. */
function padded(samples: Float32Array, length: number): Float32Array {
  if (samples.length >= length) return samples;
  const out = new Float32Array(length);
  out.set(samples);
  return out;
}

/** Consecutive spans as long as they are not too much together. */
function* groups(spans: Iterable<Span>): Generator<Span[]> {
  let group: Span[] = [];
  let frames = 0;
  for (const span of spans) {
    if (group.length > 0 && frames + span.frames > SPAN_FRAMES) {
      yield group;
      [group, frames] = [[], 0];
    }
    group.push(span);
    frames += span.frames;
  }
  if (group.length > 0) yield group;
}
