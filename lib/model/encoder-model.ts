// The model file: an encoder with all that is needed to use it (its front end, the normalisation of its input), as a
// safetensors file that other tools can open.
import { z } from 'zod';
import { Audio2VecError, argumentError } from '../errors.js';
import { readSafetensors, type Tensor, writeSafetensors } from '../formats/safetensors.js';
import { checkEncoder, type EncoderConfig, encoder } from './audio2vec.js';
import type { FrontEndConfig } from './front-end-config.js';
import { Graph, type Parameter, type Ref, sizeOf } from './graph.js';

export interface EncoderModel {
  config: EncoderConfig;
  frontEnd: FrontEndConfig;
  /** Per band: the encoder sees (log-mel - mean) / std. */
  mean: Float32Array;
  std: Float32Array;
  /** Parameters and running statistics, named as in {@link encoderGraph}. */
  weights: ReadonlyMap<string, Float32Array>;
  /** How it was made (task, corpus, steps, seed …): JSON, for people and reports. */
  provenance: Record<string, unknown>;
}

/** The encoder alone: normalised slices `[T, F, 1]` at node `input`, embeddings at `output`. */
export function encoderGraph(config: EncoderConfig): { graph: Graph; input: Ref; output: Ref } {
  checkEncoder(config);
  const graph = new Graph();
  const input = graph.input('slices', [config.frames, config.bands, 1]);
  return { graph, input, output: encoder(graph, input, config) };
}

const format = 'audio2vec-encoder';
const version = '1';
const size = z.int().positive();

const configSchema = z.object({ frames: size, bands: size, channels: z.array(size), embedding: size });
const frontEndSchema = z
  .object({
    sampleRate: size,
    windowLength: size,
    hop: size,
    fftSize: size,
    bands: size,
    lowHz: z.number().nonnegative(),
    highHz: z.number().positive(),
    logOffset: z.number().positive(),
  })
  .refine((c) => c.windowLength <= c.fftSize, 'windowLength is larger than fftSize')
  .refine((c) => c.lowHz < c.highHz && c.highHz <= c.sampleRate / 2, 'lowHz < highHz <= sampleRate / 2 does not hold');

/** Writes the model to `file` (safetensors, atomic). Throws `ERR_ARGUMENT` if an array is missing, of another size or
 * not finite. */
export async function saveEncoderModel(file: string, model: EncoderModel): Promise<void> {
  checkEncoderModel(model);
  const { bands } = model.config;
  const tensors = new Map<string, Tensor>([
    ['normalization.mean', { shape: [bands], data: model.mean }],
    ['normalization.std', { shape: [bands], data: model.std }],
  ]);
  for (const { name, shape } of encoderGraph(model.config).graph.params) {
    tensors.set(name, { shape, data: model.weights.get(name)! });
  }
  await writeSafetensors(file, tensors, {
    format,
    version,
    config: JSON.stringify(configSchema.parse(model.config)),
    front_end: JSON.stringify(frontEndSchema.parse(model.frontEnd)),
    provenance: JSON.stringify(model.provenance),
  });
}

/** Reads what {@link saveEncoderModel} wrote. Throws `ERR_FILE` if there is no such file, and `ERR_MODEL_FORMAT`, with
 * the reason, if it is damaged or something else. */
export async function loadEncoderModel(file: string): Promise<EncoderModel> {
  const { tensors, metadata } = await readSafetensors(file);
  const bad = (reason: string, cause?: unknown) =>
    new Audio2VecError('ERR_MODEL_FORMAT', `${file} is not an encoder of this version: ${reason}.`, { cause });
  if (metadata.format !== format) throw bad(`its metadata does not say format "${format}"`);
  if (metadata.version !== version) throw bad(`it has version ${metadata.version}, this package reads ${version}`);

  const parse = <T>(key: string, schema: z.ZodType<T>): T => {
    try {
      return schema.parse(JSON.parse(metadata[key] ?? ''));
    } catch (error) {
      const why = error instanceof z.ZodError ? z.prettifyError(error).replaceAll('\n', ' ') : (error as Error).message;
      throw bad(`its metadata ${key} is wrong (${why})`, error);
    }
  };
  const weights = new Map<string, Float32Array>();
  const mean = tensors.get('normalization.mean');
  const std = tensors.get('normalization.std');
  for (const [name, { data }] of tensors) {
    if (!(data instanceof Float32Array)) throw bad(`${name} is not of type F32`);
    if (!name.startsWith('normalization.')) weights.set(name, data);
  }
  const model: EncoderModel = {
    config: parse('config', configSchema),
    frontEnd: parse('front_end', frontEndSchema),
    provenance: parse('provenance', z.record(z.string(), z.unknown())),
    mean: (mean?.data ?? new Float32Array()) as Float32Array,
    std: (std?.data ?? new Float32Array()) as Float32Array,
    weights,
  };
  try {
    checkEncoderModel(model);
    for (const p of encoderGraph(model.config).graph.params) checkShape(p, tensors.get(p.name)!.shape);
  } catch (error) {
    throw bad((error as Error).message.replace(/\.$/, ''), error);
  }
  return model;
}

/** Throws `ERR_ARGUMENT` unless the model is whole: every array there, of the right size, finite; nothing unknown. */
export function checkEncoderModel(model: EncoderModel): void {
  if (!(model?.config && model.frontEnd && model.weights))
    throw argumentError('model', 'an EncoderModel', typeof model);
  const { config, frontEnd } = model;
  const parameters = encoderGraph(config).graph.params;
  if (frontEnd.bands !== config.bands) {
    throw argumentError('bands of the front end', `those of the encoder (${config.bands})`, frontEnd.bands);
  }
  const checkArray = (name: string, data: Float32Array | undefined, length: number, positive = false) => {
    if (data?.length !== length) throw argumentError(name, `an array of ${length} values`, data?.length ?? 'nothing');
    const wrong = data.find((v) => !Number.isFinite(v) || (positive && v <= 0));
    if (wrong !== undefined) throw argumentError(name, positive ? 'positive' : 'finite', wrong);
  };
  checkArray('normalization.mean', model.mean, config.bands);
  checkArray('normalization.std', model.std, config.bands, true);
  for (const { name, shape } of parameters) checkArray(name, model.weights.get(name), sizeOf(shape));
  const known = new Set(parameters.map((p) => p.name));
  for (const name of model.weights.keys()) if (!known.has(name)) throw argumentError('weights', 'of the encoder', name);
}

function checkShape(parameter: Parameter, shape: readonly number[]): void {
  if (shape.join() !== parameter.shape.join()) {
    throw argumentError(`shape of ${parameter.name}`, `[${parameter.shape}]`, `[${shape}]`);
  }
}
