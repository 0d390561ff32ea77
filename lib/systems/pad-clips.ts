// Labelled clips may be shorter than a slice (a drum hit, a word), and none of them may be dropped.
import type { FeatureStore } from '../features/feature-store.js';
import { frontEndOf } from '../features/front-ends.js';

/** A store in which every clip has at least `frames` frames: shorter ones are followed by digital silence.
 * The store itself if there are none; otherwise a copy in memory, with the same statistics. */
export function padShortClips(store: FeatureStore, frames: number): FeatureStore {
  const { bands, clipStarts } = store;
  const clips = store.clipNames.length;
  const starts = new Float64Array(clips + 1);
  for (let i = 0; i < clips; i++) starts[i + 1] = starts[i]! + Math.max(frames, clipStarts[i + 1]! - clipStarts[i]!);
  const total = starts[clips]!;
  if (total === store.frames) return store;

  const data = new Float32Array(total * bands).fill(frontEndOf(store.frontEnd).silence(store.frontEnd));
  for (let i = 0; i < clips; i++) {
    const length = clipStarts[i + 1]! - clipStarts[i]!;
    if (length > 0) data.set(store.read(clipStarts[i]!, length), starts[i]! * bands);
  }
  return {
    frames: total,
    bands,
    frontEnd: store.frontEnd,
    clipStarts: starts,
    clipNames: store.clipNames,
    mean: store.mean,
    std: store.std,
    native: data,
    read: (start, count) => data.slice(start * bands, (start + count) * bands),
  };
}
