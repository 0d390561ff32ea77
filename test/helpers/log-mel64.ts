// An independent log-mel in double precision: the definition, with a plain DFT.
import type { FrontEndConfig, LogMelConfig } from '../../lib/features/front-end-config.js';
import { defaultFrontEnd } from '../../lib/features/front-end-config.js';

/** Samples → log-mel `[frames, bands]`, `1 + floor((n - windowLength) / hop)` frames. */
export function logMel64(samples: Float32Array | Float64Array, config: FrontEndConfig = defaultFrontEnd): Float64Array {
  if (config.kind !== 'log-mel') throw new Error('only for log-mel');
  const { sampleRate, windowLength, hop, fftSize, bands, lowHz, highHz, logOffset } = config;
  const mel = (hz: number) => 2595 * Math.log10(1 + hz / 700);
  const hz = (m: number) => 700 * (10 ** (m / 2595) - 1);
  const step = (mel(highHz) - mel(lowHz)) / (bands + 1);
  const corners = Array.from({ length: bands + 2 }, (_, i) => hz(mel(lowHz) + i * step));
  const cos = Float64Array.from({ length: fftSize }, (_, i) => Math.cos((2 * Math.PI * i) / fftSize));
  const sin = Float64Array.from({ length: fftSize }, (_, i) => Math.sin((2 * Math.PI * i) / fftSize));
  const frames = Math.max(0, 1 + Math.floor((samples.length - windowLength) / hop));
  const out = new Float64Array(frames * bands);
  for (let t = 0; t < frames; t++) {
    const x = Float64Array.from({ length: windowLength }, (_, n) => {
      return samples[t * hop + n]! * (0.5 - 0.5 * Math.cos((2 * Math.PI * n) / windowLength));
    });
    for (let k = 0; k <= fftSize / 2; k++) {
      let [re, im] = [0, 0];
      for (let n = 0; n < windowLength; n++) {
        re += x[n]! * cos[(k * n) % fftSize]!;
        im -= x[n]! * sin[(k * n) % fftSize]!;
      }
      const power = re * re + im * im;
      const f = (k * sampleRate) / fftSize;
      for (let b = 0; b < bands; b++) {
        const up = (f - corners[b]!) / (corners[b + 1]! - corners[b]!);
        const down = (corners[b + 2]! - f) / (corners[b + 2]! - corners[b + 1]!);
        out[t * bands + b]! += power * Math.max(0, Math.min(up, down));
      }
    }
  }
  return out.map((v) => Math.log(v + logOffset));
}

/** Weight of bin k of the DFT in band b. */
export function melTriangles({ sampleRate, fftSize, bands, lowHz, highHz }: LogMelConfig) {
  const mel = (hz: number) => 2595 * Math.log10(1 + hz / 700);
  const corners = Array.from({ length: bands + 2 }, (_, i) => {
    return 700 * (10 ** ((mel(lowHz) + (i * (mel(highHz) - mel(lowHz))) / (bands + 1)) / 2595) - 1);
  });
  return (k: number, b: number) => {
    const f = (k * sampleRate) / fftSize;
    const up = (f - corners[b]!) / (corners[b + 1]! - corners[b]!);
    const down = (corners[b + 2]! - f) / (corners[b + 2]! - corners[b + 1]!);
    return Math.max(0, Math.min(up, down));
  };
}
