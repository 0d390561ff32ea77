// The network says which bin; where exactly in it is read from the harmonics of the frame itself: each has a peak in the
// constant-Q picture, whose top a parabola through three decibels finds to a few hundredths of a bin. Nothing here jumps when
// a value changes by a little, so that exported files, which compute the same (refine-graph.ts), say the same.
import { DB_STD } from './front-end.js';

export const HARMONICS = 8;
/** Bins from where a harmonic should be to the top of a peak at which the peak counts no more; the nearer, the more. */
export const REACH = 1;
/** A value is a peak if its neighbours lie lower. Two that are equal are half a peak each, with the same top; between that
 * and a whole one is a thousandth of a decibel. */
export const PEAK_STEEPNESS = 1e4;
/** Curvature of a parabola at least: a peak of real sound has 20 times as much. */
export const LEAST_CURVATURE = 1e-3;
/** Beside amplitudes, where 1 is -60 dB. */
export const NO_WEIGHT = 1e-6;
/** From normalised decibels to the logarithm of amplitude. */
export const LOG_AMPLITUDE = (Math.LN10 * DB_STD) / 20;
/** A pitch whose harmonics together are as loud as the loudest bin by this factor (-40 dB) is seen. */
export const SEEN = 0.01;

/** Bins above the first of each harmonic. */
export function harmonicBins(binsPerOctave: number): Float64Array {
  return Float64Array.from({ length: HARMONICS }, (_, i) => binsPerOctave * Math.log2(i + 1));
}

/** Reads what a frame shows of a pitch. */
export class HarmonicPeaks {
  /** The pitch as the peaks of its harmonics say, the louder and the nearer ones more; as it was given if there are none. */
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
    for (const above of this.#harmonics) {
      const nearest = Math.round(position + above);
      const last = Math.min(frame.length - 2, nearest + REACH + 1);
      for (let bin = Math.max(1, nearest - REACH - 1); bin <= last; bin++) {
        const rise = frame[bin]! - frame[bin - 1]!;
        const fall = frame[bin]! - frame[bin + 1]!;
        const peak = Math.min(1, 0.5 + PEAK_STEEPNESS * Math.min(rise, fall));
        if (peak <= 0) continue;
        const top = bin + (0.5 * (rise - fall)) / Math.max(rise + fall, LEAST_CURVATURE);
        const off = top - above - position;
        const near = REACH - Math.abs(off);
        if (near <= 0) continue;
        const weight = near * peak * Math.exp(LOG_AMPLITUDE * frame[bin]!);
        moment += weight * off;
        weights += weight;
      }
    }
    this.position = position + moment / (weights + NO_WEIGHT);
    let loudest = frame[0]!;
    for (let j = 1; j < frame.length; j++) if (frame[j]! > loudest) loudest = frame[j]!;
    this.seen = Math.min(1, (weights + NO_WEIGHT) / (SEEN * Math.exp(LOG_AMPLITUDE * loudest)));
  }
}
