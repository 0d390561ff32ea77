// Ways of turning a clip into one vector, to be compared on the same labels.
import { isDeepStrictEqual } from 'node:util';
import { Encoder, type EncoderOptions } from '../embed/encoder.js';
import { features } from '../features/compute.js';
import { type FrontEndConfig, frontEndOf } from '../features/front-ends.js';
import { untrainedModel } from '../models/initial-weights.js';

/** One vector of `dim` values for every clip. Add your own to compare another encoder with ours. */
export interface ClipFeatures {
  /** What the rows of tables call it. */
  name: string;
  dim: number;
  /** `[clips, dim]` from samples at 16 kHz. */
  extract(clips: readonly Float32Array[], options: { signal?: AbortSignal }): Promise<Float32Array>;
}

/** Scene embeddings: the mean over a clip's slices. */
export function sceneFeatures(name: string, encoder: Encoder): ClipFeatures {
  return { name, dim: encoder.dimension, extract: (clips, options) => encoder.sceneEmbeddings(clips, options) };
}

/** Mean and standard deviation over time of each value of the front end (each log-mel band): what an encoder has to
 * beat. Clips shorter than a frame are followed by silence. */
export function logMelStatistics(frontEnd: FrontEndConfig): ClipFeatures {
  const entry = frontEndOf(frontEnd);
  const bands = entry.width(frontEnd);
  const least = entry.sampleCount(1, frontEnd);
  const dim = 2 * bands;
  return {
    name: `${entry.title} mean + std`,
    dim,
    async extract(clips, { signal }) {
      const out = new Float32Array(clips.length * dim);
      for (const [i, clip] of clips.entries()) {
        const samples = new Float32Array(Math.max(clip.length, least));
        samples.set(clip);
        out.set(meanAndStd(await features(samples, { frontEnd, signal }), bands), i * dim);
      }
      return out;
    },
  };
}

function meanAndStd(features: Float32Array, bands: number): Float64Array {
  const frames = features.length / bands;
  const out = new Float64Array(2 * bands);
  features.forEach((x, i) => {
    out[i % bands]! += x / frames;
  });
  features.forEach((x, i) => {
    out[bands + (i % bands)]! += (x - out[i % bands]!) ** 2 / frames;
  });
  return out.map((x, i) => (i < bands ? x : Math.sqrt(x)));
}

/** What tables call the encoder that ships with the package. */
export const pretrainedName = 'pretrained encoder';

/** The encoder, the one that ships with the package (unless it is that), the same architecture with random weights, and
 * log-mel statistics. */
export async function withBaselines(
  name: string,
  encoder: Encoder,
  { seed, ...options }: EncoderOptions & { seed: number },
): Promise<ClipFeatures[]> {
  const { readOut = options.readOut } = encoder.model;
  const shipped = await Encoder.pretrained({ ...options, readOut }).catch((error) => {
    if (error.code === 'ERR_FILE') return undefined; // a build without models
    throw error;
  });
  return [
    sceneFeatures(name, encoder),
    ...(shipped && !sameWeights(shipped, encoder) ? [sceneFeatures(pretrainedName, shipped)] : []),
    sceneFeatures('untrained encoder', Encoder.fromModel(untrainedModel(encoder.model, seed), options)),
    logMelStatistics(encoder.frontEnd),
  ];
}

function sameWeights({ model: a }: Encoder, { model: b }: Encoder): boolean {
  return isDeepStrictEqual([a.config, a.frontEnd, a.weights], [b.config, b.frontEnd, b.weights]);
}
