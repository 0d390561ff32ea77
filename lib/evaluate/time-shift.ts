// How much an embedding depends on where in the clip a sound starts: queries are moved in time and looked up again.
import { argumentError } from '../util/errors.js';

/** A log-mel `[frames, bands]` as if its clip had started `shift` frames later (earlier when negative). Its length stays;
 * frames that come in are `fill`, the log-mel of silence: ln(10⁻⁶) with the default front end. */
export function shiftInTime(logMel: Float32Array, bands: number, shift: number, fill = Math.log(1e-6)): Float32Array {
  if (!Number.isInteger(bands) || bands < 1) throw argumentError('bands', 'a positive integer', bands);
  if (logMel.length % bands) throw argumentError('logMel.length', `a multiple of bands (${bands})`, logMel.length);
  if (!Number.isInteger(shift)) throw argumentError('shift', 'a whole number of frames', shift);
  const out = new Float32Array(logMel.length).fill(fill);
  const by = shift * bands;
  if (by >= 0) out.set(logMel.subarray(by));
  else out.set(logMel.subarray(0, Math.max(0, logMel.length + by)), Math.min(-by, logMel.length));
  return out;
}
