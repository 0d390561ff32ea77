// The network over the frames of a recording: constant-Q frames in, for each a score of every bin (or a position) and a
// confidence out. A frame's answer depends on the frames around it and on nothing else, so blocks of any length give the
// same bits.
import { Network } from '../../engine/network.js';
import { DB_MEAN, DB_STD } from './front-end.js';
import { objectiveOf, type PitchModel, pitchGraph } from './model.js';

/** Answers for some frames. */
export interface Answers {
  /** `[frames, width]`: a score for each bin, or a position (width 1). */
  pitch: Float32Array;
  /** Logit of the confidence, `[frames]`. */
  voiced: Float32Array;
}

/** A network bound to its memory, for `block` frames at a time, on the calling thread. */
export class FrameReader {
  /** Frames before and after that an answer depends on. */
  readonly context: number;
  /** Values in `answers.pitch` for a frame. */
  readonly width: number;
  /** Filled by {@link run}. */
  readonly answers: Answers;
  readonly #input: Float32Array;
  readonly #network: Network;
  readonly #bins: number;
  readonly #run: () => void;
  readonly #names: readonly [string, string];

  constructor(
    model: PitchModel,
    readonly block: number,
    isa?: string,
  ) {
    this.context = objectiveOf(model.objective).context;
    this.#bins = model.frontEnd.bins;
    const frames = block + 2 * this.context;
    const { graph, input, outputs } = pitchGraph(model, frames);
    const pitch = (outputs.classes ?? outputs.position)!;
    this.width = pitch.shape[1]!;
    this.#names = [pitch.name, outputs.voiced.name];
    this.#input = new Float32Array(frames * this.#bins);
    this.answers = { pitch: new Float32Array(block * this.width), voiced: new Float32Array(block) };
    this.#network = new Network(graph, { maxExamples: 1, threads: 1, isa });
    this.#network.setParameters(new Map(model.weights));
    this.#run = this.#network.bindForward(this.#batch(input.name), this.#names, [
      this.answers.pitch,
      this.answers.voiced,
    ]);
  }

  #batch(name: string) {
    return { examples: 1, inputs: { [name]: { values: this.#input } } };
  }

  /** Puts decibels `[bins]`, from `at` on, at a place among the frames in (0 … block + 2 · context - 1). */
  set(place: number, db: Float32Array, at = 0): void {
    const to = place * this.#bins;
    for (let j = 0; j < this.#bins; j++) this.#input[to + j] = (db[at + j]! - DB_MEAN) / DB_STD;
  }

  /** Normalised decibels of the frame that answer t is for; a view, until the next change. */
  picture(t: number): Float32Array {
    const at = (t + this.context) * this.#bins;
    return this.#input.subarray(at, at + this.#bins);
  }

  /** Moves all frames in one place down, so that a new one can be put last. */
  shift(): void {
    this.#input.copyWithin(0, this.#bins);
  }

  run(): void {
    this.#run();
  }

  /** The same off the event loop. */
  async runAsync(): Promise<void> {
    const [a, b] = this.#names;
    await this.#network.outputs(this.#batch('x'), [a, b], { [a]: this.answers.pitch, [b]: this.answers.voiced });
  }

  close(): void {
    this.#network.close();
  }
}
