import type { FrontEndConfig } from './model/front-end-config.js';

/** A corpus as log-mel on disk, memory-mapped. (Interface; the implementation is on its way.) */
export interface FeatureStore {
  /** Frames in all clips together. */
  readonly frames: number;
  readonly bands: number;
  readonly frontEnd: FrontEndConfig;
  /** First frame of each clip, and one past the last frame of the last: clips + 1 entries. */
  readonly clipStarts: Float64Array;
  /** Path of each clip, relative to the corpus folder. */
  readonly clipNames: readonly string[];
  /** Per-band statistics over all frames. */
  readonly mean: Float32Array;
  readonly std: Float32Array;
  /** A copy of `count` frames from `start` on, `[count, bands]`, not normalised. */
  read(start: number, count: number): Float32Array;
  /** What the addon reads frames from. */
  readonly native: object;
}
