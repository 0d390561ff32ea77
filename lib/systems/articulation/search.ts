// From a guess to a better one by trying: many utterances near it are synthesised, and at each moment the guess moves to where
// the best of them are (the cross-entropy method, Rubinstein 1999, for each frame by itself). Nothing but the forward
// process is asked, which is thousands of times faster than sound.
import { Random } from '../../util/random.js';
import type { Utterance } from './forward-process.js';
import { type HeardProcess, MARGIN } from './sounds.js';
import { clamp, drawUtterance, smoothChange, wander } from './trajectories.js';

export interface SearchOptions {
  /** Rounds of trying; each takes about a fiftieth of the recording's time on one core. */
  rounds: number;
  /** The utterance's parameters are known. */
  known: boolean;
  seed: number;
  signal?: AbortSignal;
}

/** Utterances tried in a round, and how many of them are followed. */
const TRIED = 40;
const FOLLOWED = 6;
/** Whole other shapes that are tried at first. */
const SHAPES = 150;
/** Deviation of what is tried: of the first round, and by how much it shrinks in all. */
const WIDEST = 0.3;
const NARROWEST = 0.06;
/** Frames on either side whose likeness counts as that of a frame. */
const REACH = 7;
/** Nepers (of power) below the loudest band of a frame where a band counts for as little as {@link FAINT}. */
const DEPTH = 16;
const FAINT = 0.3;
/** Rows that are searched at a time, so that memory does not grow with the recording. */
const PART = 512;

/** @param target features `[rows, bands]` that the sound should have, at the process's level
 * @param guess of as many rows */
export async function search(
  process: HeardProcess,
  target: Float32Array,
  guess: Utterance,
  { rounds, known, seed, signal }: SearchOptions,
): Promise<Utterance> {
  const random = new Random(seed).fork('search');
  let best = rounds > 0 ? await otherShapes(process, target, guess, random.fork('shapes'), signal) : guess;
  for (let round = 0; round < rounds; round++) {
    const size = WIDEST * (NARROWEST / WIDEST) ** (round / Math.max(1, rounds - 1));
    best = await searchRound(process, target, best, known ? 0 : size / 2, size, random.fork(round), signal);
  }
  return best;
}

async function searchRound(
  process: HeardProcess,
  target: Float32Array,
  best: Utterance,
  utteranceSize: number,
  size: number,
  random: Random,
  signal?: AbortSignal,
): Promise<Utterance> {
  const width = process.process.frameParameters.length;
  const rows = best.frames.length / width;
  const utterances = Array.from({ length: TRIED }, (_, k) => {
    return best.utterance.map((x) => (k === 0 ? x : clamp(x + utteranceSize * random.normal())));
  });
  const frames = new Float32Array(best.frames.length);
  const totals = new Float64Array(TRIED);
  for (let from = 0; from < rows; from += PART) {
    const to = Math.min(rows, from + PART);
    const own = random.fork(from);
    // The guess itself is the first of those tried: where nothing is better, it stays.
    const tried = utterances.map((utterance, k) => {
      const part = rowsOf(best.frames, width, from - MARGIN, to + MARGIN);
      return { utterance, frames: k === 0 ? part : shaken(part, width, size, own) };
    });
    const heard = await process.hear(
      tried,
      tried.map(() => seed32(own)),
      signal,
    );
    const wanted = new Wanted(target.subarray(from * process.bands, to * process.bands), process.bands);
    const errors = heard.map((sound) => wanted.errors(sound));
    for (const [k, e] of errors.entries()) totals[k]! += e.reduce((a, b) => a + b, 0);
    for (let t = 0; t < to - from; t++) {
      const followed = lowest(errors.map((e) => e[t]!));
      for (let c = 0; c < width; c++) {
        let sum = 0;
        for (const k of followed) sum += tried[k]!.frames[(MARGIN + t) * width + c]!;
        frames[(from + t) * width + c] = sum / followed.length;
      }
    }
  }
  smoothChange(best.frames, frames, width);
  const followed = lowest([...totals]);
  const utterance = best.utterance.map(
    (_, i) => followed.reduce((sum, k) => sum + utterances[k]![i]!, 0) / followed.length,
  );
  return { frames, utterance };
}

