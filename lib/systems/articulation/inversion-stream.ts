// What is heard in sound as it comes in: log-mel frames into a window, the network whenever enough of them are new.

import { type Batch, Network } from '../../engine/network.js';
import { featureStream } from '../../features/compute.js';
import type { FrontEndStream } from '../../features/front-end.js';
import { checkNumber, notFiniteAt } from '../../util/arguments.js';
import { argumentError } from '../../util/errors.js';
import type { ForwardProcess } from './forward-process.js';
import { inferenceGraph, nodes } from './inversion-graph.js';
import { type InversionModel, leadOf } from './inversion-model.js';
import { frameLevels, shiftLevel } from './level.js';
import { type Layout, layoutOf, silenceOf, windowWeight } from './listening.js';
import { joined } from './measure.js';
import { decodeRows } from './parameters.js';

export interface InversionStreamOptions {
  /** Level of the loud parts, as `Inversion.loudness` says it; default: followed, from what was heard so far. */
  loudness?: number;
  /** Utterance parameters that are known, by name; default: followed. */
  utterance?: Readonly<Record<string, number>>;
}

/** What became due. The arrays are the caller's. */
export interface DueFrames {
  /** `[rows, frameParameters]`, in their units. */
  frames: Float32Array;
  /** `[utteranceParameters]` as far as they are known by now. */
  utterance: Float32Array;
  /** Which row of the recording the first one is: at `first · hop` samples. */
  first: number;
}

/** Push samples in chunks of any size, get the frames that became due, 0.1 to 0.2 s after they sounded. With loudness and
 * utterance given, the bits of `invert` with the same and no corrections. Made by `ArticulatoryInversion.stream`. */
export class InversionStream {
  readonly #model: InversionModel;
  readonly #process: ForwardProcess;
  readonly #features: FrontEndStream;
  readonly #network: Network;
  readonly #layout: Layout;
  /** The last rows of log-mel, at the model's level, and the level of each. */
  readonly #window: Float32Array;
  readonly #levels: Float64Array;
  readonly #loudness: number | undefined;
  readonly #followed = new FollowedLevel();
  readonly #given: Float32Array | undefined;
  readonly #told: Float32Array;
  readonly #found: Float32Array;
  readonly #heard: Float32Array;
  readonly #hearUtterance: () => void = () => {};
  readonly #hearFrames: () => void;
  readonly #sum: Float64Array;
  #weight = 0;
  /** Rows in the window. */
  #filled = 0;
  /** Rows that were returned, and samples that came. */
  #returned = 0;
  #samples = 0;

