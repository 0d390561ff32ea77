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
  #best: Float32Array;
  #next: Float32Array;
  /** Of the last lag + 1 frames, the best bin before each bin. */
  readonly #from: Int16Array[];
  #frames = 0;

  constructor(bins: number, binsPerOctave: number, lag: number) {
    [this.#bins, this.#lag] = [bins, lag];
    this.#step = (SEMITONE * 12) / binsPerOctave;
    this.#best = new Float32Array(bins);
    this.#next = new Float32Array(bins);
    this.#from = Array.from({ length: lag + 1 }, () => new Int16Array(bins));
  }

  /** @param scores of the frame's bins: log probabilities up to a constant
   * @returns the bin of the frame `lag` frames before, or -1 if there is none yet */
  push(scores: Float32Array): number {
    const [bins, step, best, next] = [this.#bins, this.#step, this.#best, this.#next];
    const from = this.#from[this.#frames % this.#from.length]!;
    const jumpFrom = peakBin(best);
    const jump = best[jumpFrom]! - JUMP;
    for (let j = 0; j < bins; j++) {
      next[j] = best[j]!;
      from[j] = j;
    }
    for (let j = 1; j < bins; j++) {
      const moved = next[j - 1]! - step;
      if (moved > next[j]!) {
        next[j] = moved;
        from[j] = from[j - 1]!;
      }
    }
    for (let j = bins - 2; j >= 0; j--) {
      const moved = next[j + 1]! - step;
      if (moved > next[j]!) {
        next[j] = moved;
        from[j] = from[j + 1]!;
      }
    }
    let highest = Number.NEGATIVE_INFINITY;
    for (let j = 0; j < bins; j++) {
      if (jump > next[j]!) {
        next[j] = jump;
        from[j] = jumpFrom;
      }
      next[j]! += scores[j]!;
      if (next[j]! > highest) highest = next[j]!;
    }
    for (let j = 0; j < bins; j++) next[j]! -= highest;
    [this.#best, this.#next] = [next, best];
    this.#frames++;
    return this.back(this.#lag);
  }

  /** The bin `lag` frames before the last one on the best path that ends there; -1 if there is no such frame. */
  back(lag: number): number {
    if (lag >= this.#frames) return -1;
    let j = peakBin(this.#best);
    for (let t = this.#frames - 1; t > this.#frames - 1 - lag; t--) j = this.#from[t % this.#from.length]![j]!;
    return j;
  }

  reset(): void {
    this.#frames = 0;
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
