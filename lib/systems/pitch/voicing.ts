// Which frames are voiced: a stretch begins where something surely sounds and goes on while it may, so that neither a single
// doubtful frame in a note ends it nor a single one in noise begins it.

/** A stretch of voiced frames must somewhere be so much surer than the threshold, and goes on down to so much below it; of
 * logits. For the threshold 0.5 that is 0.7 and 0.4. */
const SURE = 0.85;
const DOUBT = 0.4;

/** Reads the confidences of the last frames, by frame modulo their number. With `lag` frames known ahead: without any, each
 * frame is judged by itself. */
export class Voicing {
  readonly #high: number;
  readonly #low: number;
  /** Frames since a sure one in the stretch at hand. */
  #since = Number.POSITIVE_INFINITY;

  constructor(
    private readonly confidences: Float64Array,
    threshold: number,
    private readonly lag: number,
  ) {
    const odds = threshold / (1 - threshold);
    const shifted = (by: number) => 1 / (1 + 1 / (odds * Math.exp(by)));
    [this.#high, this.#low] = lag === 0 ? [threshold, threshold] : [shifted(SURE), shifted(-DOUBT)];
  }

  /** The median of the frame and its neighbours; at the ends of the recording its own.
   * @param last frame that is known */
  confidence(frame: number, last: number): number {
    const at = (t: number) => this.confidences[t % this.confidences.length]!;
    const here = at(frame);
    if (this.lag === 0 || frame === 0 || frame === last) return here;
    const [before, after] = [at(frame - 1), at(frame + 1)];
    return Math.max(Math.min(before, here), Math.min(Math.max(before, here), after));
  }

  /** Whether a frame is voiced; to be asked for one frame after the other. A sure frame counts as far ahead as `lag` reaches, and
   * as far back. */
  decide(frame: number, last: number): boolean {
    const sure = this.confidence(frame, last);
    if (!(sure >= this.#low)) {
      this.#since = Number.POSITIVE_INFINITY;
      return false;
    }
    this.#since = sure >= this.#high ? 0 : this.#since + 1;
    if (this.#since <= this.lag) return true;
    for (let t = frame + 1; t <= Math.min(last, frame + this.lag - 1); t++) {
      const ahead = this.confidence(t, last);
      if (ahead >= this.#high) return true;
      if (!(ahead >= this.#low)) return false;
    }
    return false;
  }

  reset(): void {
    this.#since = Number.POSITIVE_INFINITY;
  }
}
