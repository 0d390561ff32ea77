// The vectors that users get: latents and context with their directions brought to about the same variance, so that
// distances and simple classifiers see what is said, and not mostly how loud. Of context vectors these are the directions
// in which everything that the network knows of a frame varies most.
import { Matrix } from 'ml-matrix';
import { Network } from '../../engine/network.js';
import type { FeatureStore } from '../../features/feature-store.js';
import { principalAxes } from '../../matrix/principal-axes.js';
import { Random } from '../../util/random.js';
import { ClipDraw } from '../clip-draw.js';
import {
  type CodesShape,
  contextReach,
  inferenceGraph,
  latentReach,
  nodes,
  vectorSources,
  vectorWidths,
} from './graph.js';
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
  const [sources, widths] = [vectorSources(shape), vectorWidths(shape)];
  for (const name of [nodes.latents, nodes.context]) {
    white.set(`${name}.weight`, new Float32Array(sources[name] * widths[name]));
    white.set(`${name}.bias`, new Float32Array(widths[name]));
  }
  const found = await randomVectors(white, shape, options);
  for (const name of [nodes.latents, nodes.context]) {
    const [source, width] = [sources[name], widths[name]];
    const { mean, variances, axes } = await principalAxes(found[name], source, options.signal);
    const added = shrinkage * Math.max(...variances) + 1e-12;
    const scales = Matrix.diag(variances.map((v) => 1 / Math.sqrt(v + added)));
    const along = scales.mmul(axes.transpose());
    // As wide as before, vectors are turned back (ZCA); narrower, they are the strongest directions themselves.
    const strongest = [...variances.keys()].sort((a, b) => variances[b]! - variances[a]!).slice(0, width);
    const map = source === width ? axes.mmul(along) : new Matrix(strongest.map((i) => along.getRow(i)));
    const shift = map.mmul(Matrix.columnVector(Array.from(mean, (m) => -m)));
    white.set(`${name}.weight`, Float32Array.from(map.to1DArray()));
    white.set(`${name}.bias`, Float32Array.from(shift.to1DArray()));
  }
  return white;
}

/** What both kinds are taken from, of random segments, `[frames, values]`; frames that the ends of a segment reach are left
 * out. */
async function randomVectors(weights: Weights, shape: CodesShape, options: WhitenOptions) {
  const { store, clips, length, seed, threads, signal } = options;
  const { graph } = inferenceGraph(shape, length);
  const network = new Network(graph, { maxExamples: together, threads, store, mean: store.mean, std: store.std });
  network.setParameters(new Map(graph.params.map(({ name }) => [name, weights.get(name)!])));
  const draw = new ClipDraw(store.clipStarts, clips, framesPerCode * length, 'Whitening');
  const rng = new Random(seed).fork('whitening');
  const sources = vectorSources(shape);
  const parts: { latents: Float32Array[]; context: Float32Array[] } = { latents: [], context: [] };
  const inside = (reach: number) => Math.min(reach, Math.floor((length - 1) / 2));
  for (let first = 0; first < segments; first += together) {
    signal?.throwIfAborted();
    const frames = Float64Array.from({ length: together }, () => {
      const clip = draw.clip(draw.draw(rng));
      return clip.start + rng.int(clip.frames - framesPerCode * length + 1);
    });
    const batch = { examples: together, inputs: { [nodes.input]: { frames } } };
    const out = await network.outputs(batch, [nodes.z, nodes.all]);
    for (let e = 0; e < together; e++) {
      const rows = (values: Float32Array, reach: number, width: number) =>
        values.subarray((e * length + reach) * width, ((e + 1) * length - reach) * width);
      parts.latents.push(rows(out[nodes.z], inside(latentReach), sources.latents));
      parts.context.push(rows(out[nodes.all], inside(contextReach), sources.context));
    }
  }
  network.close();
  return { latents: joined(parts.latents), context: joined(parts.context) };
}

function joined(parts: readonly Float32Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
