// An encoder to the file of a phone's or browser's runtime, its parity checked on clips: what `audio2vec export` does.

import { extname } from 'node:path';
import { timesTransposed } from '../matrix/products.js';
import type { EncoderModel } from '../models/encoder-model.js';
import { checkOptions } from '../util/arguments.js';
import { argumentError } from '../util/errors.js';
import { softmaxRow } from '../util/softmax.js';
import { checkClips, checkFile, checkPrecision, checkTflite, type Precision } from './checks.js';
import type { Classifier } from './deployed-encoder.js';
import { parityCases, syntheticClips } from './encoder-cases.js';
import { type Exported, exportOnnx } from './export-onnx.js';
import { exportPacked } from './export-packed.js';
import { exportTflite } from './export-tflite.js';
import { buildOnnx } from './onnx.js';

export interface ExportEncoderOptions {
  /** What the model takes: log-mel slices (default), or samples with the whole front end inside. */
  input?: 'log-mel' | 'waveform';
  /** Waveform only: each row exactly one slice (default), or one recording of any length (ONNX only). */
  samples?: 'slice' | 'any';
  /** For `samples: 'any'`: frames from slice to slice; default: half a slice, as `timestampEmbeddings` has it. */
  hop?: number;
  /** A fixed number of rows, which phone accelerators want, or `dynamic`. Default: `dynamic` for ONNX, 1 for LiteRT. */
  batch?: number | 'dynamic';
  /** Of the weights (`float16`) or of all arithmetic (`int8`; in `.safetensors` of the weights). Default `float32`. */
  precision?: Precision;
  /** A classifier of embeddings to append, which adds the output `probabilities`. */
  classifier?: Classifier;
  /** Real recordings (samples at 16 kHz) to verify with, and to calibrate int8 with. Default: synthetic sounds; int8
   * needs real ones, except in `.safetensors`. */
  clips?: readonly Float32Array[];
  /** Of the native encoder; default: all cores. */
  threads?: number;
  signal?: AbortSignal;
}

/** Rows of a case where the model takes any number. */
const dynamicRows = 16;

/** Exports to `file`, whose ending decides the format: `.onnx`, `.ort` (ONNX Runtime's small format), `.tflite`
 * (LiteRT) or `.safetensors` (8-bit weights for `Encoder.load`). The model is run on all clips and compared with the native encoder before the file is written; see
 * {@link exportOnnx} for what happens when it differs.
 * @throws `ERR_ARGUMENT`, `ERR_PEER_MISSING`, `ERR_PARITY`, `ERR_FILE`; the signal's reason */
export async function exportEncoder(
  file: string,
  model: EncoderModel,
  options: ExportEncoderOptions = {},
): Promise<Exported> {
  const known = ['input', 'samples', 'hop', 'batch', 'precision', 'classifier', 'clips', 'threads', 'signal'] as const;
  checkOptions('options', options, known);
  const { input = 'log-mel', samples, hop, batch, precision = 'float32', classifier, clips, threads, signal } = options;
  signal?.throwIfAborted();
  await checkFile(file, encoderEndings);
  // Building is cheap: it refuses what makes no sense before parity is measured.
  buildOnnx(model, { input, batch, samples, hop, classifier });
  const isTflite = extname(file) === '.tflite';
  if (isTflite) checkTflite({ precision, batch, samples });
  checkPrecision(precision);
  const isPacked = extname(file) === '.safetensors';
  if (isPacked) {
    if (precision !== 'int8') throw argumentError('precision', '"int8" for .safetensors', precision);
    if (input !== 'log-mel') throw argumentError('input', 'left out for .safetensors', input);
    if (typeof batch === 'number') throw argumentError('batch', 'left out for .safetensors', batch);
    if (classifier) throw argumentError('classifier', 'left out for .safetensors', 'one');
  }
  checkClips(clips, precision === 'int8' && !isPacked);

  const fixed = isTflite || typeof batch === 'number';
  const rows = typeof batch === 'number' ? batch : isTflite ? 1 : dynamicRows;
  const cases = await parityCases(model, clips?.length ? clips : syntheticClips(), {
    ...{ input, samples, hop, fixed, threads, signal },
    batch: rows,
  });
  if (classifier) for (const one of cases) one.probabilities = classify(one.expected, classifier);
  if (isPacked) return exportPacked(file, model, { cases, threads, signal });
  const quantize = precision === 'int8' ? { calibration: cases } : undefined;
  return isTflite
    ? exportTflite(file, model, { input, batch: rows, classifier, quantize, cases, signal })
    : exportOnnx(file, model, { input, batch, samples, hop, precision, quantize, classifier, cases, signal });
}

/** Probabilities `[N, classes]` of embeddings. */
function classify(embeddings: Float32Array, { labels, weights, bias }: Classifier): Float64Array {
  const classes = labels.length;
  const dim = weights.length / classes;
  const rows = embeddings.length / dim;
  const out = new Float64Array(rows * classes);
  timesTransposed(Float64Array.from(embeddings), 0, rows, Float64Array.from(weights), classes, dim, out);
  for (let row = 0; row < rows; row++) softmaxRow(out, row * classes, Float64Array.from(bias));
  return out;
}

/** Formats that an encoder is brought to by ways of its own; to any other it goes as other models do. */
export const encoderEndings = ['.onnx', '.ort', '.tflite', '.safetensors'];
