// The vectors that users get: latents and context with all directions brought to about the same variance, so that
// distances and simple classifiers see what is said, and not mostly how loud.
import { Matrix } from 'ml-matrix';
import { Network } from '../../engine/network.js';
import type { FeatureStore } from '../../features/feature-store.js';
import { principalAxes } from '../../util/principal-axes.js';
import { Random } from '../../util/random.js';
import { ClipDraw } from '../clip-draw.js';
import { type CodesShape, contextReach, inferenceGraph, latentReach, nodes } from './graph.js';
import { framesPerCode } from './options.js';

/** Segments that means and covariances are taken over. */
const segments = 192;
/** Segments in one call. */
const together = 8;
/** This share of the largest variance is added to that of every direction, so that those in which hardly anything ever
 * changes are not blown up to the size of the others. */
const shrinkage = 1e-3;

export interface WhitenOptions {
  store: FeatureStore;
  /** Indices of the clips to draw from. */
  clips: ArrayLike<number>;
  /** Code frames in a segment. */
  length: number;
  seed: number;
  threads: number;
  signal?: AbortSignal;
}

type Weights = Map<string, Float32Array>;

/** The weights with those of the two last layers, (C + λI)^(-1/2) (x - μ), of means and covariances over random
 * segments. */
export async function withWhiteVectors(weights: Weights, shape: CodesShape, options: WhitenOptions): Promise<Weights> {
  const white = new Map(weights);
  const { width } = shape;
  for (const name of [nodes.latents, nodes.context]) {
    white.set(`${name}.weight`, new Float32Array(width * width));
    white.set(`${name}.bias`, new Float32Array(width));
  }
  const found = await randomVectors(white, shape, options);
  for (const [name, vectors] of Object.entries({ [nodes.latents]: found.z, [nodes.context]: found.c })) {
    const { mean, variances, axes } = await principalAxes(vectors, width, options.signal);
    const added = shrinkage * Math.max(...variances) + 1e-12;
    const scales = Matrix.diag(variances.map((v) => 1 / Math.sqrt(v + added)));
    const map = axes.mmul(scales).mmul(axes.transpose());
    const shift = map.mmul(Matrix.columnVector(Array.from(mean, (m) => -m)));
    white.set(`${name}.weight`, Float32Array.from(map.to1DArray()));
    white.set(`${name}.bias`, Float32Array.from(shift.to1DArray()));
  }
  return white;
}

/** z and c of random segments, `[frames, width]`; frames that the ends of a segment reach are left out. */
async function randomVectors(weights: Weights, shape: CodesShape, options: WhitenOptions) {
  const { store, clips, length, seed, threads, signal } = options;
  const { graph } = inferenceGraph(shape, length);
  const network = new Network(graph, { maxExamples: together, threads, store, mean: store.mean, std: store.std });
  network.setParameters(new Map(graph.params.map(({ name }) => [name, weights.get(name)!])));
  const draw = new ClipDraw(store.clipStarts, clips, framesPerCode * length, 'Whitening');
  const rng = new Random(seed).fork('whitening');
  const parts: { z: number[][]; c: number[][] } = { z: [], c: [] };
  const inside = (reach: number) => Math.min(reach, Math.floor((length - 1) / 2));
  for (let first = 0; first < segments; first += together) {
    signal?.throwIfAborted();
    const frames = Float64Array.from({ length: together }, () => {
      const clip = draw.clip(draw.draw(rng));
      return clip.start + rng.int(clip.frames - framesPerCode * length + 1);
    });
    const out = await network.outputs({ examples: together, inputs: { [nodes.input]: { frames } } }, [
      nodes.z,
      nodes.c,
    ]);
    for (let e = 0; e < together; e++) {
      const rows = (values: Float32Array, reach: number) => {
        return Array.from(
          values.subarray((e * length + reach) * shape.width, ((e + 1) * length - reach) * shape.width),
        );
      };
      parts.z.push(rows(out[nodes.z], inside(latentReach)));
      parts.c.push(rows(out[nodes.c], inside(contextReach)));
    }
  }
  network.close();
  return { z: Float64Array.from(parts.z.flat()), c: Float64Array.from(parts.c.flat()) };
}
