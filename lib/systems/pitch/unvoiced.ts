// A recording as if whispered: noise through the recording's own resonances, as loud from moment to moment. It has the
// colours and the rhythm of real sound and no pitch, which no synthetic noise has.
import { lpc } from '../../util/linear-prediction.js';
import type { Random } from '../../util/random.js';

/** Seconds that the filter is taken from, and for how long it then stays, at random: a regular change would be a pitch. */
const WINDOW = 0.025;
const [SHORTEST, LONGEST] = [0.006, 0.018];
const ORDER = 14;
/** Poles are drawn in by this factor: at 16 kHz no resonance is narrower than 150 Hz, so that none sounds like a tone. */
const DAMPING = 0.97;

/** The same length, without pitch; silence where the recording is silent. */
export function unvoiced(samples: Float32Array, sampleRate: number, random: Random): Float32Array {
  const out = new Float32Array(samples.length);
  const window = Math.round(WINDOW * sampleRate);
  const past = new Float64Array(ORDER);
  for (let at = 0; at < out.length; ) {
    const first = Math.max(0, Math.min(samples.length - window, at - (window >> 1)));
    const { a, error } = lpc(samples.subarray(first, first + window), ORDER);
    for (let k = 1; k <= ORDER; k++) a[k]! *= DAMPING ** k;
    // Twice the error is about what is left of the energy before the window took its share.
    const gain = Math.sqrt((2.5 * Math.max(0, error)) / window);
    const end = Math.min(out.length, at + Math.round(random.uniform(SHORTEST, LONGEST) * sampleRate));
    for (; at < end; at++) {
      let y = gain * random.normal();
      for (let k = 1; k <= ORDER; k++) y -= a[k]! * past[k - 1]!;
      past.copyWithin(1, 0, ORDER - 1);
      past[0] = y;
      out[at] = y;
    }
  }
  return out;
}