/** The guess, but where the sound of another shape is nearer, that shape: what no small steps lead to. */
async function otherShapes(
  process: HeardProcess,
  target: Float32Array,
  guess: Utterance,
  random: Random,
  signal?: AbortSignal,
): Promise<Utterance> {
  const { frameParameters, shape = [] } = process.process;
  const columns = shape.map((name) => frameParameters.findIndex((p) => p.name === name)).filter((c) => c >= 0);
  if (columns.length === 0) return guess;
  const width = frameParameters.length;
  const rows = guess.frames.length / width;
  const frames = guess.frames.slice();
  const shapes = Array.from({ length: SHAPES }, () => drawUtterance(process.process, random, 1).frames);
  for (let from = 0; from < rows; from += PART) {
    const to = Math.min(rows, from + PART);
    const own = rowsOf(guess.frames, width, from - MARGIN, to + MARGIN);
    const tried = [own, ...shapes.map((s) => withColumns(own, s, width, columns))];
    const utterances = tried.map((frames) => ({ utterance: guess.utterance, frames }));
    const heard = await process.hear(
      utterances,
      tried.map(() => 1),
      signal,
    );
    const wanted = new Wanted(target.subarray(from * process.bands, to * process.bands), process.bands);
    const errors = heard.map((sound) => wanted.errors(sound));
    for (let t = 0; t < to - from; t++) {
      const [best] = lowest(errors.map((e) => e[t]!));
      for (const c of columns) frames[(from + t) * width + c] = tried[best!]![(MARGIN + t) * width + c]!;
    }
  }
  return { frames, utterance: guess.utterance };
}

/** Some columns of every row as in the one row `other`. */
function withColumns(rows: Float32Array, other: Float32Array, width: number, columns: readonly number[]): Float32Array {
  const out = rows.slice();
  for (let at = 0; at < rows.length; at += width) for (const c of columns) out[at + c] = other[c]!;
  return out;
}

const seed32 = (random: Random) => random.bits();

/** Rows `from` to `to`, the first and last held beyond the ends. */
function rowsOf(frames: Float32Array, width: number, from: number, to: number): Float32Array {
  const last = frames.length / width - 1;
  const out = new Float32Array((to - from) * width);
  for (let i = from; i < to; i++) {
    const at = Math.min(last, Math.max(0, i)) * width;
    out.set(frames.subarray(at, at + width), (i - from) * width);
  }
  return out;
}

/** Every parameter moved along another smooth trajectory around that of the guess. */
function shaken(frames: Float32Array, width: number, size: number, random: Random): Float32Array {
  const out = new Float32Array(frames.length);
  const rows = frames.length / width;
  // A few parameters at a time as often as all of them: what one must not move need not spoil what another gains.
  const part = random.uniform() < 0.5 ? 0.3 : 1;
  for (let c = 0; c < width; c++) {
    const own = random.uniform() < part ? size : 0;
    const noise = own === 0 ? undefined : wander(random, rows, () => own * random.normal(), 8, 24);
    for (let i = 0; i < rows; i++) out[i * width + c] = clamp(frames[i * width + c]! + (noise?.[i] ?? 0));
  }
  return out;
}

/** The sound that is searched for, and how near others come to it. */
class Wanted {
  /** What is loud in a frame counts most: formants, not the noise between them. */
  readonly #weights: Float32Array;
  /** Frames that are not far softer than the loudest; by them sounds are compared in level. */
  readonly #loud: boolean[];

  constructor(
    private readonly features: Float32Array,
    private readonly bands: number,
  ) {
    const rows = features.length / bands;
    const peaks = Float32Array.from({ length: rows }, (_, t) => {
      return features.subarray(t * bands, (t + 1) * bands).reduce((most, x) => Math.max(most, x), -1e9);
    });
    const highest = peaks.reduce((most, x) => Math.max(most, x), -1e9);
    this.#loud = Array.from(peaks, (peak) => peak > highest - 4);
    this.#weights = features.map((x, i) => Math.max(FAINT, 1 - (peaks[Math.floor(i / bands)]! - x) / DEPTH));
  }

  /** Weighted squared distance of log-mel at each frame, averaged over {@link REACH} frames to both sides. How loud a sound is
   * on the whole does not count: recordings have any gain. */
  errors(sound: Float32Array): Float64Array {
    const { features, bands } = this;
    const weights = this.#weights;
    const rows = features.length / bands;
    let softer = 0;
    let total = 1e-9;
    for (let t = 0; t < rows; t++) {
      if (!this.#loud[t]) continue;
      for (let i = t * bands; i < (t + 1) * bands; i++) {
        softer += weights[i]! * (features[i]! - sound[i]!);
        total += weights[i]!;
      }
    }
    softer /= total;
    const sums = new Float64Array(rows + 1);
    for (let t = 0; t < rows; t++) {
      let error = 0;
      for (let i = t * bands; i < (t + 1) * bands; i++) error += weights[i]! * (features[i]! - sound[i]! - softer) ** 2;
      sums[t + 1] = sums[t]! + error / bands;
    }
    return Float64Array.from({ length: rows }, (_, t) => {
      const [a, b] = [Math.max(0, t - REACH), Math.min(rows, t + REACH + 1)];
      return (sums[b]! - sums[a]!) / (b - a);
    });
  }
}

/** Places of the lowest values. */
function lowest(values: readonly number[]): number[] {
  const order = values.map((v, k) => [v, k] as const).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return order.slice(0, FOLLOWED).map(([, k]) => k);
}
