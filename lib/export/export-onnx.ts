// Writes an encoder's ONNX file, after proving that it does what the native encoder does.
import { extname } from 'node:path';
import type { EncoderModel } from '../models/encoder-model.js';
import { writeFileAtomic } from '../util/atomic-write.js';
import { argumentError } from '../util/errors.js';
import type { Precision } from './checks.js';
import { buildOnnx, type OnnxOptions } from './onnx.js';
import { checkParity, measureParity, type Parity, type ParityCase, type ParityLimits } from './parity.js';
import { encoderFloatLayers, type QuantizeOptions } from './quantize-onnx.js';
import { verifiedOnnx } from './verified.js';

export type { Precision } from './checks.js';

export interface ExportOptions extends OnnxOptions {
  /** How weights are stored; `int8` also computes in integers. Default `float32`. */
  precision?: Precision;
  /** Needed for `int8`. */
  quantize?: Omit<QuantizeOptions, 'signal'>;
  /** Real inputs and the native encoder's embeddings of them. */
  cases: readonly ParityCase[];
  /** Default: {@link defaultLimits}. */
  limits?: ParityLimits;
  signal?: AbortSignal;
}

export interface Exported {
  file: string;
  bytes: number;
  parity: Parity;
}

/** What each precision must keep. A waveform model has another front end than the native one: sums in another order,
 * and the logarithm magnifies the difference where it is quiet. Int8 has no limit for probabilities: between two classes a
 * small difference may decide. */
export function defaultLimits(precision: Precision, input: 'log-mel' | 'waveform' = 'log-mel'): ParityLimits {
  if (precision === 'int8') return { meanCosine: 0.99, minCosine: 0.95 };
  if (precision === 'float16') return { meanCosine: 0.9999, minCosine: 0.999, maxProbabilityError: 0.01 };
  return { maxAbsError: input === 'waveform' ? 1e-3 : 1e-4, maxProbabilityError: 1e-3 };
}

/** Exports to `file`: `.onnx`, or `.ort` for the small runtime of phones. The model is first run in onnxruntime-node on
 * all cases; errors are stored in the metadata under `audio2vec.parity`. Beyond the limits the file is kept as
 * `….rejected.onnx` and `ERR_PARITY` is thrown. */
export async function exportOnnx(file: string, model: EncoderModel, options: ExportOptions): Promise<Exported> {
  const { precision = 'float32', cases, quantize, signal } = options;
  const extension = extname(file);
  if (extension !== '.onnx' && extension !== '.ort')
    throw argumentError('file', 'a name ending in .onnx or .ort', file);
  const limits = options.limits ?? defaultLimits(precision, options.input);
  // A classifier is small, and a class may hang on little.
  const floatLayers = [...(quantize?.floatLayers ?? encoderFloatLayers), 'classifier'];
  const { bytes, parity } = await verifiedOnnx(
    buildOnnx(model, options),
    { precision, extension, quantize: quantize && { ...quantize, floatLayers, signal } },
    { run: (opened) => measureParity(opened, cases, { signal }), limits },
  );
  await checkParity(file, bytes, parity, limits);
  await writeFileAtomic(file, bytes);
  return { file, bytes: bytes.length, parity };
}
