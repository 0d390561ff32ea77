// Pitch over time: single frames are judged alone by the network; these make them agree with their neighbours.

/** How estimates are smoothed. `viterbi`: the most likely path through the classes, where a jump costs in proportion to its
 * size up to a limit, looking `lag` frames ahead. `median`: the median of the positions of 5 frames. `none`. */
export const smoothings = ['viterbi', 'median', 'none'] as const;
export type Smoothing = (typeof smoothings)[number];

/** Cost of moving by a semitone from frame to frame, and the most that any jump costs; in nats. */
const SEMITONE = 0.36;
const JUMP = 4;

/** The best path through frames of scores `[bins]`, with a fixed delay: `push` says the bin of the frame `lag` frames ago.
 * With costs c(d) = min(step · d, JUMP) two passes over the bins find the best predecessor of each. */
export class ViterbiPath {
  readonly #bins: number;
  readonly #lag: number;
  readonly #step: number;
  /** Of the paths that end at each bin: what they are worth, up to a constant. */
  readonly #best: Float32Array;
  /** The best of them, which is worth `#highest`. */
  #top = 0;
  #highest = 0;
  /** Of the last lag + 1 frames, the best bin before each bin. */
  readonly #from: Int16Array[];
  #frames = 0;

  constructor(bins: number, binsPerOctave: number, lag: number) {
    [this.#bins, this.#lag] = [bins, lag];
    this.#step = (SEMITONE * 12) / binsPerOctave;
    this.#best = new Float32Array(bins);
    this.#from = Array.from({ length: lag + 1 }, () => new Int16Array(bins));
  }

  /** @param scores of the frame's bins: log probabilities up to a constant
   * @returns the bin of the frame `lag` frames before, or -1 if there is none yet */
  push(scores: Float32Array): number {
    const [bins, step, best, before] = [this.#bins, this.#step, this.#best, this.#highest];
    const from = this.#from[this.#frames % this.#from.length]!;
    const jumpFrom = this.#top;
    const jump = best[jumpFrom]! - before - JUMP;
    // From lower bins; and the best so far is worth 0 again.
    let value = Number.NEGATIVE_INFINITY;
    let origin = 0;
    for (let j = 0; j < bins; j++) {
      const stayed = best[j]! - before;
      value -= step;
      if (stayed >= value) {
        value = stayed;
        origin = j;
      }
      best[j] = value;
      from[j] = origin;
    }
    // From higher bins, and from the best one wherever it is.
    let [top, highest] = [0, Number.NEGATIVE_INFINITY];
    value = Number.NEGATIVE_INFINITY;
    for (let j = bins - 1; j >= 0; j--) {
      const stayed = best[j]!;
      value -= step;
      if (stayed >= value) {
        value = stayed;
        origin = from[j]!;
      }
      const jumps = jump > value;
      from[j] = jumps ? jumpFrom : origin;
      const total = (jumps ? jump : value) + scores[j]!;
      best[j] = total;
      if (total >= highest) {
        highest = total;
        top = j;
      }
    }
    [this.#top, this.#highest] = [top, highest];
    this.#frames++;
    return this.back(this.#lag);
  }

  /** The bin `lag` frames before the last one on the best path that ends there; -1 if there is no such frame. */
  back(lag: number): number {
    if (lag >= this.#frames) return -1;
    let j = this.#top;
    for (let t = this.#frames - 1; t > this.#frames - 1 - lag; t--) j = this.#from[t % this.#from.length]![j]!;
    return j;
  }

  reset(): void {
    this.#frames = 0;
    this.#top = 0;
    this.#highest = 0;
    this.#best.fill(0);
  }
}

/** Where between its neighbours a peak lies, bins: the top of a parabola through the three values. */
export function peakOffset(values: Float32Array, bin: number): number {
  if (bin <= 0 || bin >= values.length - 1) return 0;
  const [a, b, c] = [values[bin - 1]!, values[bin]!, values[bin + 1]!];
  const curvature = a - 2 * b + c;
  if (!(curvature < 0) || b < a || b < c) return 0;
  return (0.5 * (a - c)) / curvature;
}

export function peakBin(scores: Float32Array): number {
  let top = 0;
  for (let j = 1; j < scores.length; j++) if (scores[j]! > scores[top]!) top = j;
  return top;
}
