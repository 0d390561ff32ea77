// Values as shades: time to the right, the first value of a frame at the bottom.
import { heatColours } from './colours.js';
import { pngDataUri } from './png.js';

/** The least and the largest value that colours tell apart. */
export type Range = readonly [number, number];

/** What all but a hundredth of the values at either end lie between. */
export function commonRange(values: Float32Array): Range {
  const sorted = values.filter(Number.isFinite).sort();
  return [sorted[Math.floor(0.01 * sorted.length)] ?? 0, sorted[Math.floor(0.99 * sorted.length)] ?? 1];
}

/** A PNG data URI of `[frames, bands]`. */
export function heatPicture(values: Float32Array, frames: number, bands: number, [low, high]: Range): string {
  const pixels = new Uint8Array(frames * bands);
  for (let t = 0; t < frames; t++) {
    for (let f = 0; f < bands; f++) {
      const share = (values[t * bands + f]! - low) / (high - low);
      pixels[(bands - 1 - f) * frames + t] = Math.round(255 * Math.min(1, Math.max(0, share)));
    }
  }
  return pngDataUri(pixels, frames, bands, heatColours);
}
