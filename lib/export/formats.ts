// The formats of exported files: what each can hold, and how a model becomes one, run in its runtime before it is written.
import { extname } from 'node:path';
import type { DeployedModel } from '../models/deployed-model.js';
import { argumentError } from '../util/errors.js';
import { checkTflite, type Precision, tflitePrecisions } from './checks.js';
import { liteRt } from './litert-runtime.js';
import { buildModelOnnx } from './onnx.js';
import { onnxRuntime } from './onnx-runtime.js';
import type { ModelCase, ModelParity } from './output-parity.js';
import type { ModelInput } from './prepared.js';
import { buildModelTflite } from './tflite.js';
import { type Measure, type Verified, verifiedOnnx, verifiedTflite } from './verified.js';

/** How a file is to be. */
export interface FileOptions {
  /** Of its name. */
  ending: string;
  input: ModelInput;
  /** Rows: a number, or `dynamic`, which formats of fixed rows need not know. */
  batch?: number | 'dynamic';
  samples: 'slice' | 'any';
  hop?: number;
  precision: Precision;
  /** For `int8`: inputs to find the ranges of values with. */
  calibration?: readonly ModelCase[];
  signal?: AbortSignal;
}

export interface ExportFormat {
  /** Of its files' names. */
  endings: readonly string[];
  /** It takes a fixed number of rows: 1, unless another is asked for. */
  fixedRows?: boolean;
  /** Those that it has; default: all. */
  precisions?: readonly Precision[];
  /** Throws `ERR_ARGUMENT` for what it has no form for. */
  check?(options: Pick<FileOptions, 'precision' | 'batch' | 'samples'>): void;
  /** Throws `ERR_PEER_MISSING`, with what to install, where its files cannot be run. */
  requireRuntime(): Promise<unknown>;
  /** The file, measured as it runs; what was measured is stored in it. */
  write(model: DeployedModel, options: FileOptions, measure: Measure<ModelParity>): Promise<Verified<ModelParity>>;
}

const onnx: ExportFormat = {
  endings: ['.onnx', '.ort'],
  requireRuntime: onnxRuntime,
  write(model, { ending, input, batch, samples, hop, precision, calibration, signal }, measure) {
    const built = buildModelOnnx(model, { input, batch, samples, hop });
    const quantize = calibration && { calibration, floatLayers: [], signal };
    return verifiedOnnx(built.model, { precision, extension: ending, quantize }, measure);
  },
};

const tflite: ExportFormat = {
  endings: ['.tflite'],
  fixedRows: true,
  precisions: tflitePrecisions,
  check: checkTflite,
  requireRuntime: liteRt,
  async write(model, { input, batch, calibration, signal }, measure) {
    const rows = typeof batch === 'number' ? batch : 1;
    const quantize = calibration && { calibration };
    return verifiedTflite(await buildModelTflite(model, { input, batch: rows, quantize, signal }), measure);
  },
};

/** To add one: write its entry, add it here. */
export const exportFormats: readonly ExportFormat[] = [onnx, tflite];

/** The format of a file, by its ending. */
export function formatOf(file: string, formats = exportFormats): ExportFormat {
  const found = formats.find(({ endings }) => typeof file === 'string' && endings.includes(extname(file)));
  if (found) return found;
  throw argumentError('file', `a name ending in ${formats.flatMap((f) => f.endings).join(' or ')}`, file);
}

/** Whether files of this ending take a fixed number of rows. */
export function hasFixedRows(file: string): boolean {
  return exportFormats.some(({ endings, fixedRows }) => endings.includes(extname(file)) && fixedRows === true);
}

/** Throws `ERR_PEER_MISSING`, with what to install, if a file of this ending could not be verified here. */
export async function requireRuntimeFor(file: string): Promise<void> {
  await exportFormats.find(({ endings }) => endings.includes(extname(file)))?.requireRuntime();
}
