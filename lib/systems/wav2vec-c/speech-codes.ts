// Speech as codes: recordings to codes and vectors, codes back to log-mel.

import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Network } from '../../engine/network.js';
import { features } from '../../features/compute.js';
import { type FrontEndConfig, frameCount, frameTime } from '../../features/front-ends.js';
import { samplesOf } from '../../features/slices.js';
import { checkFinite, checkOptions, notFiniteOr } from '../../util/arguments.js';
import { partOf } from '../../util/copied.js';
import { Audio2VecError, argumentError } from '../../util/errors.js';
import { CodesStream, type CodesStreamOptions } from './codes-stream.js';
import { decoderGraph, nodes, vectorWidths } from './graph.js';
import { type CodesModel, checkCodesModel, loadCodesModel } from './model.js';
import { framesPerCode } from './options.js';
import {
  codeWindows,
  contextWindows,
  fillWithMean,
  type Vectors,
  type WindowKind,
  windowFrames,
  windowNetwork,
  writeCodes,
} from './windows.js';

export interface SpeechCodesOptions {
  /** Worker threads; default: all cores. Results do not depend on it. */
  threads?: number;
  /** Instruction set by name; default: the one in use. */
  isa?: string;
}

export interface EncodeOptions {
  /** What comes beside the codes; default: nothing. */
  vectors?: Vectors;
  /** Stops between two batches of windows; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Codes of a recording. */
export interface CodedSpeech {
  /** `[frames, books]`, each from 0 to below `codes`. */
  codes: Uint16Array;
  /** Middle of each code frame in milliseconds. */
  timestamps: Float64Array;
  /** `[frames, width]`, if they were asked for. */
  vectors?: Float32Array;
}

/** Windows in one native call. */
const BATCH = 16;
/** Code frames that are decoded in one go, and those around them that theirs depend on. */
const decoded = { block: 64, reach: 1 };

/** Speech codes after Wav2vec-C: a code of each book for every 30 ms of speech (16 kHz mono, normally in ±1).
 *
 * A recording of n log-mel frames has ⌊n / 3⌋ code frames; one that is too short for a single one is coded as if
 * digital silence followed. Codes depend on 0.12 s on either side, context vectors on 0.33 s. The same bits come from
 * {@link encode}, from a {@link stream} of chunks of any size, and with any number of threads. Calls may overlap; their
 * batches take turns. */
export class SpeechCodes {
  readonly model: CodesModel;
  readonly #threads: number;
  readonly #isa: string | undefined;
  readonly #networks = new Map<WindowKind, Network>();
  /** For streams, which work on the calling thread while the others may be busy. */
  readonly #streamNetworks = new Map<WindowKind, Network>();
  #decoder?: Network;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(model: CodesModel, options: SpeechCodesOptions) {
    checkOptions('options', options, ['threads', 'isa']);
    const { threads = availableParallelism(), isa } = options;
    checkCodesModel(model);
    this.model = model;
    this.#threads = threads;
    this.#isa = isa;
    this.#network(codeWindows); // wrong options are told at once
  }

  /** Reads a model file, or the folder of a run.
   * @throws `ERR_FILE`, `ERR_MODEL_FORMAT`, `ERR_ISA`, `ERR_ARGUMENT` */
  static async load(file: string, options: SpeechCodesOptions = {}): Promise<SpeechCodes> {
    return new SpeechCodes(await loadCodesModel(file), options);
  }

  /** @throws `ERR_ARGUMENT` if the model is not whole */
  static fromModel(model: CodesModel, options: SpeechCodesOptions = {}): SpeechCodes {
    return new SpeechCodes(model, options);
  }

  /** The model that ships with this package; models/README.md says what it was trained on. */
  static pretrained(options: SpeechCodesOptions = {}): Promise<SpeechCodes> {
    return SpeechCodes.load(pretrainedCodesFile, options);
  }

  get frontEnd(): FrontEndConfig {
    return this.model.frontEnd;
  }
  /** Codebooks. */
  get books(): number {
    return this.model.shape.books;
  }
  /** Codes in a book. */
  get codes(): number {
    return this.model.shape.codes;
  }
  /** Values in a vector of either kind. */
  get widths(): Record<Vectors, number> {
    return vectorWidths(this.model.shape);
  }
  /** Seconds from one code frame to the next. */
  get frameSeconds(): number {
    return (framesPerCode * this.frontEnd.hop) / this.frontEnd.sampleRate;
  }
  /** What the codes take without further compression. */
  get bitsPerSecond(): number {
    return (this.books * Math.log2(this.codes)) / this.frameSeconds;
  }

