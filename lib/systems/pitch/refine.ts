// The network says which bin; where exactly in it is read from the harmonics of the frame itself: each has a peak in the
// constant-Q picture, whose top a parabola through three decibels finds to a few hundredths of a bin.
import { DB_MEAN, DB_STD } from './front-end.js';
import { peakOffset } from './smoothing.js';

const HARMONICS = 8;
/** Bins from where a harmonic should be to the top of its peak, at most. */
const REACH = 1;
/** Bins that are climbed to find a peak. */
const CLIMB = 2;

/** Bins above the first of each harmonic. */
export function harmonicBins(binsPerOctave: number): Float64Array {
  return Float64Array.from({ length: HARMONICS }, (_, i) => binsPerOctave * Math.log2(i + 1));
}

/** A position in bins moved to where the peaks of its harmonics say, the louder ones more; as it is if there are none.
 * @param frame normalised decibels of its bins
 * @param harmonics {@link harmonicBins} */
export function refined(frame: Float32Array, position: number, harmonics: Float64Array): number {
  let [sum, weights] = [0, 0];
  for (const above of harmonics) {
    let bin = Math.round(position + above);
    for (let i = 0; i < CLIMB; i++) {
      if (frame[bin + 1]! > frame[bin]!) bin++;
      else if (frame[bin - 1]! > frame[bin]!) bin--;
    }
    if (!(bin >= 1 && bin < frame.length - 1) || frame[bin - 1]! > frame[bin]! || frame[bin + 1]! > frame[bin]!)
      continue;
    const off = bin + peakOffset(frame, bin) - above - position;
    if (Math.abs(off) > REACH) continue;
    const amplitude = 10 ** ((DB_MEAN + DB_STD * frame[bin]!) / 20);
    sum += amplitude * off;
    weights += amplitude;
  }
  return weights > 0 ? position + sum / weights : position;
}
