// A classifier in one file: the encoder's model file, with the classifier beside it. Commands that take an encoder read it as
// one.
import { z } from 'zod';
import {
  classifierPrefix,
  type EncoderModel,
  parseEncoderModel,
  readOutSize,
  saveEncoderModel,
} from '../models/encoder-model.js';
import { TensorReader } from '../models/tensor-reader.js';
import { Audio2VecError } from '../util/errors.js';
import { readWholeFile } from '../util/read-file.js';
import { parseSafetensors } from '../util/safetensors.js';
import type { Listening } from './detector.js';
import type { LinearModel } from './linear-model.js';
import type { ClassifierFigures } from './operating-point.js';

/** All of a classifier but its encoder. */
export interface ClassifierModel extends LinearModel {
  /** The least score of a recording that is not "none of these". */
  threshold: number;
  /** How live sound is listened to. */
  listening: Listening;
  figures?: ClassifierFigures;
}

const share = z.number().min(0).max(1);
const point = z.object({ threshold: share, misses: z.number(), falseAlarmsPerHour: z.number() });
const schema = z.object({
  version: z.literal(1),
  labels: z.array(z.string()).min(2),
  none: z.int().nonnegative().optional(),
  threshold: share,
  listening: z.object({
    hopSeconds: z.number().positive(),
    smoothSeconds: z.number().nonnegative(),
    threshold: share,
    refractorySeconds: z.number().nonnegative(),
  }),
  figures: z
    .object({
      clips: z.number(),
      accuracy: share,
      interval: z.object({ low: z.number(), high: z.number() }),
      heldOut: share,
      kept: z.number(),
      refused: z.number().optional(),
      unknown: z.enum(['none', 'labels left out']).optional(),
      stream: z.object({ hours: z.number(), points: z.array(point) }),
    })
    .optional(),
});

/** Writes encoder and classifier to `file` (safetensors, atomic). */
export async function saveClassifier(file: string, encoder: EncoderModel, c: ClassifierModel): Promise<void> {
  const { weights, bias, mean, std, directions, ...settings } = c;
  const [labels, dim] = [bias.length, mean.length];
  const tensors = new Map([
    [`${classifierPrefix}weight`, { shape: [labels, dim], data: weights }],
    [`${classifierPrefix}bias`, { shape: [labels], data: bias }],
    [`${classifierPrefix}mean`, { shape: [dim], data: mean }],
    [`${classifierPrefix}std`, { shape: [dim], data: std }],
    [`${classifierPrefix}directions`, { shape: [labels, dim], data: directions }],
  ]);
  const classifier = JSON.stringify(schema.parse({ version: 1, ...settings }));
  await saveEncoderModel(file, encoder, { tensors, metadata: { classifier } });
}

/** @throws `ERR_FILE`, `ERR_MODEL_FORMAT` if it is no encoder, or one without a classifier */
export async function loadClassifier(file: string): Promise<{ encoder: EncoderModel; classifier: ClassifierModel }> {
  const bytes = await readWholeFile(file);
  const encoder = parseEncoderModel(bytes, file);
  const classifier = parseClassifier(bytes, file, encoder);
  if (classifier) return { encoder, classifier };
  const help = 'Make one with "audio2vec classify --fit" or "audio2vec finetune".';
  throw new Audio2VecError('ERR_MODEL_FORMAT', `${file} is an encoder without a classifier. ${help}`);
}

/** The classifier in a model file, if there is one. */
export async function findClassifier(file: string): Promise<ClassifierModel | undefined> {
  const bytes = await readWholeFile(file);
  return parseClassifier(bytes, file, parseEncoderModel(bytes, file));
}

function parseClassifier(bytes: Buffer, file: string, encoder: EncoderModel): ClassifierModel | undefined {
  const { tensors, metadata } = parseSafetensors(bytes, file);
  if (metadata.classifier === undefined) return undefined;
  try {
    const { version: _, ...settings } = schema.parse(JSON.parse(metadata.classifier));
    const reader = new TensorReader(tensors);
    const [labels, dim] = [settings.labels.length, readOutSize(encoder)];
    const floats = (name: string, ...shape: number[]) => {
      const values = reader.floats(classifierPrefix + name, shape);
      if (!values.every(Number.isFinite)) throw new Error(`${classifierPrefix}${name} must be finite`);
      return values;
    };
    if (settings.none !== undefined && settings.none >= labels) throw new Error('"none" is no label');
    const classifier: ClassifierModel = {
      ...settings,
      weights: floats('weight', labels, dim),
      bias: floats('bias', labels),
      mean: floats('mean', dim),
      std: floats('std', dim),
      directions: floats('directions', labels, dim),
    };
    if (classifier.std.some((s) => s <= 0)) throw new Error(`${classifierPrefix}std must be positive`);
    return classifier;
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error).replaceAll('\n', ' ') : (error as Error).message;
    throw new Audio2VecError('ERR_MODEL_FORMAT', `${file}: its classifier is damaged (${why}).`, { cause: error });
  }
}
