// Clips of a feature store as vectors: embeddings, and the log-mel statistics they are compared with.
import { Encoder } from '../../lib/embed/encoder.js';
import { shiftInTime } from '../../lib/evaluate/time-shift.js';
import type { FeatureStore } from '../../lib/features/feature-store.js';
import { frontEndOf } from '../../lib/features/front-ends.js';
import type { EncoderModel } from '../../lib/models/encoder-model.js';

/** Vectors of clips, `[clips, dim]`. */
export interface ClipFeatures {
  dim: number;
  vectors: Float32Array;
}

/** The mean embedding over the slices of every clip, as `Encoder.sceneEmbedding` has it. */
export async function embedClips(model: EncoderModel, store: FeatureStore, threads: number): Promise<ClipFeatures> {
  const encoder = Encoder.fromModel(model, { threads });
  const dim = encoder.dimension;
  const vectors = new Float32Array(store.clipNames.length * dim);
  for (let clip = 0; clip < store.clipNames.length; clip++) {
    const start = store.clipStarts[clip]!;
    const { embeddings } = await encoder.embedLogMel(store.read(start, store.clipStarts[clip + 1]! - start));
    const slices = embeddings.length / dim;
    embeddings.forEach((value, i) => {
      vectors[clip * dim + (i % dim)]! += value / slices;
    });
  }
  return { dim, vectors };
}

/** Mean and standard deviation over time of each band. */
export function logMelStatistics(store: FeatureStore): ClipFeatures {
  const { bands, clipStarts } = store;
  const dim = 2 * bands;
  const vectors = new Float32Array(store.clipNames.length * dim);
  for (let clip = 0; clip < store.clipNames.length; clip++) {
    const frames = clipStarts[clip + 1]! - clipStarts[clip]!;
    const logMel = store.read(clipStarts[clip]!, frames);
    for (let f = 0; f < bands; f++) {
      let [sum, squares] = [0, 0];
      for (let t = 0; t < frames; t++) {
        const x = logMel[t * bands + f]!;
        sum += x;
        squares += x * x;
      }
      const mean = sum / frames;
      vectors[clip * dim + f] = mean;
      vectors[clip * dim + bands + f] = Math.sqrt(Math.max(0, squares / frames - mean * mean));
    }
  }
  return { dim, vectors };
}

/** The same clips, each starting `shift` frames later. */
export function shiftedStore(store: FeatureStore, shift: number): FeatureStore {
  const { bands, clipStarts } = store;
  const data = new Float32Array(store.frames * bands);
  for (let clip = 0; clip < store.clipNames.length; clip++) {
    const start = clipStarts[clip]!;
    const logMel = store.read(start, clipStarts[clip + 1]! - start);
    data.set(shiftInTime(logMel, bands, shift, frontEndOf(store.frontEnd).silence(store.frontEnd)), start * bands);
  }
  const read = (start: number, count: number) => data.slice(start * bands, (start + count) * bands);
  return { ...plain(store), native: data, read };
}

/** A store's facts without its methods (its class may keep them in accessors). */
function plain({ frames, bands, frontEnd, clipStarts, clipNames, mean, std }: FeatureStore) {
  return { frames, bands, frontEnd, clipStarts, clipNames, mean, std };
}
