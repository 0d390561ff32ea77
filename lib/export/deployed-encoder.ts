// The encoder as a deployed model, with a classifier of embeddings if there is one.
import type { DeployedModel } from '../models/deployed-model.js';
import { checkEncoderModel, deployedEncoder, type EncoderModel, readOutSize } from '../models/encoder-model.js';
import { argumentError } from '../util/errors.js';

/** A linear classifier of embeddings: logits = weights · embedding + bias. From a linear probe
 * `{ labels, ...probe.raw() }`, from a fine-tuned model `{ labels: tuned.classes, weights: tuned.weight, bias: tuned.bias }`. */
export interface Classifier {
  labels: readonly string[];
  /** `[classes, embedding]`, C order. */
  weights: Float32Array | Float64Array;
  bias: Float32Array | Float64Array;
}

/** The encoder with outputs `embedding` and, with a classifier, `probabilities`. */
export function deployedWithClassifier(model: EncoderModel, classifier?: Classifier): DeployedModel {
  checkEncoderModel(model);
  const deployed = deployedEncoder(model);
  if (!classifier) return deployed;
  const { classes, weights, bias } = checkClassifier(classifier, readOutSize(model));
  const { graph, outputs, metadata } = deployed;
  const embedding = graph.nodes.find((n) => n.name === outputs[0]!.node)!;
  const probabilities = graph.softmax('probabilities', graph.dense('classifier', embedding, classes));
  return {
    ...deployed,
    weights: new Map([...deployed.weights, ['classifier.weight', weights], ['classifier.bias', bias]]),
    outputs: [...outputs, { name: 'probabilities', node: probabilities.name }],
    metadata: { ...metadata, labels: JSON.stringify(classifier.labels) },
  };
}

/** The classifier in float32, if it fits the embedding and all is finite. */
export function checkClassifier({ labels, weights, bias }: Classifier, embedding: number) {
  const classes = labels?.length;
  if (!(classes >= 2)) throw argumentError('classifier.labels', 'at least two labels', classes ?? 'none');
  if (weights?.length !== classes * embedding || bias?.length !== classes) {
    const expected = `[${classes}, ${embedding}] and [${classes}]`;
    const got = `${weights?.length} and ${bias?.length}`;
    throw argumentError('classifier', `weights and bias of shape ${expected}`, got);
  }
  const wrong = [...weights, ...bias].find((x) => !Number.isFinite(Math.fround(x)));
  if (wrong !== undefined) throw argumentError('classifier', 'weights and bias that are finite', wrong);
  return { classes, weights: Float32Array.from(weights), bias: Float32Array.from(bias) };
}
