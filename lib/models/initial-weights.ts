// Weights of encoders: what a model file holds of a network, and an encoder before any training.
import type { Arrays } from '../engine/network.js';
import { sizeOf } from '../graph/graph.js';
import { initialParameters } from '../graph/initial-parameters.js';
import type { EncoderConfig } from './blocks.js';
import { checkEncoderModel, type EncoderModel, encoderGraph } from './encoder-model.js';
import { knowsWhitening, whiteningPrefix } from './read-out.js';

export { initialParameters } from '../graph/initial-parameters.js';

/** The encoder's part of a network's parameters, as a model file holds them. */
export function encoderWeights(params: Arrays | EncoderModel['weights']): Map<string, Float32Array> {
  const own = [...params].filter(([name]) => name.startsWith('encoder.'));
  return new Map(own.map(([name, data]) => [name, Float32Array.from(data)]));
}

/** The same encoder before any training: random weights, but its front end and normalisation. Where the model knows how to
 * whiten, this one reads the same and leaves it as it is. */
export function untrainedModel(model: EncoderModel, seed: number): EncoderModel {
  checkEncoderModel(model);
  const random = initialParameters(encoderGraph(model.config).graph, seed);
  const weights = knowsWhitening(model.weights.keys()) ? withIdentities(model.config, random) : random;
  return { ...model, weights, folded: undefined, provenance: { untrained: true, seed } };
}

/** With weights for the read-out `whitened` that change nothing. */
export function withIdentities(
  config: EncoderConfig,
  weights: ReadonlyMap<string, Float32Array>,
): Map<string, Float32Array> {
  const all = new Map(weights);
  for (const { name, shape } of encoderGraph(config, 'whitened').graph.params) {
    if (!name.startsWith(whiteningPrefix)) continue;
    const inputs = shape[1];
    const identity = (_: unknown, at: number) => Number(inputs !== undefined && at % (inputs + 1) === 0);
    all.set(name, Float32Array.from({ length: sizeOf(shape) }, identity));
  }
  return all;
}
