// Fresh parameters. Each array is drawn by a generator of its own, named after it, so that the same seed gives the same
// encoder whatever task sits on top of it: "untrained" means the same network in every comparison.
import type { Arrays } from '../engine/network.js';
import type { Graph } from '../graph/graph.js';
import { sizeOf } from '../graph/graph.js';
import { Random } from '../util/random.js';
import { type EncoderModel, encoderGraph } from './encoder-model.js';

/** Parameters and running statistics by name, as {@link Graph} says they start: uniform in ±1/sqrt(fanIn), or
 * constant. */
export function initialParameters(graph: Graph, seed: number): Map<string, Float32Array> {
  const root = new Random(seed).fork('parameters');
  return new Map(
    graph.params.map(({ name, shape, init }) => {
      const data = new Float32Array(sizeOf(shape));
      if ('constant' in init) return [name, data.fill(init.constant)];
      const rng = root.fork(name);
      const bound = 1 / Math.sqrt(init.fanIn);
      return [name, data.map(() => rng.uniform(-bound, bound))];
    }),
  );
}

/** The encoder's part of a network's parameters, as a model file holds them. */
export function encoderWeights(params: Arrays): Map<string, Float32Array> {
  const own = [...params].filter(([name]) => name.startsWith('encoder.'));
  return new Map(own.map(([name, data]) => [name, Float32Array.from(data)]));
}

/** The same encoder before any training: random weights, but its front end and normalisation. */
export function untrainedModel(model: EncoderModel, seed: number): EncoderModel {
  const weights = initialParameters(encoderGraph(model.config).graph, seed);
  return { ...model, weights, folded: undefined, provenance: { untrained: true, seed } };
}
