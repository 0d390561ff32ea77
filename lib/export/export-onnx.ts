// Writes an ONNX file, after proving that it does what the native encoder does.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import type { EncoderModel } from '../models/encoder-model.js';
import { writeFileAtomic } from '../util/atomic-write.js';
import { argumentError } from '../util/errors.js';
import { readWholeFile } from '../util/read-file.js';
import { halveWeights } from './float16.js';
import type { ModelProto } from './gen/onnx_pb.js';
import { buildOnnx, type OnnxOptions } from './onnx.js';
import { onnxBytes } from './onnx-builder.js';
import { onnxRuntime, openOnnx } from './onnx-runtime.js';
import { checkParity, measureParity, type Parity, type ParityCase, type ParityLimits } from './parity.js';
import { type QuantizeOptions, quantizeOnnx } from './quantize-onnx.js';

export type Precision = 'float32' | 'float16' | 'int8';

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
  const { precision = 'float32', cases, signal } = options;
  const extension = extname(file);
  if (extension !== '.onnx' && extension !== '.ort')
    throw argumentError('file', 'a name ending in .onnx or .ort', file);
  const limits = options.limits ?? defaultLimits(precision, options.input);

  const proto = await withPrecision(buildOnnx(model, options), precision, options);
  let parity = await measureParity(await openOnnx(onnxBytes(proto)), cases, { signal });
  proto.metadataProps.push(
    metadata('audio2vec.precision', precision),
    metadata('audio2vec.parity', JSON.stringify({ ...parity, limits })),
  );
  let bytes = onnxBytes(proto);
  if (extension === '.ort') {
    bytes = await toOrtFormat(bytes, precision);
    parity = await measureParity(await openOnnx(bytes), cases, { signal });
  }

  await checkParity(file, bytes, parity, limits);
  await writeFileAtomic(file, bytes);
  return { file, bytes: bytes.length, parity };
}

async function withPrecision(model: ModelProto, precision: Precision, { quantize, signal }: ExportOptions) {
  if (precision === 'float32') return model;
  if (precision === 'float16') return halveWeights(model);
  if (precision !== 'int8') throw argumentError('precision', '"float32", "float16" or "int8"', precision);
  if (!quantize) throw argumentError('quantize', 'given, with calibration inputs, for int8', quantize);
  return quantizeOnnx(model, { ...quantize, signal });
}

function metadata(key: string, value: string) {
  return { $typeName: 'onnx.StringStringEntryProto' as const, key, value };
}

/** ONNX Runtime's own format, with only the optimisations that hold on every processor. In two steps: a graph that was
 * just optimised still carries names and shapes of all values that are gone, 15 kB of them in int8. */
async function toOrtFormat(onnx: Uint8Array, precision: Precision): Promise<Uint8Array> {
  // Folding constants would undo float16.
  const keep = precision === 'float16' ? { optimization: { disable_specified_optimizers: 'ConstantFolding' } } : {};
  const optimised = await resave(onnx, { graphOptimizationLevel: 'extended', extra: keep });
  const asOrt = { session: { save_model_format: 'ORT' } };
  return resave(optimised, { graphOptimizationLevel: 'disabled', extra: asOrt });
}

/** The model as ONNX Runtime saves it after optimising. */
async function resave(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<Uint8Array> {
  const ort = await onnxRuntime();
  const folder = await mkdtemp(join(tmpdir(), 'audio2vec-'));
  try {
    const file = join(folder, 'model');
    const session = await ort.InferenceSession.create(model, { ...options, optimizedModelFilePath: file });
    await session.release();
    return await readWholeFile(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
