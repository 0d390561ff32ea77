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

const timeCoefficients = 3;
const bandCoefficients = 12;

/** The shape of views in few numbers: the lowest coefficients of their cosine transform over time and bands, each
 * standardised over all recordings. `[recordings, 36]`, `dim` beside it. */
export function viewShapes(views: Float64Array, bands: number): { points: Float64Array; dim: number } {
  const count = views.length / (positions * bands);
  const bandTerms = Math.min(bandCoefficients, bands);
  const dim = timeCoefficients * bandTerms;
  const overTime = cosines(timeCoefficients, positions);
  const overBands = cosines(bandTerms, bands);
  const points = new Float64Array(count * dim);
  for (let i = 0; i < count; i++) {
    for (let p = 0; p < positions; p++) {
      for (let q = 0; q < bandTerms; q++) {
        let sum = 0;
        for (let b = 0; b < bands; b++) sum += overBands[q * bands + b] * views[(i * positions + p) * bands + b];
        for (let r = 0; r < timeCoefficients; r++) {
          points[i * dim + r * bandTerms + q] += overTime[r * positions + p] * sum;
        }
      }
    }
  }
  for (let d = 0; d < dim; d++) {
    let mean = 0;
    for (let i = 0; i < count; i++) mean += points[i * dim + d] / count;
    let square = 0;
    for (let i = 0; i < count; i++) square += (points[i * dim + d] - mean) ** 2 / count;
    const deviation = Math.sqrt(square) || 1;
    for (let i = 0; i < count; i++) points[i * dim + d] = (points[i * dim + d] - mean) / deviation;
  }
  return { points, dim };
}

/** `[terms, n]`: cos(π k (i + ½) / n). */
function cosines(terms: number, n: number): Float64Array {
  return Float64Array.from({ length: terms * n }, (_, at) => {
    return Math.cos((Math.PI * Math.floor(at / n) * ((at % n) + 0.5)) / n);
  });
}
