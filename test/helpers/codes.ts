// A small model of speech codes with random weights.
import { defaultFrontEnd } from '../../lib/features/front-end-config.js';
import { placeCentroids } from '../../lib/systems/wav2vec-c/codebook.js';
import type { CodesShape } from '../../lib/systems/wav2vec-c/graph.js';
import { type CodesModel, codesParameters, codesWeights } from '../../lib/systems/wav2vec-c/model.js';
import { Random } from '../../lib/util/random.js';

export function codesModel(shape: Partial<CodesShape> = {}, seed = 1): CodesModel {
  const whole: CodesShape = { quantiser: 'k-means', bands: 64, books: 2, codes: 8, dimension: 2, width: 16, ...shape };
  const rng = new Random(seed);
  const weights = new Map(
    codesParameters(whole).map((p) => {
      const size = p.shape.reduce((a, b) => a * b, 1);
      const bound = 1.5 / Math.sqrt(p.shape.slice(1).reduce((a, b) => a * b, 1));
      return [p.name, Float32Array.from({ length: size }, () => rng.uniform(-bound, bound))] as const;
    }),
  );
  const points = Float32Array.from({ length: 500 * whole.books * whole.dimension }, () => 2 * rng.normal());
  placeCentroids(weights, points, whole, rng);
  const mean = new Float32Array(64).fill(-6);
  return {
    ...{ shape: whole, frontEnd: defaultFrontEnd, mean, std: new Float32Array(64).fill(3) },
    weights: codesWeights(weights, whole),
    provenance: { untrained: true },
  };
}

/** Something like speech: a gliding tone of changing loudness in noise. */
export function sound(samples: number, seed = 1): Float32Array {
  const rng = new Random(seed);
  let phase = 0;
  return Float32Array.from({ length: samples }, (_, i) => {
    phase += 0.05 + 0.04 * Math.sin(i / 3000);
    return 0.3 * Math.abs(Math.sin(i / 1700)) * Math.sin(phase) + 0.02 * rng.normal();
  });
}
