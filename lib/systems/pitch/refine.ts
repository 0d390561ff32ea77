// The network says which bin; where exactly in it is read from the harmonics of the frame itself: each has a peak in the
// constant-Q picture, whose top a parabola through three decibels finds to a few hundredths of a bin. Nothing here jumps when
// a value changes by a little, so that exported files, which compute the same (refine-graph.ts), say the same.
import { DB_STD } from './front-end.js';

export const HARMONICS = 8;
/** Bins from where a harmonic should be to the top of a peak at which the peak counts no more; the nearer, the more. */
export const REACH = 1.5;
/** A value is a peak if its neighbours lie lower. Two that are equal are half a peak each, with the same top; between that
 * and a whole one is a hundredth of a decibel. */
export const PEAK_STEEPNESS = 1e3;
/** Curvature of a parabola at least: a peak of real sound has 20 times as much. */
export const LEAST_CURVATURE = 1e-3;
/** From normalised decibels to the logarithm of amplitude. */
export const LOG_AMPLITUDE = (Math.LN10 * DB_STD) / 20;
/** A pitch is seen if its harmonics together are as loud as the loudest bin times this (-40 dB), and by less the less they
 * are. */
export const SEEN = 0.01;

/** Bins above the first of each harmonic. */
export function harmonicBins(binsPerOctave: number): Float64Array {
  return Float64Array.from({ length: HARMONICS }, (_, i) => binsPerOctave * Math.log2(i + 1));
}

/** Reads what a frame shows of a pitch. */
export class HarmonicPeaks {
  /** The pitch as the peaks of its harmonics say, the louder and the nearer ones more; as it was given if none is seen. */
  position = 0;
  /** 0 to 1: whether there are peaks where its harmonics should be. */
  seen = 0;
  readonly #harmonics: Float64Array;

  constructor(binsPerOctave: number) {
    this.#harmonics = harmonicBins(binsPerOctave);
  }

  /** @param frame normalised decibels of its bins
   * @param position where the pitch is thought to be, in bins */
  read(frame: Float32Array, position: number): void {
    let moment = 0;
    let weights = 0;
    const around = Math.ceil(REACH); // a top is half a bin from its bin at most
    for (const above of this.#harmonics) {
      const nearest = Math.round(position + above);
      const last = Math.min(frame.length - 2, nearest + around);
      for (let bin = Math.max(1, nearest - around); bin <= last; bin++) {
        const rise = frame[bin]! - frame[bin - 1]!;
        const fall = frame[bin]! - frame[bin + 1]!;
        const peak = Math.min(1, 0.5 + PEAK_STEEPNESS * Math.min(rise, fall));
        if (peak <= 0) continue;
        const top = bin + (0.5 * (rise - fall)) / Math.max(rise + fall, LEAST_CURVATURE);
        const off = top - above - position;
        const near = 1 - Math.abs(off) / REACH;
        if (near <= 0) continue;
        const weight = near * peak * Math.exp(LOG_AMPLITUDE * frame[bin]!);
        moment += weight * off;
        weights += weight;
      }
    }
    let loudest = frame[0]!;
    for (let j = 1; j < frame.length; j++) if (frame[j]! > loudest) loudest = frame[j]!;
    const total = Math.max(weights, SEEN * Math.exp(LOG_AMPLITUDE * loudest));
    this.position = position + moment / total;
    this.seen = weights / total;
  }
}
