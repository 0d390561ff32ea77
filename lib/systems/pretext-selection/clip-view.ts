// A recording as the dependence estimate sees it: ten weighted means of its log-mel over time, whatever its length.

/** Positions in time. */
export const positions = 10;

/** Log-mel `[frames, bands]` → `[positions, bands]`: means with Gaussian weights around ten places, the width 0.07 of the
 * recording, a tenth wider for each place from the ends towards the middle (Zaiem et al., released code). */
export function clipView(logMel: Float32Array | Float64Array, bands: number): Float64Array {
  const frames = logMel.length / bands;
  const view = new Float64Array(positions * bands);
  const weights = new Float64Array(frames);
  for (let p = 0; p < positions; p++) {
    const centre = ((p + 0.5) * frames) / positions;
    const width = 0.07 * frames * (1 + 0.1 * Math.min(p, positions - 1 - p));
    let total = 0;
    for (let t = 0; t < frames; t++) {
      weights[t] = Math.exp(-((t + 0.5 - centre) ** 2) / (2 * width * width));
      total += weights[t];
    }
    for (let t = 0; t < frames; t++) {
      const w = weights[t] / total;
      for (let b = 0; b < bands; b++) view[p * bands + b] += w * logMel[t * bands + b];
    }
  }
  return view;
}
