// The model file: the network with all that is needed to use it (front end, normalisation, process, level).

import { z } from 'zod';
import { type FrontEndConfig, frameWidth, frontEndOf, storedFrontEnd } from '../../features/front-ends.js';
import type { DeployedModel } from '../../models/deployed-model.js';
import { checkArray, checkWeights } from '../../models/model-arrays.js';
import { openModelFile, readModelFile, reasonOf } from '../../models/model-file.js';
import { TensorReader } from '../../models/tensor-reader.js';
import { checkObject } from '../../util/arguments.js';
import { argumentError } from '../../util/errors.js';
import { type Tensor, writeSafetensors } from '../../util/safetensors.js';
import { checkShape, deployedGraph, type InversionShape, inferenceGraph, nodes } from './inversion-graph.js';

export interface InversionModel {
  shape: InversionShape;
  frontEnd: FrontEndConfig;
  /** Name of the forward process, and of the parameters that the network's outputs are. */
  process: string;
  frameParameters: readonly string[];
  utteranceParameters: readonly string[];
  /** Level (see `loudness`) that recordings are brought to where they are loud. */
  level: number;
  /** Per band: the network sees (log-mel − mean) / std. */
  mean: Float32Array;
  std: Float32Array;
  /** Parameters and running statistics by name. */
  weights: ReadonlyMap<string, Float32Array>;
  /** How it was made: JSON, for people and reports. */
  provenance: Record<string, unknown>;
}

/** Name of the model file in a run's folder. */
export const inversionFile = 'articulation.safetensors';
export const inversionFormat = 'audio2vec-articulation';
const version = '1';
const size = z.int().positive();
const shapeSchema = z.object({
  frames: size,
  bands: size,
  channels: size,
  frameParameters: size,
  utteranceParameters: z.int().nonnegative(),
});
const names = z.array(z.string());
const processSchema = z.object({ name: z.string(), frames: names, utterance: names, level: z.number() });

/** Writes the model (safetensors, atomic). @throws `ERR_ARGUMENT` if an array is missing, of another size or not finite */
export async function saveInversionModel(file: string, model: InversionModel): Promise<void> {
  checkInversionModel(model);
  const { shape, frontEnd, mean, std, weights, provenance, level } = model;
  const tensors = new Map<string, Tensor>([
    ['normalization.mean', { shape: [shape.bands], data: mean }],
    ['normalization.std', { shape: [shape.bands], data: std }],
  ]);
  for (const p of inferenceGraph(shape).params) tensors.set(p.name, { shape: p.shape, data: weights.get(p.name)! });
  const process = { name: model.process, frames: model.frameParameters, utterance: model.utteranceParameters, level };
  await writeSafetensors(file, tensors, {
    format: inversionFormat,
    version,
    shape: JSON.stringify(shape),
    front_end: JSON.stringify(frontEnd),
    process: JSON.stringify(process),
    provenance: JSON.stringify(provenance),
  });
}

/** Reads what {@link saveInversionModel} wrote, or what a run did into this folder.
 * @throws `ERR_ARGUMENT` for what is no path, `ERR_FILE`, `ERR_MODEL_FORMAT` with the reason */
export async function loadInversionModel(path: string): Promise<InversionModel> {
  const { bytes, file } = await readModelFile(path, inversionFile);
  return parseInversionModel(bytes, file);
}

/** {@link loadInversionModel} of bytes in memory; `file` stands in errors. */
export function parseInversionModel(bytes: Buffer, file: string): InversionModel {
  const expected = { what: 'an articulation model', format: inversionFormat, version };
  const { tensors, metadata, bad } = openModelFile(bytes, file, expected);
  try {
    const json = (key: string): unknown => JSON.parse(metadata[key] ?? 'null');
    const shape = shapeSchema.parse(json('shape'));
    const process = processSchema.parse(json('process'));
    const reader = new TensorReader(tensors);
    const mean = reader.floats('normalization.mean', [shape.bands]);
    const std = reader.floats('normalization.std', [shape.bands]);
    const { params } = inferenceGraph(shape);
    const model: InversionModel = {
      shape,
      frontEnd: storedFrontEnd(json('front_end')),
      process: process.name,
      frameParameters: process.frames,
      utteranceParameters: process.utterance,
      level: process.level,
      mean,
      std,
      weights: new Map(params.map((p) => [p.name, reader.floats(p.name, p.shape)])),
      provenance: z.record(z.string(), z.unknown()).parse(json('provenance')),
    };
    reader.end();
    checkInversionModel(model);
    return model;
  } catch (error) {
    throw bad(reasonOf(error), error);
  }
}

/** @throws `ERR_ARGUMENT` unless every array is there, of the right size and finite */
export function checkInversionModel(model: InversionModel): void {
  if (!(model?.shape && model.frontEnd && model.weights)) throw argumentError('model', 'an InversionModel', model);
  const { shape, frontEnd, weights } = model;
  checkShape(shape);
  if (typeof model.process !== 'string') throw argumentError('model.process', 'a name', model.process);
  checkObject('model.provenance', model.provenance);
  for (const key of ['frameParameters', 'utteranceParameters'] as const) {
    if (!Array.isArray(model[key])) throw argumentError(`model.${key}`, 'a list of names', model[key]);
  }
  const width = frameWidth(frontEnd);
  if (width !== shape.bands) throw argumentError('bands of the front end', `${shape.bands}`, width);
  if (!Number.isFinite(model.level)) throw argumentError('level', 'finite', model.level);
  if (
    model.frameParameters.length !== shape.frameParameters ||
    model.utteranceParameters.length !== shape.utteranceParameters
  ) {
    throw argumentError('names of parameters', 'as many as the network has outputs', model.frameParameters.length);
  }
  checkArray('normalization.mean', model.mean, shape.bands);
  checkArray('normalization.std', model.std, shape.bands, true);
  checkWeights(weights, inferenceGraph(shape).params);
}

/** Samples of silence before a recording, so that its first frame is centred on its beginning. */
export function leadOf({ frontEnd }: InversionModel): number {
  return Math.round(frontEndOf(frontEnd).frameCentre(0, frontEnd));
}

/** What runs on a phone: a window of features in; parameters of its frames and of the utterance out, all -1 … 1. */
export function deployedInversion(model: InversionModel): DeployedModel {
  const { shape, frontEnd, mean, std, weights } = model;
  const graph = deployedGraph(shape);
  const outputs = [{ name: 'frames', node: nodes.frames as string }];
  if (shape.utteranceParameters > 0) outputs.push({ name: 'utterance', node: nodes.utterance });
  return {
    kind: 'articulation',
    graph,
    weights: new Map(graph.params.map((p) => [p.name, weights.get(p.name)!])),
    inputs: [{ node: nodes.features, frontEnd, mean, std }],
    outputs,
    metadata: {
      process: model.process,
      frame_parameters: model.frameParameters.join(','),
      utterance_parameters: model.utteranceParameters.join(','),
      level: String(model.level),
    },
  };
}
