// The vector-Jacobian product of log-mel in double precision, straight from the definition with a plain DFT.
import type { LogMelConfig } from '../../lib/features/front-end-config.js';
import { melTriangles } from './log-mel64.js';

/** d loss / d log-mel `[frames, bands]` → d loss / d samples. */
export function logMelGradient64(samples: Float64Array, weights: Float32Array, config: LogMelConfig): Float64Array {
  const { windowLength, hop, fftSize, bands, logOffset } = config;
  const weightOf = melTriangles(config);
  // [bin, band, weight] of all that are not 0
  const triangles: [number, number, number][] = [];
  for (let k = 0; k <= fftSize / 2; k++) {
    for (let b = 0; b < bands; b++) if (weightOf(k, b) > 0) triangles.push([k, b, weightOf(k, b)]);
  }
  const turn = (2 * Math.PI) / fftSize;
  const cos = Float64Array.from({ length: fftSize }, (_, i) => Math.cos(turn * i));
  const sin = Float64Array.from({ length: fftSize }, (_, i) => Math.sin(turn * i));
  const out = new Float64Array(samples.length);
  const frames = Math.max(0, 1 + Math.floor((samples.length - windowLength) / hop));
  const window = Float64Array.from({ length: windowLength }, (_, n) => {
    return 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / windowLength);
  });
  for (let t = 0; t < frames; t++) {
    const bins = Array.from({ length: fftSize / 2 + 1 }, (_, k) => {
      let [re, im] = [0, 0];
      for (let n = 0; n < windowLength; n++) {
        const x = samples[t * hop + n]! * window[n]!;
        re += x * cos[(k * n) % fftSize]!;
        im -= x * sin[(k * n) % fftSize]!;
      }
      return { k, re, im };
    });
    const power = new Float64Array(bands);
    for (const [k, b, weight] of triangles) power[b]! += weight * (bins[k]!.re ** 2 + bins[k]!.im ** 2);
    const slopes = new Float64Array(fftSize / 2 + 1);
    for (const [k, b, weight] of triangles) slopes[k]! += (weight * weights[t * bands + b]!) / (power[b]! + logOffset);
    for (const { k, re, im } of bins) {
      const dPower = slopes[k]!;
      if (dPower === 0) continue;
      for (let n = 0; n < windowLength; n++) {
        // d re / d sample = w cos, d im / d sample = -w sin
        const along = re * cos[(k * n) % fftSize]! - im * sin[(k * n) % fftSize]!;
        out[t * hop + n]! += 2 * dPower * along * window[n]!;
      }
    }
  }
  return out;
}
