// The model file of a metric: weights, how it was calibrated and how it was made, as a safetensors file.

import { z } from 'zod';
import { checkWeights } from '../../models/model-arrays.js';
import { openModelFile, readModelFile } from '../../models/model-file.js';
import { TensorReader } from '../../models/tensor-reader.js';
import { checkObject } from '../../util/arguments.js';
import { argumentError } from '../../util/errors.js';
import { type Tensor, writeSafetensors } from '../../util/safetensors.js';
import { checkConfig, type MetricConfig, parametersOf } from './network.js';

export interface MetricModel {
  config: MetricConfig;
  weights: ReadonlyMap<string, Float32Array>;
  calibration: Calibration;
  /** How it was made (corpus, steps, seed …): JSON, for people and reports. */
  provenance: Record<string, unknown>;
}

/** P(a listener says "different") = 1 / (1 + (half / D)^slope), of D as the network gives it. */
export interface Calibration {
  /** The D that every other listener hears. */
  half: number;
  slope: number;
}

/** Name of the model file in a run's folder. */
export const metricFile = 'metric.safetensors';
export const metricFormat = 'audio2vec-metric';
const version = '1';
const integers = z.array(z.int().positive());
const configSchema = z.object({ channels: integers, compared: integers, embedding: z.int().positive() });
const calibrationSchema = z.object({ half: z.number().positive(), slope: z.number().positive() });
const provenanceSchema = z.record(z.string(), z.unknown());

/** Writes the model to `file` (atomic). Throws `ERR_ARGUMENT` if an array is missing, of another size or not finite. */
export async function saveMetricModel(file: string, model: MetricModel): Promise<void> {
  checkMetricModel(model);
  const tensors = new Map<string, Tensor>(
    parametersOf(model.config).map(({ name, shape }) => [name, { shape, data: model.weights.get(name)! }]),
  );
  await writeSafetensors(file, tensors, {
    format: metricFormat,
    version,
    config: JSON.stringify(model.config),
    calibration: JSON.stringify(model.calibration),
    provenance: JSON.stringify(model.provenance),
  });
}

/** Reads what {@link saveMetricModel} wrote, or what a run did into this folder. Throws `ERR_ARGUMENT` for what is no path,
 * `ERR_FILE` if there is no such file, and `ERR_MODEL_FORMAT`, with the reason, if it is damaged or something else. */
export async function loadMetricModel(path: string): Promise<MetricModel> {
  const { bytes, file } = await readModelFile(path, metricFile);
  return parseMetricModel(bytes, file);
}

/** {@link loadMetricModel} of bytes in memory; `file` stands in errors. */
export function parseMetricModel(bytes: Buffer, file: string): MetricModel {
  const { tensors, metadata, bad } = openModelFile(bytes, file, { what: 'a metric', format: metricFormat, version });
  const parse = <T>(key: string, schema: z.ZodType<T>): T => {
    try {
      return schema.parse(JSON.parse(metadata[key] ?? ''));
    } catch (error) {
      throw bad(`its metadata ${key} is wrong`, error);
    }
  };
  const [config, calibration] = [parse('config', configSchema), parse('calibration', calibrationSchema)];
  const provenance = parse('provenance', provenanceSchema);
  try {
    checkConfig(config);
    const reader = new TensorReader(tensors);
    const weights = new Map(parametersOf(config).map(({ name, shape }) => [name, reader.floats(name, shape)]));
    reader.end();
    const model = { config, calibration, provenance, weights };
    checkMetricModel(model);
    return model;
  } catch (error) {
    throw bad((error as Error).message.replace(/\.$/, ''), error);
  }
}

/** Throws `ERR_ARGUMENT` unless the model is whole: every array there, of the right size, finite. */
export function checkMetricModel(model: MetricModel): void {
  if (!(model?.config && model.weights && model.calibration)) throw argumentError('model', 'a MetricModel', model);
  checkConfig(model.config);
  const { half, slope } = model.calibration;
  for (const [name, value] of Object.entries({ half, slope })) {
    if (!(Number.isFinite(value) && value > 0))
      throw argumentError(`model.calibration.${name}`, 'a number above 0', value);
  }
  checkObject('model.provenance', model.provenance);
  checkWeights(model.weights, parametersOf(model.config));
}
