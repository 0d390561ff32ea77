// The model file of speech codes: weights in half precision, front end, normalisation.

import { z } from 'zod';
import { type FrontEndConfig, frameWidth, storedFrontEnd } from '../../features/front-ends.js';
import type { Graph, Parameter } from '../../graph/graph.js';
import { checkArray, checkWeights } from '../../models/model-arrays.js';
import { openModelFile, readModelFile, reasonOf } from '../../models/model-file.js';
import { TensorReader } from '../../models/tensor-reader.js';
import { checkObject } from '../../util/arguments.js';
import { argumentError } from '../../util/errors.js';
import { halfBits, halfValue } from '../../util/half.js';
import { type Tensor, writeSafetensors } from '../../util/safetensors.js';
import { type CodesShape, decoderGraph, inferenceGraph } from './graph.js';

export interface CodesModel {
  shape: CodesShape;
  frontEnd: FrontEndConfig;
  /** Per band: the network sees (log-mel - mean) / std. */
  mean: Float32Array;
  std: Float32Array;
  /** Of the graphs for use ({@link codesParameters}), each a value that float16 can hold. */
  weights: ReadonlyMap<string, Float32Array>;
  /** How it was made: JSON, for people and reports. */
  provenance: Record<string, unknown>;
}

/** Name of the model file in a run's folder. */
export const codesFile = 'codes.safetensors';
export const codesFormat = 'audio2vec-codes';
const version = '3';
const count = z.int().positive();
const shapeSchema = z.object({
  quantiser: z.enum(['gumbel', 'k-means']),
  bands: count.max(512),
  books: count.max(16),
  codes: count.max(1024),
  dimension: count.max(1024),
  width: count.max(1024),
});

/** What a model holds: encoder, quantiser, context network and decoder. */
export function codesParameters(shape: CodesShape): Parameter[] {
  const graphs: Graph[] = [inferenceGraph(shape, 1).graph, decoderGraph(shape, 1).graph];
  return [...new Map(graphs.flatMap((g) => g.params).map((p) => [p.name, p])).values()];
}

/** Weights as a model file holds them: those that a model needs, rounded to half precision. */
export function codesWeights(params: ReadonlyMap<string, Float32Array>, shape: CodesShape): Map<string, Float32Array> {
  const names = codesParameters(shape).map((p) => p.name);
  return new Map(names.map((name) => [name, params.get(name)!.map((v) => halfValue(halfBits(v)))]));
}

/** Writes the model to `file` (safetensors, atomic). Throws `ERR_ARGUMENT` if it is not whole. */
export async function saveCodesModel(file: string, model: CodesModel): Promise<void> {
  checkCodesModel(model);
  const { shape, frontEnd, mean, std, weights, provenance } = model;
  const tensors = new Map<string, Tensor>([
    ['normalization.mean', { shape: [shape.bands], data: mean }],
    ['normalization.std', { shape: [shape.bands], data: std }],
  ]);
  for (const p of codesParameters(shape)) {
    tensors.set(p.name, { shape: p.shape, data: weights.get(p.name)!, stored: 'F16' });
  }
  await writeSafetensors(file, tensors, {
    format: codesFormat,
    version,
    shape: JSON.stringify(shapeSchema.parse(shape)),
    front_end: JSON.stringify(storedFrontEnd(frontEnd)),
    provenance: JSON.stringify(provenance),
  });
}

/** Reads what {@link saveCodesModel} wrote, or what a run did into this folder. Throws `ERR_ARGUMENT` for what is no path,
 * `ERR_FILE` if there is no such file, and `ERR_MODEL_FORMAT`, with the reason, if it is damaged or something else. */
export async function loadCodesModel(path: string): Promise<CodesModel> {
  const { bytes, file } = await readModelFile(path, codesFile);
  return parseCodesModel(bytes, file);
}

/** {@link loadCodesModel} of bytes in memory; `file` stands in errors. */
export function parseCodesModel(bytes: Buffer, file: string): CodesModel {
  const expected = { what: 'a model of speech codes', format: codesFormat, version };
  const { tensors, metadata, bad } = openModelFile(bytes, file, expected);
  try {
    const shape = shapeSchema.parse(JSON.parse(metadata.shape ?? ''));
    const frontEnd = storedFrontEnd(JSON.parse(metadata.front_end ?? ''));
    const provenance = z.record(z.string(), z.unknown()).parse(JSON.parse(metadata.provenance ?? ''));
    const reader = new TensorReader(tensors);
    const [mean, std] = ['mean', 'std'].map((key) => reader.floats(`normalization.${key}`, [shape.bands]));
    const weights = new Map(codesParameters(shape).map((p) => [p.name, reader.floats(p.name, p.shape)]));
    reader.end();
    const model: CodesModel = { shape, frontEnd, mean: mean!, std: std!, weights, provenance };
    checkCodesModel(model);
    return model;
  } catch (error) {
    throw bad(reasonOf(error), error);
  }
}

/** Throws `ERR_ARGUMENT` unless every array is there, of the right size and finite. */
export function checkCodesModel(model: CodesModel): void {
  if (!(model?.shape && model.frontEnd && model.weights)) throw argumentError('model', 'a CodesModel', model);
  const { shape, frontEnd, mean, std, weights, provenance } = model;
  const { error } = shapeSchema.safeParse(shape);
  if (error) throw argumentError('model.shape', `the sizes of speech codes (${reasonOf(error)})`, shape);
  checkObject('model.provenance', provenance);
  if (frameWidth(frontEnd) !== shape.bands) {
    throw argumentError('bands of the front end', `those of the model (${shape.bands})`, frameWidth(frontEnd));
  }
  checkArray('normalization.mean', mean, shape.bands);
  checkArray('normalization.std', std, shape.bands, true);
  checkWeights(weights, codesParameters(shape));
}
