// Weights of encoders: what a model file holds of a network, and an encoder before any training.
import type { Arrays } from '../engine/network.js';
import { initialParameters } from '../graph/initial-parameters.js';
import { type EncoderModel, encoderGraph } from './encoder-model.js';

export { initialParameters } from '../graph/initial-parameters.js';

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
