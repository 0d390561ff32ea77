// The model file: an encoder with all that is needed to use it (its front end, the normalisation of its input), as a
// safetensors file that other tools can open.

import { z } from 'zod';
import { type FrontEndConfig, frameWidth, storedFrontEnd } from '../features/front-ends.js';
import { Graph, type Ref, sizeOf } from '../graph/graph.js';
import { argumentError } from '../util/errors.js';
import { readWholeFile } from '../util/read-file.js';
import { type Tensor, writeSafetensors } from '../util/safetensors.js';
import { checkEncoder, type EncoderConfig, embeddingOf, encoderBlocks } from './blocks.js';
import { type DeployedModel, inputMetadata } from './deployed-model.js';
import { checkArray, checkWeights } from './model-arrays.js';
import { openModelFile } from './model-file.js';
import { unpackWeights } from './packed-weights.js';
import { checkReadOut, knowsWhitening, type ReadOut, readOutOf, readOuts } from './read-out.js';
import { TensorReader } from './tensor-reader.js';

export interface EncoderModel {
  config: EncoderConfig;
  /** What is read from it; default: its embedding. */
  readOut?: ReadOut;
  frontEnd: FrontEndConfig;
  /** Per band: the encoder sees (log-mel - mean) / std. */
  mean: Float32Array;
  std: Float32Array;
  /** Parameters and running statistics, named as in {@link encoderGraph}; also those of the read-out `whitened`, if they have
   * been learnt. */
  weights: ReadonlyMap<string, Float32Array>;
  /** How it was made (task, corpus, steps, seed …): JSON, for people and reports. */
  provenance: Record<string, unknown>;
  /** Read from a packed file: the norms' statistics are folded into the weights. Embeds and exports like any other, but
   * training would need them. */
  folded?: true;
}

/** The encoder alone: normalised slices `[T, F, 1]` at node `input`, what is read at `output`. */
export function encoderGraph(
  config: EncoderConfig,
  readOut: ReadOut = 'embedding',
): { graph: Graph; input: Ref; output: Ref } {
  checkEncoder(config);
  const graph = new Graph();
  const input = graph.input('slices', [config.frames, config.bands, 1]);
  const blocks = encoderBlocks(graph, input, config);
  const embedding = embeddingOf(graph, blocks.at(-1)!, config);
  return { graph, input, output: readOutOf(graph, embedding, blocks, readOut) };
}

/** The graph that has all the model's weights. */
export function wholeGraph({ config, weights }: Pick<EncoderModel, 'config' | 'weights'>): Graph {
  return encoderGraph(config, knowsWhitening(weights.keys()) ? 'whitened' : 'embedding').graph;
}

/** What labels are told from best: `whitened`, if the model knows it. */
export function bestReadOut({ readOut, weights }: Pick<EncoderModel, 'readOut' | 'weights'>): ReadOut {
  return readOut ?? (knowsWhitening(weights.keys()) ? 'whitened' : 'embedding');
}

/** Values that are read for each slice. */
export function readOutSize({ config, readOut }: Pick<EncoderModel, 'config' | 'readOut'>): number {
  return sizeOf(encoderGraph(config, readOut).output.shape);
}

/** What of it runs elsewhere: log-mel slices (or a waveform) in, `embedding` out. */
export function deployedEncoder(model: EncoderModel): DeployedModel {
  const { config, readOut, frontEnd, mean, std, weights, provenance } = model;
  const { graph, input, output } = encoderGraph(config, readOut);
  const slices = { node: input.name, name: 'log_mel', frontEnd, mean, std };
  return {
    kind: 'encoder',
    ...{ graph, weights },
    inputs: [slices],
    outputs: [{ name: 'embedding', node: output.name }],
    metadata: {
      encoder: JSON.stringify(config),
      ...(readOut && { read_out: readOut }),
      ...inputMetadata(slices),
      provenance: JSON.stringify(provenance),
    },
  };
}

const format = 'audio2vec-encoder';
const version = '1';
const size = z.int().positive();

const configSchema = z.object({ frames: size, bands: size, channels: z.array(size), embedding: size });
const frontEndSchema = z.unknown().transform((stored, context) => {
  try {
    return storedFrontEnd(stored);
  } catch (error) {
    context.addIssue((error as Error).message);
    return z.NEVER;
  }
});

/** Tensors of a classifier that a model file may hold beside its encoder begin with this (lib/classify). */
export const classifierPrefix = 'classifier.';

/** Writes the model to `file` (safetensors, atomic). Throws `ERR_ARGUMENT` if an array is missing, of another size or
 * not finite, and for a folded model.
 * @param beside what else the file holds: a classifier */
