// Any deployed model to the file of a phone's or browser's runtime, the parity of every output checked.

import { extname } from 'node:path';
import type { DeployedModel, DeployedOutput } from '../models/deployed-model.js';
import { checkOptions } from '../util/arguments.js';
import { writeFileAtomic } from '../util/atomic-write.js';
import { argumentError } from '../util/errors.js';
import { checkClips, checkFile, checkPrecision, type Precision } from './checks.js';
import { syntheticClips } from './encoder-cases.js';
import { type ExportFormat, exportFormats, formatOf } from './formats.js';
import { clipCases, givenCases } from './model-cases.js';
import { buildModelOnnx } from './onnx.js';
import {
  type ModelCase,
  type ModelParity,
  measureOutputs,
  type OutputLimits,
  outputBeyond,
  rejectIfWrong,
} from './output-parity.js';
import { type ModelInput, type PreparedModel, prepareModel } from './prepared.js';

export interface ExportModelOptions {
  /** What the file takes: `features` of the model's front end (default), or `waveform`, with the front end inside. */
  input?: ModelInput;
  /** Of a waveform: each row exactly what the model takes (default), or one recording of any length that is cut into
   * slices (ONNX only). */
  samples?: 'slice' | 'any';
  /** For `samples: 'any'`: frames from slice to slice, a multiple of the model's `step`; default: half a slice. */
  hop?: number;
  /** A fixed number of rows, which phone accelerators want, or `dynamic`. Default: `dynamic` for ONNX, 1 for LiteRT. */
  batch?: number | 'dynamic';
  /** Of the weights (`float16`) or of all arithmetic that has an integer form (`int8`). Default `float32`. */
  precision?: Precision;
  /** Real recordings, at the front end's rate, to verify with, and to calibrate int8 with. Default: synthetic sounds; int8
   * needs real ones. */
  clips?: readonly Float32Array[];
  /** Instead of clips: examples to verify with, each the values of the file's inputs by name. Needed for models whose
   * inputs do not come from a front end. */
  inputs?: readonly Readonly<Record<string, Float32Array>>[];
  /** By output, what it must keep; default: {@link defaultOutputLimits}. */
  limits?: Readonly<Record<string, OutputLimits>>;
  /** Of the native engine; default: all cores. */
  threads?: number;
  signal?: AbortSignal;
  /** Formats of your own, besides those of the package. */
  formats?: readonly ExportFormat[];
}

export interface ExportedModel {
  file: string;
  bytes: number;
  parity: ModelParity;
}

/** Rows of a case where the file takes any number. */
const dynamicRows = 16;

/** What each precision must keep. Where a choice is made (`oneHot`), two values that are all but equal may change places:
 * a share of the values must agree. A waveform's front end sums in another order than the native one. */
export function defaultOutputLimits(
  precision: Precision,
  input: ModelInput,
  { discrete = false, sensitivity = 1 }: Pick<DeployedOutput, 'discrete' | 'sensitivity'> = {},
): OutputLimits {
  if (precision === 'int8') return discrete ? { agreement: 0.9 } : { relativeError: 0.1 * sensitivity };
  if (precision === 'float16') return discrete ? { agreement: 0.99 } : { relativeError: 0.01 * sensitivity };
  if (discrete) return { agreement: input === 'waveform' ? 0.99 : 0.999 };
  return { maxError: (input === 'waveform' ? 1e-3 : 1e-4) * sensitivity };
}

/** Exports to `file`, whose ending decides the format: `.onnx`, `.ort` (ONNX Runtime's small format) or `.tflite`
 * (LiteRT). The file is first run on all clips and each output compared with the native engine's; the figures are
 * stored in its metadata under `audio2vec.parity`. Beyond the limits it is kept as `….rejected.…` and `ERR_PARITY` says
 * which output was wrong.
 * @throws `ERR_ARGUMENT`, `ERR_PEER_MISSING`, `ERR_PARITY`, `ERR_FILE`; the signal's reason */
export async function exportModel(
  file: string,
  deployed: DeployedModel,
  options: ExportModelOptions = {},
): Promise<ExportedModel> {
  const ways = ['input', 'samples', 'hop', 'batch', 'precision'] as const;
  checkOptions('options', options, [...ways, 'clips', 'inputs', 'limits', 'threads', 'signal', 'formats']);
  if (options.inputs !== undefined && !Array.isArray(options.inputs)) {
    throw argumentError('inputs', 'a list of examples', options.inputs);
  }
  const { input = 'features', samples = 'slice', hop, batch, precision = 'float32', signal } = options;
  signal?.throwIfAborted();
  const format = formatOf(file, [...exportFormats, ...(options.formats ?? [])]);
  await checkFile(file, format.endings);
  checkPrecision(precision, { [deployed.kind]: deployed.precisions, [extname(file)]: format.precisions });
  format.check?.({ precision, batch, samples });
  if (!options.inputs) checkClips(options.clips, precision === 'int8');
  // Building is cheap: it refuses what makes no sense before the work of running both.
  buildModelOnnx(deployed, { input, batch, samples, hop });
  const model = prepareModel(deployed, input);
  const fixed = format.fixedRows || typeof batch === 'number';
  const rows = typeof batch === 'number' ? batch : fixed ? 1 : dynamicRows;
  const cases = await casesOf(model, { ...options, rows, fixed });

  const limits = Object.fromEntries(
    model.outputs.map((output) => [
      output.name,
      options.limits?.[output.name] ?? defaultOutputLimits(precision, input, output),
    ]),
  );
  const measure = {
    run: (opened: Parameters<typeof measureOutputs>[0]) => measureOutputs(opened, cases, { signal }),
    limits,
  };
  const calibration = precision === 'int8' ? cases : undefined;
  const how = { ending: extname(file), input, batch, samples, hop, precision, calibration, signal };
  const { bytes, parity } = await format.write(deployed, how, measure);
  const wrong = Object.entries(limits).flatMap(([name, limit]) => outputBeyond(name, parity.outputs[name]!, limit));
  await rejectIfWrong(file, bytes, wrong);
  await writeFileAtomic(file, bytes);
  return { file, bytes: bytes.length, parity };
}

function casesOf(
  model: PreparedModel,
  options: ExportModelOptions & { rows: number; fixed: boolean },
): Promise<ModelCase[]> {
  const { rows: batch, fixed, samples, hop, threads, signal, clips, inputs } = options;
  const how = { batch, fixed, samples, hop, threads, signal };
  if (inputs?.length) return givenCases(model, inputs, how);
  const rate = model.inputs.find((i) => i.frontEnd)?.frontEnd?.sampleRate;
  if (inputs || rate === undefined) throw argumentError('inputs', 'examples to verify with, for this model', 'none');
  return clipCases(model, clips?.length ? clips : syntheticClips(undefined, rate), how);
}
