// A feature store in memory: clips of smoothly varying "log-mel", decided by the seed.
import type { FeatureColumn, FeatureStore } from '../../lib/features/feature-store.js';
import { defaultFrontEnd } from '../../lib/features/front-end-config.js';
import { pseudoLabelNames } from '../../lib/features/pseudo-labels.js';
import { Random } from '../../lib/util/random.js';

/** @param lengths frames of each clip */
export function memoryStore(lengths: readonly number[], bands = 64, seed = 1): FeatureStore {
  const clipStarts = new Float64Array(lengths.length + 1);
  lengths.forEach((n, i) => {
    clipStarts[i + 1] = clipStarts[i]! + n;
  });
  const frames = clipStarts[lengths.length]!;
  const data = new Float32Array(frames * bands);
  lengths.forEach((n, clip) => {
    const rng = new Random(seed).fork(clip);
    const [level, speed, tilt] = [rng.uniform(-8, 0), rng.uniform(0.01, 0.2), rng.uniform(-0.05, 0.05)];
    for (let t = 0; t < n; t++) {
      for (let f = 0; f < bands; f++) {
        const at = (clipStarts[clip]! + t) * bands + f;
        data[at] = level + tilt * f + 2 * Math.sin(speed * t + 0.1 * f) + 0.3 * rng.normal();
      }
    }
  });
  const mean = new Float32Array(bands);
  const std = new Float32Array(bands);
  for (let f = 0; f < bands; f++) {
    let [sum, squares] = [0, 0];
    for (let t = 0; t < frames; t++) {
      const x = data[t * bands + f]!;
      sum += x;
      squares += x * x;
    }
    mean[f] = sum / frames;
    std[f] = Math.sqrt(squares / frames - (sum / frames) ** 2);
  }
  return {
    frames,
    bands,
    frontEnd: { ...defaultFrontEnd, bands },
    clipStarts,
    clipNames: lengths.map((_, i) => `clip-${i}.wav`),
    mean,
    std,
    native: data,
    read: (start, count) => data.slice(start * bands, (start + count) * bands),
    column: (name) => labelColumn(name, data, frames, bands),
  };
}

/** "Pseudo-labels" of the frames: label k is band k, one after the other. */
function labelColumn(name: string, data: Float32Array, frames: number, bands: number): FeatureColumn {
  const width = pseudoLabelNames.length;
  const at = (t: number, k: number) => data[t * bands + (k % bands)]!;
  const all = Array.from({ length: frames }, (_, t) => t);
  const mean = Float32Array.from({ length: width }, (_, k) => all.reduce((sum, t) => sum + at(t, k), 0) / frames);
  const variance = (k: number) => all.reduce((sum, t) => sum + (at(t, k) - mean[k]!) ** 2, 0) / frames;
  const std = Float32Array.from({ length: width }, (_, k) => Math.sqrt(variance(k)));
  const read = (start: number, count: number) =>
    Float32Array.from({ length: count * width }, (_, i) => at(start + Math.floor(i / width), i % width));
  return { name, frames, width, mean, std, read, native: data };
}
