// An independent constant-Q transform in double precision: the definition, each bin the correlation with its windowed
// complex exponential. Shares no code with lib/features/cqt*.
import type { CqtConfig } from '../../lib/features/cqt-config.js';

/** Magnitudes `[⌊n / hop⌋ + 1, bins]`, of the given frames only if there are any. */
export function cqt64(samples: Float32Array, config: CqtConfig, only?: readonly number[]): Float64Array {
  const { sampleRate, binsPerOctave, lowestHz, bins, hop, window, gamma, filterScale } = config;
  const frames = only ?? Array.from({ length: Math.floor(samples.length / hop) + 1 }, (_, m) => m);
  const out = new Float64Array(frames.length * bins);
  for (let k = 0; k < bins; k++) {
    const hz = lowestHz * 2 ** (k / binsPerOctave);
    const seconds = filterScale / (hz * (2 ** (1 / binsPerOctave) - 1) + gamma);
    const length = seconds * sampleRate;
    const half = Math.floor(length / 2);
    const [cos, sin] = [new Float64Array(2 * half + 1), new Float64Array(2 * half + 1)];
    for (let n = -half; n <= half; n++) {
      const turn = (2 * Math.PI * n) / length;
      const w =
        window === 'hann'
          ? Math.cos(turn / 2) ** 2
          : 0.42 + 0.5 * Math.cos(turn) + 0.08 * (2 * Math.cos(turn) ** 2 - 1);
      cos[n + half] = w * Math.cos((2 * Math.PI * hz * n) / sampleRate);
      sin[n + half] = w * Math.sin((2 * Math.PI * hz * n) / sampleRate);
    }
    // The window's area halved: a sine of amplitude 1 has two exponentials of ½.
    const area = (window === 'hann' ? 0.5 : 0.42) * length;
    frames.forEach((frame, i) => {
      const from = frame * hop - half;
      let [re, im] = [0, 0];
      const end = Math.min(2 * half + 1, samples.length - from);
      for (let n = Math.max(0, -from); n < end; n++) {
        re += samples[from + n]! * cos[n]!;
        im += samples[from + n]! * sin[n]!;
      }
      out[i * bins + k] = Math.hypot(re, im) / (area / 2);
    });
  }
  return out;
}