  /** @internal Use `ArticulatoryInversion.stream`. `given`: utterance parameters, normalised. */
  constructor(
    model: InversionModel,
    process: ForwardProcess,
    given: Float32Array | undefined,
    { loudness, isa }: InversionStreamOptions & { isa?: string },
  ) {
    if (process.event) throw argumentError('process', 'one whose sound goes on, to be heard in a stream', process.name);
    if (loudness !== undefined) checkNumber('loudness', loudness);
    const { shape, frontEnd, mean, std } = model;
    const { frames, bands, frameParameters: p, utteranceParameters: u } = shape;
    this.#model = model;
    this.#process = process;
    this.#given = given;
    this.#loudness = loudness;
    this.#features = featureStream({ frontEnd, isa });
    this.#network = new Network(inferenceGraph(shape), { maxExamples: 1, threads: 1, isa, mean, std });
    this.#network.setParameters(new Map(model.weights));
    this.#layout = layoutOf(frames, false);
    this.#window = new Float32Array(frames * bands);
    this.#levels = new Float64Array(frames);
    this.#told = new Float32Array(u);
    this.#found = new Float32Array(u);
    this.#heard = new Float32Array(frames * p);
    this.#sum = new Float64Array(u);
    const window: Batch['inputs'] = {
      [nodes.features]: { frames: new Float64Array(1), store: { frames, native: this.#window } },
    };
    const told: Batch['inputs'] = u > 0 ? { [nodes.given]: { values: this.#told } } : {};
    if (u > 0)
      this.#hearUtterance = this.#network.bindForward({ examples: 1, inputs: window }, nodes.utterance, this.#found);
    this.#hearFrames = this.#network.bindForward(
      { examples: 1, inputs: { ...window, ...told } },
      nodes.frames,
      this.#heard,
    );
    this.reset();
  }

  /** Takes samples (mono, at the model's rate) and returns what became due, often nothing.
   * @throws `ERR_ARGUMENT` for samples that are not finite; the stream is then as if just {@link reset} */
  push(chunk: Float32Array): DueFrames {
    if (!(chunk instanceof Float32Array)) throw argumentError('chunk', 'a Float32Array', chunk);
    const bad = notFiniteAt(chunk);
    if (bad >= 0) {
      this.reset();
      throw argumentError(`chunk[${bad}]`, 'finite', chunk[bad]);
    }
    this.#samples += chunk.length;
    const rows = this.#features.push(chunk);
    const { bands } = this.#model.shape;
    const due: Float32Array[] = [];
    for (let at = 0; at < rows.length; at += bands) due.push(...this.#take(rows.subarray(at, at + bands), true));
    return this.#result(due, Number.POSITIVE_INFINITY);
  }

  /** Ends the recording and returns the frames that are left. The next sample begins another. */
  flush(): DueFrames {
    const { frontEnd, shape } = this.#model;
    const rows = this.#samples === 0 ? 0 : Math.floor(this.#samples / frontEnd.hop) + 1;
    const due: Float32Array[] = [];
    // The windows of the last frames reach into the silence after the end; then there is silence only.
    const arrived = () => this.#returned + due.length * this.#layout.kept + this.#filled - this.#layout.before;
    const silent = new Float32Array(shape.bands).fill(silenceOf(this.#model));
    while (arrived() < rows) {
      const tail = this.#features.push(new Float32Array(frontEnd.hop));
      if (tail.length > 0) due.push(...this.#take(tail, true));
    }
    while (this.#returned + due.length * this.#layout.kept < rows) due.push(...this.#take(silent, false));
    const result = this.#result(due, rows);
    this.reset();
    return result;
  }

  /** Forgets all samples: the next one begins another recording. */
  reset(): void {
    const { shape } = this.#model;
    this.#features.reset();
    this.#features.push(new Float32Array(leadOf(this.#model)));
    this.#followed.reset();
    this.#filled = this.#layout.before;
    this.#window.fill(silenceOf(this.#model), 0, this.#filled * shape.bands);
    this.#levels.fill(Number.NEGATIVE_INFINITY);
    this.#sum.fill(0);
    this.#weight = 0;
    this.#returned = 0;
    this.#samples = 0;
  }

  /** A row into the window; what is heard in it when it is full. */
  #take(row: Float32Array, recorded: boolean): Float32Array[] {
    const { shape, frontEnd, level } = this.#model;
    const { bands, frames, frameParameters: p } = shape;
    const at = this.#filled++;
    this.#levels[at] = Number.NEGATIVE_INFINITY;
    this.#window.set(row, at * bands);
    if (recorded) {
      const own = this.#window.subarray(at * bands, (at + 1) * bands);
      const loud = this.#loudness ?? this.#followed.next(frameLevels(row, bands, frontEnd)[0]!);
      shiftLevel(own, level - loud, frontEnd);
      this.#levels[at] = frameLevels(own, bands, frontEnd)[0]!;
    }
    if (this.#filled < frames) return [];
    this.#hearUtterance();
    this.#follow();
    this.#hearFrames();
    const { before, kept } = this.#layout;
    this.#window.copyWithin(0, kept * bands);
    this.#levels.copyWithin(0, kept);
    this.#filled -= kept;
    return [this.#heard.slice(before * p, (before + kept) * p)];
  }

  /** What the frames are told: what is known, or the mean of what the windows said so far. */
  #follow(): void {
    const weight = windowWeight(this.#levels, 0, this.#levels.length, this.#model.level) + 1e-3;
    this.#weight += weight;
    for (let i = 0; i < this.#told.length; i++) {
      this.#sum[i]! += weight * this.#found[i]!;
      this.#told[i] = this.#given?.[i] ?? this.#sum[i]! / this.#weight;
    }
  }

  #result(due: readonly Float32Array[], end: number): DueFrames {
    const { frameParameters, utteranceParameters } = this.#process;
    const first = this.#returned;
    const all = joined(due);
    const rows = Math.min(all.length / frameParameters.length, end - first);
    this.#returned += due.length * this.#layout.kept;
    return {
      frames: decodeRows(frameParameters, all.subarray(0, rows * frameParameters.length)),
      utterance: decodeRows(utteranceParameters, this.#told.slice()),
      first,
    };
  }
}

/** The level that a tenth of all frames so far exceeds, to a quarter of a neper; frames long ago count less. */
class FollowedLevel {
  readonly #counts = new Float64Array(240);
  #total = 0;

  next(level: number): number {
    const place = Math.min(this.#counts.length - 1, Math.max(0, Math.round(4 * (level + 30))));
    // Older frames fade by half in 20 s; to add more than before is the same as to make the others less.
    for (let i = 0; i < this.#counts.length; i++) this.#counts[i]! *= 0.99965;
    this.#total = this.#total * 0.99965 + 1;
    this.#counts[place]!++;
    let above = 0;
    let i = this.#counts.length;
    while (i > 1 && above <= 0.1 * this.#total) above += this.#counts[--i]!;
    return i / 4 - 30;
  }

  reset(): void {
    this.#counts.fill(0);
    this.#total = 0;
  }
}