export async function saveEncoderModel(
  file: string,
  model: EncoderModel,
  beside: { tensors: ReadonlyMap<string, Tensor>; metadata: Record<string, string> } = noTensors,
): Promise<void> {
  checkEncoderModel(model);
  checkTrainable('model', model);
  const tensors = normalizationTensors(model);
  for (const { name, shape } of wholeGraph(model).params) {
    tensors.set(name, { shape, data: model.weights.get(name)! });
  }
  for (const [name, tensor] of beside.tensors) tensors.set(name, tensor);
  await writeSafetensors(file, tensors, { ...encoderMetadata(model), ...beside.metadata });
}

const noTensors = { tensors: new Map<string, Tensor>(), metadata: {} };

/** What every model file holds besides weights. */
export function normalizationTensors({ config: { bands }, mean, std }: EncoderModel): Map<string, Tensor> {
  return new Map([
    ['normalization.mean', { shape: [bands], data: mean }],
    ['normalization.std', { shape: [bands], data: std }],
  ]);
}

export function encoderMetadata(model: EncoderModel): Record<string, string> {
  const { config, readOut, frontEnd, provenance } = model;
  return {
    format,
    version,
    config: JSON.stringify(configSchema.parse(config)),
    ...(readOut && { read_out: readOut }),
    front_end: JSON.stringify(storedFrontEnd(frontEnd)),
    provenance: JSON.stringify(provenance),
  };
}

/** Reads what {@link saveEncoderModel} or an export to 8-bit safetensors wrote. Throws `ERR_FILE` if there is no such
 * file, and `ERR_MODEL_FORMAT`, with the reason, if it is damaged or something else. */
export async function loadEncoderModel(file: string): Promise<EncoderModel> {
  return parseEncoderModel(await readWholeFile(file), file);
}

/** {@link loadEncoderModel} of bytes in memory; `file` stands in errors. */
export function parseEncoderModel(bytes: Buffer, file: string): EncoderModel {
  const { tensors, metadata, bad } = openModelFile(bytes, file, { what: 'an encoder', format, version });

  const parse = <T>(key: string, schema: z.ZodType<T>): T => {
    try {
      return schema.parse(JSON.parse(metadata[key] ?? ''));
    } catch (error) {
      const why = error instanceof z.ZodError ? z.prettifyError(error).replaceAll('\n', ' ') : (error as Error).message;
      throw bad(`its metadata ${key} is wrong (${why})`, error);
    }
  };
  const config = parse('config', configSchema);
  const frontEnd = parse('front_end', frontEndSchema);
  const provenance = parse('provenance', z.record(z.string(), z.unknown()));
  const { precision = 'float32', read_out } = metadata;
  const readOut = readOuts.find((one) => one === read_out);
  if (readOut !== read_out) throw bad(`what is read from it is "${read_out}" (known: ${readOuts.join(', ')})`);
  if (precision !== 'float32' && precision !== 'int8') throw bad(`its weights are of precision "${precision}"`);
  try {
    const { nodes, params } = encoderGraph(config, knowsWhitening(tensors.keys()) ? 'whitened' : 'embedding').graph;
    const reader = new TensorReader(new Map([...tensors].filter(([name]) => !name.startsWith(classifierPrefix))));
    const mean = reader.floats('normalization.mean', [config.bands]);
    const std = reader.floats('normalization.std', [config.bands]);
    const folded = precision === 'int8' || undefined;
    const weights = folded
      ? unpackWeights(nodes, reader)
      : new Map(params.map(({ name, shape }) => [name, reader.floats(name, shape)]));
    reader.end();
    const model = { config, readOut, frontEnd, mean, std, weights, provenance, folded };
    checkEncoderModel(model);
    return model;
  } catch (error) {
    throw bad((error as Error).message.replace(/\.$/, ''), error);
  }
}

/** Throws `ERR_ARGUMENT` unless the model is whole: every array there, of the right size, finite; nothing unknown. */
export function checkEncoderModel(model: EncoderModel): void {
  if (!(model?.config && model.frontEnd && model.weights)) throw argumentError('model', 'an EncoderModel', model);
  const { config, frontEnd, readOut } = model;
  if (readOut !== undefined) checkReadOut(readOut);
  if (readOut === 'whitened' && !knowsWhitening(model.weights.keys())) {
    const wanted = 'embedding or layers: the whitening of this encoder has not been learnt, which pretraining does';
    throw argumentError('readOut', wanted, readOut);
  }
  const parameters = wholeGraph(model).params;
  const width = frameWidth(frontEnd);
  if (width !== config.bands) {
    throw argumentError('bands of the front end', `those of the encoder (${config.bands})`, width);
  }
  checkArray('normalization.mean', model.mean, config.bands);
  checkArray('normalization.std', model.std, config.bands, true);
  checkWeights(model.weights, parameters);
  const known = new Set(parameters.map((p) => p.name));
  for (const name of model.weights.keys()) if (!known.has(name)) throw argumentError('weights', 'of the encoder', name);
}

/** Throws `ERR_ARGUMENT` for a model that was read from a packed file. */
export function checkTrainable(name: string, { folded }: EncoderModel): void {
  if (folded) throw argumentError(name, 'an encoder with its norms', 'a packed one, for embedding and export only');
}
