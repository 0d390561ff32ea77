// An encoder to the file of a phone's or browser's runtime, proved on clips: what `audio2vec export` does.
import { extname } from 'node:path';
import { argumentError } from '../errors.js';
import type { EncoderModel } from '../model/encoder-model.js';
import { type Exported, exportOnnx, type Precision } from './export-onnx.js';
import { exportTflite } from './export-tflite.js';
import type { Classifier } from './onnx.js';
import { proofCases, syntheticClips } from './proof.js';

export interface ExportEncoderOptions {
  /** What the model takes: log-mel slices (default), or samples with the whole front end inside. */
  input?: 'log-mel' | 'waveform';
  /** Waveform only: each row exactly one slice (default), or one recording of any length (ONNX only). */
  samples?: 'slice' | 'any';
  /** For `samples: 'any'`: frames from slice to slice; default: half a slice, as `timestampEmbeddings` has it. */
  hop?: number;
  /** A fixed number of rows, which phone accelerators want, or `dynamic`. Default: `dynamic` for ONNX, 1 for LiteRT. */
  batch?: number | 'dynamic';
  /** Of the weights (`float16`) or of all arithmetic (`int8`). Default `float32`. */
  precision?: Precision;
  /** A classifier of embeddings to append, which adds the output `probabilities`. */
  classifier?: Classifier;
  /** Real recordings (samples at 16 kHz) to verify with, and to calibrate int8 with. Default: synthetic sounds; int8
   * needs real ones. */
  clips?: readonly Float32Array[];
  /** Of the native encoder; default: all cores. */
  threads?: number;
  signal?: AbortSignal;
}

/** Rows of a case where the model takes any number. */
const dynamicRows = 16;

/** Exports to `file`, whose ending decides the format: `.onnx`, `.ort` (ONNX Runtime's small format) or `.tflite`
 * (LiteRT). The model is run on all clips and compared with the native encoder before the file is written; see
 * {@link exportOnnx} for what happens when it differs.
 * @throws `ERR_ARGUMENT`, `ERR_PEER_MISSING`, `ERR_PARITY`, `ERR_FILE`; the signal's reason */
export async function exportEncoder(
  file: string,
  model: EncoderModel,
  options: ExportEncoderOptions = {},
): Promise<Exported> {
  const { input = 'log-mel', samples, hop, batch, precision = 'float32', classifier, clips, threads, signal } = options;
  if (precision === 'int8' && !clips?.length) {
    throw argumentError('clips', 'given for int8: real recordings to find the ranges of values with', 'none');
  }
  const isTflite = extname(file) === '.tflite';
  const whole = input === 'waveform' && samples === 'any';
  const fixed = isTflite || typeof batch === 'number';
  const rows = typeof batch === 'number' ? batch : isTflite ? 1 : dynamicRows;
  const cases = await proofCases(model, clips?.length ? clips : syntheticClips(), {
    ...{ input, samples, hop, fixed, threads, signal },
    batch: rows,
  });
  const quantize = precision === 'int8' ? { calibration: cases } : undefined;
  if (!isTflite) {
    return exportOnnx(file, model, { input, batch, samples, hop, precision, quantize, classifier, cases, signal });
  }
  if (precision === 'float16') throw argumentError('precision', '"float32" or "int8" for .tflite', precision);
  if (batch === 'dynamic') throw argumentError('batch', 'a fixed number for .tflite', batch);
  if (whole) throw argumentError('samples', '"slice" for .tflite', samples);
  return exportTflite(file, model, { input, batch, classifier, quantize, cases, signal });
}
