// Clips of a feature store as vectors: embeddings, and the log-mel statistics they are compared with.
import { Network } from '../engine/network.js';
import { shiftInTime } from '../evaluate/time-shift.js';
import type { FeatureStore } from '../feature-store.js';
import { type EncoderModel, encoderGraph } from '../model/encoder-model.js';
import { padShortClips } from '../train/pad-clips.js';

/** Vectors of clips, `[clips, dim]`. */
export interface ClipFeatures {
  dim: number;
  vectors: Float32Array;
}

const batch = 64;

/** The mean embedding over slices half a slice apart, of every clip; clips shorter than a slice are padded with
 * silence. */
export async function embedClips(model: EncoderModel, store: FeatureStore, threads: number): Promise<ClipFeatures> {
  const { frames, embedding: dim } = model.config;
  const padded = padShortClips(store, frames);
  const { graph, input, output } = encoderGraph(model.config);
  const { mean, std } = model;
  const network = new Network(graph.nodes, { maxExamples: batch, threads, store: padded, mean, std });
  network.setParameters(new Map(model.weights));

  const places: { clip: number; start: number; weight: number }[] = [];
  for (let clip = 0; clip < padded.clipNames.length; clip++) {
    const [start, end] = [padded.clipStarts[clip]!, padded.clipStarts[clip + 1]!];
    const slices = 1 + Math.floor((end - start - frames) / (frames / 2));
    for (let i = 0; i < slices; i++) places.push({ clip, start: start + (i * frames) / 2, weight: 1 / slices });
  }
  const vectors = new Float32Array(padded.clipNames.length * dim);
  for (let from = 0; from < places.length; from += batch) {
    const part = places.slice(from, from + batch);
    const inputs = { [input.name]: { frames: Float64Array.from(part, (p) => p.start) } };
    const z = await network.forward({ examples: part.length, inputs }, output.name);
    part.forEach(({ clip, weight }, i) => {
      for (let k = 0; k < dim; k++) vectors[clip * dim + k]! += weight * z[i * dim + k]!;
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
    data.set(shiftInTime(logMel, bands, shift, Math.log(store.frontEnd.logOffset)), start * bands);
  }
  const read = (start: number, count: number) => data.slice(start * bands, (start + count) * bands);
  return { ...plain(store), native: data, read };
}

/** A store's facts without its methods (its class may keep them in accessors). */
function plain({ frames, bands, frontEnd, clipStarts, clipNames, mean, std }: FeatureStore) {
  return { frames, bands, frontEnd, clipStarts, clipNames, mean, std };
}
