// A whole recording through a network that hears windows of it: which windows, what of each is kept, and what is known of
// the utterance once all are heard.
import type { Network } from '../../engine/network.js';
import { frontEndOf } from '../../features/front-ends.js';
import type { Utterance } from './forward-process.js';
import { Inverse } from './inverse.js';
import type { InversionModel } from './inversion-model.js';
import { frameLevels } from './level.js';

/** Of each window: frames before those that are kept, and those that are. The rest is what a stream waits for. */
export interface Layout {
  before: number;
  kept: number;
}

/** Sound that goes on is heard in its surroundings; an event from where it begins. */
export function layoutOf(frames: number, event: boolean): Layout {
  return event ? { before: 0, kept: frames } : { before: frames / 2, kept: frames / 4 };
}

/** Log-mel of silence. */
export function silenceOf(model: InversionModel): number {
  return frontEndOf(model.frontEnd).silence(model.frontEnd);
}

/** How much a window says of the utterance: frames of it that are not far below the loudest. */
export function windowWeight(levels: ArrayLike<number>, from: number, to: number, level: number): number {
  let heard = 0;
  for (let i = Math.max(0, from); i < Math.min(to, levels.length); i++) if (levels[i]! > level - 4) heard++;
  return heard;
}

export class Listener {
  readonly #inverse: Inverse;
  readonly #layout: Layout;

  constructor(
    private readonly model: InversionModel,
    network: Network,
    event: boolean,
  ) {
    this.#inverse = new Inverse(network, model.shape, network.maxExamples);
    this.#layout = layoutOf(model.shape.frames, event);
  }

  /** What is heard in `features` `[rows, bands]`, a row for each (an event's first rows only).
   * @param given utterance parameters `[U]`, normalised; default: the mean of what the windows say */
  async hear(features: Float32Array, given?: Float32Array, signal?: AbortSignal): Promise<Utterance> {
    const { bands, frames: size, frameParameters: p, utteranceParameters: u } = this.model.shape;
    const { before, kept } = this.#layout;
    const event = before === 0;
    const rows = event ? Math.min(size, features.length / bands) : features.length / bands;
    const count = event ? 1 : Math.ceil(rows / kept);
    const padded = new Float32Array(((count - 1) * kept + size) * bands).fill(silenceOf(this.model));
    padded.set(features.subarray(0, (padded.length / bands - before) * bands), before * bands);
    const starts = Float64Array.from({ length: count }, (_, i) => i * kept);
    const windows = { store: { frames: padded.length / bands, native: padded }, starts };
    const levels = frameLevels(features, bands, this.model.frontEnd);
    const weights = starts.map((s) => windowWeight(levels, s - before, s - before + size, this.model.level));
    const told =
      given ??
      (u > 0 ? weightedMean(await this.#inverse.utterances(windows, signal), weights, u) : new Float32Array(0));
    const all = new Float32Array(count * u);
    for (let i = 0; i < count; i++) all.set(told, i * u);
    const heard = await this.#inverse.frames(windows, all, signal);
    const out = new Float32Array(rows * p);
    for (let i = 0; i < count; i++) {
      const from = (i * size + before) * p;
      const n = Math.min(kept, rows - i * kept) * p;
      out.set(heard.subarray(from, from + n), i * kept * p);
    }
    return { frames: out, utterance: told };
  }
}

function weightedMean(rows: Float32Array, weights: ArrayLike<number>, width: number): Float32Array {
  const sum = new Float64Array(width);
  let total = 0;
  for (let i = 0; i < rows.length / width; i++) {
    const w = weights[i]! + 1e-3; // silence throughout still has a mean
    total += w;
    for (let k = 0; k < width; k++) sum[k]! += w * rows[i * width + k]!;
  }
  return Float32Array.from(sum, (x) => x / total);
}
