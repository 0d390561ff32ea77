// A built model becomes the bytes of a file: in its precision, run in its runtime, the figures of that run inside.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { argumentError } from '../util/errors.js';
import { readWholeFile } from '../util/read-file.js';
import type { Precision } from './checks.js';
import { halveWeights } from './float16.js';
import type { ModelProto } from './gen/onnx_pb.js';
import { openTflite } from './litert-runtime.js';
import { onnxBytes } from './onnx-builder.js';
import { onnxRuntime, openOnnx } from './onnx-runtime.js';
import type { ModelRunner } from './output-parity.js';
import { type QuantizeOptions, quantizeOnnx } from './quantize-onnx.js';
import type { TfliteBuilder } from './tflite-builder.js';

/** How a file is verified: what is measured of it when it runs, and what is stored of that. */
export interface Measure<P> {
  run(model: ModelRunner): Promise<P>;
  limits: object;
}

export interface Verified<P> {
  bytes: Uint8Array;
  parity: P;
}

/** @param extension `.onnx` or `.ort`, the small format of phones */
export async function verifiedOnnx<P>(
  model: ModelProto,
  { precision, extension, quantize }: { precision: Precision; extension: string; quantize?: QuantizeOptions },
  measure: Measure<P>,
): Promise<Verified<P>> {
  const proto = await withPrecision(model, precision, quantize);
  let parity = await measure.run(await openOnnx(onnxBytes(proto)));
  proto.metadataProps.push(
    metadata('audio2vec.precision', precision),
    metadata('audio2vec.parity', JSON.stringify({ ...parity, limits: measure.limits })),
  );
  let bytes = onnxBytes(proto);
  if (extension === '.ort') {
    bytes = await toOrtFormat(bytes, precision);
    parity = await measure.run(await openOnnx(bytes));
  }
  return { bytes, parity };
}

export async function verifiedTflite<P>(builder: TfliteBuilder, measure: Measure<P>): Promise<Verified<P>> {
  const parity = await measure.run(await openTflite(builder.build()));
  const text = JSON.stringify({ ...parity, limits: measure.limits });
  return { bytes: builder.build({ 'audio2vec.parity': text }), parity };
}

async function withPrecision(model: ModelProto, precision: Precision, quantize: QuantizeOptions | undefined) {
  if (precision === 'float32') return model;
  if (precision === 'float16') return halveWeights(model);
  if (precision !== 'int8') throw argumentError('precision', '"float32", "float16" or "int8"', precision);
  if (!quantize) throw argumentError('quantize', 'given, with calibration inputs, for int8', quantize);
  return quantizeOnnx(model, quantize);
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