  /** Codes of a recording.
   * @throws `ERR_ARGUMENT` for samples that are empty or not finite; the signal's reason */
  async encode(samples: Float32Array, options: EncodeOptions = {}): Promise<CodedSpeech> {
    checkOptions('options', options, ['vectors', 'signal']);
    const { vectors, signal } = options;
    signal?.throwIfAborted();
    checkVectors(vectors);
    const padded = checkedSamples(samples, samplesOf(framesPerCode, this.frontEnd));
    const { length } = padded;
    const count = Math.floor(frameCount(length, this.frontEnd) / framesPerCode);
    // What no frame reads; the front end notices all else.
    checkFinite('samples', padded, samplesOf(count * framesPerCode, this.frontEnd));
    const codes = new Uint16Array(count * this.books);
    const { latents: width, context: contextWidth } = this.widths;
    const latents = vectors === 'latents' ? new Float32Array(count * width) : undefined;
    await this.#each(codeWindows, padded, length, count, signal, ([oneHot, z], from, to, frames) => {
      const { books } = this;
      const each = books * this.codes;
      writeCodes(oneHot!.subarray(from * each), this.codes, codes.subarray(to * books, (to + frames) * books));
      latents?.set(z!.subarray(from * width, (from + frames) * width), to * width);
    });
    const timestamps = Float64Array.from({ length: count }, (_, i) => this.#middle(i));
    if (vectors !== 'context') return { codes, timestamps, ...(latents && { vectors: latents }) };
    const context = new Float32Array(count * contextWidth);
    await this.#each(contextWindows, padded, length, count, signal, ([c], from, to, frames) => {
      context.set(c!.subarray(from * contextWidth, (from + frames) * contextWidth), to * contextWidth);
    });
    return { codes, timestamps, vectors: context };
  }

  /** Codes `[frames, books]` back to the log-mel that they stand for, `[3 · frames, bands]`.
   * @throws `ERR_ARGUMENT` for codes that are none; the signal's reason */
  async decode(given: ArrayLike<number>, options: { signal?: AbortSignal } = {}): Promise<Float32Array> {
    checkOptions('options', options, ['signal']);
    const { signal } = options;
    const { books, codes: size } = this;
    const { bands, width: _, ...shape } = this.model.shape;
    const codes = Array.from(given ?? []); // the caller may do what he likes with his
    const count = codes.length / books;
    if (!(Number.isInteger(count) && count > 0)) {
      throw argumentError('codes', `[frames, ${books}], at least a frame`, given?.length);
    }
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i]!;
      if (Number.isInteger(code) && code >= 0 && code < size) continue;
      throw argumentError(`codes[${i}]`, `a whole number from 0 to ${size - 1}`, code);
    }
    const { block, reach } = decoded;
    const length = block + 2 * reach;
    this.#decoder ??= this.#makeDecoder(length);
    const network = this.#decoder;
    const out = new Float32Array(count * framesPerCode * bands);
    const oneHot = new Float32Array(length * books * shape.codes);
    for (let first = 0; first < count; first += block) {
      oneHot.fill(0);
      for (let i = 0; i < length; i++) {
        const frame = first - reach + i;
        if (frame < 0 || frame >= count) continue;
        for (let b = 0; b < books; b++) oneHot[(i * books + b) * size + codes[frame * books + b]!] = 1;
      }
      const batch = { examples: 1, inputs: { [nodes.chosen]: { values: oneHot } } };
      const frames = await this.#exclusive(() => {
        signal?.throwIfAborted();
        return network.forward(batch, nodes.rebuilt);
      });
      const each = framesPerCode * bands;
      const kept = Math.min(block, count - first);
      out.set(frames.subarray(reach * each, (reach + kept) * each), first * each);
    }
    const { mean, std } = this.model;
    for (let i = 0; i < out.length; i++) out[i] = out[i]! * std[i % bands]! + mean[i % bands]!;
    return out;
  }

  /** Codes of audio as it comes in. Any number of streams share this model's weights. */
  stream(options: CodesStreamOptions = {}): CodesStream {
    checkOptions('options', options, ['vectors']);
    checkVectors(options.vectors);
    const network = (kind: WindowKind) => {
      const found = this.#streamNetworks.get(kind) ?? windowNetwork(this.model, kind, this.#streamOptions());
      this.#streamNetworks.set(kind, found);
      return found;
    };
    return new CodesStream(this.model, network, (frame) => this.#middle(frame), { isa: this.#isa, ...options });
  }

  /** Gives the memory of its networks back at once; no call may follow. Streams have networks of their own. */
  close(): void {
    for (const network of this.#networks.values()) network.close();
    this.#decoder?.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Middle of a code frame in milliseconds. */
  #middle(frame: number): number {
    return 1000 * frameTime(frame * framesPerCode + (framesPerCode - 1) / 2, this.frontEnd);
  }

  #streamOptions() {
    return { maxExamples: 1, threads: 1, isa: this.#isa };
  }

  #network(kind: WindowKind): Network {
    const options = { maxExamples: BATCH, threads: this.#threads, isa: this.#isa };
    const network = this.#networks.get(kind) ?? windowNetwork(this.model, kind, options);
    this.#networks.set(kind, network);
    return network;
  }

  #makeDecoder(length: number): Network {
    const { graph } = decoderGraph(this.model.shape, length);
    const network = new Network(graph, { maxExamples: 1, threads: this.#threads, isa: this.#isa });
    network.setParameters(new Map(graph.params.map(({ name }) => [name, this.model.weights.get(name)!])));
    return network;
  }

  /** Computes all windows of a recording and hands over what came of each: the values of the nodes that are read, the
   * frame among them where a block begins, the code frame that it is, and how many frames the block has. */
  async #each(
    kind: WindowKind,
    samples: Float32Array,
    length: number,
    count: number,
    signal: AbortSignal | undefined,
    take: (values: Float32Array[], from: number, to: number, frames: number) => void,
  ): Promise<void> {
    const { block, reach, read } = kind;
    const { bands } = this.model.shape;
    const network = this.#network(kind);
    const windows = Math.ceil(count / block);
    const logMel = new Float32Array(
      (windowFrames(kind) + (Math.min(BATCH, windows) - 1) * block * framesPerCode) * bands,
    );
    for (let first = 0; first < windows; first += BATCH) {
      const examples = Math.min(BATCH, windows - first);
      const begin = (first * block - reach) * framesPerCode;
      const part = (from: number, to: number) => partOf(samples, length, from, to);
      await this.#logMel(logMel, begin, count * framesPerCode, part, signal).catch((error) => {
        throw error.code === 'ERR_ARGUMENT' ? notFiniteOr('samples', samples, error) : error;
      });
      const store = { frames: logMel.length / bands, native: logMel };
      const frames = Float64Array.from({ length: examples }, (_, i) => i * block * framesPerCode);
      const batch = { examples, inputs: { [nodes.input]: { frames, store } } };
      const values = await this.#exclusive(() => {
        signal?.throwIfAborted();
        return network.outputs(batch, read);
      });
      const arrays = read.map((name) => values[name]!);
      for (let i = 0; i < examples; i++) {
        const to = (first + i) * block;
        take(arrays, i * (block + 2 * reach) + reach, to, Math.min(block, count - to));
      }
    }
  }

  /** Fills `out` with the frames from `first` on; those before 0 and from `end` on are the mean. */
  async #logMel(
    out: Float32Array,
    first: number,
    end: number,
    part: (from: number, to: number) => Float32Array,
    signal?: AbortSignal,
  ): Promise<void> {
    const { bands } = this.model.shape;
    const begin = Math.max(0, first);
    const last = Math.min(end, first + out.length / bands);
    fillWithMean(out, this.model.mean);
    const { hop } = this.frontEnd;
    const from = begin * hop;
    const samples = part(from, from + samplesOf(last - begin, this.frontEnd));
    const target = out.subarray((begin - first) * bands, (last - first) * bands);
    await features(samples, { frontEnd: this.frontEnd, isa: this.#isa, out: target, signal });
  }

  /** A network computes one batch at a time: whoever comes waits for those before. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => {});
    return result;
  }
}

/** The model that comes with the package. */
const pretrainedCodesFile = fileURLToPath(new URL('../../../models/codes.safetensors', import.meta.url));

function checkVectors(vectors: unknown): void {
  if (vectors === undefined || vectors === 'latents' || vectors === 'context') return;
  throw argumentError('vectors', '"latents" or "context"', vectors);
}

/** Followed by silence up to `least`. */
function checkedSamples(samples: Float32Array, least: number): Float32Array {
  if (!(samples instanceof Float32Array)) throw argumentError('samples', 'a Float32Array', samples);
  if (samples.length === 0) throw new Audio2VecError('ERR_ARGUMENT', 'samples must not be empty.');
  if (samples.length >= least) return samples;
  const padded = new Float32Array(least);
  padded.set(samples);
  return padded;
}
