// Models → LiteRT (TensorFlow Lite) files, in float32 or int8: Android's default runtime. Any deployed model, and the
// encoder with its classifier.
import type { Emitted } from '../graph/emission.js';
import type { DeployedModel } from '../models/deployed-model.js';
import type { EncoderModel } from '../models/encoder-model.js';
import { argumentError } from '../util/errors.js';
import { type CalibrationInput, type CalibrationMethod, calibrate } from './activation-ranges.js';
import { type Classifier, deployedWithClassifier } from './deployed-encoder.js';
import { emitLayers, shortName } from './emit-layers.js';
import { buildModelOnnx, featuresOr } from './onnx.js';
import { emitFrontEnd } from './onnx-front-end.js';
import { type FileInput, type FileOutput, type ModelInput, prepareModel, releaseOwnNames } from './prepared.js';
import { TfliteBuilder } from './tflite-builder.js';
import { tfliteFrontEndWriter } from './tflite-front-end.js';
import { TfliteWriter } from './tflite-writer.js';

export interface ModelTfliteOptions {
  /** As for ONNX; waveforms `[N, samples]` are exactly as long as the model's input. */
  input?: ModelInput;
  /** N; LiteRT wants it fixed. Default 1. */
  batch?: number;
  /** Makes it int8: real inputs to find the ranges on, and how; default `min-max`. Inputs and outputs of the model stay
   * float32. */
  quantize?: { calibration: readonly CalibrationInput[]; method?: CalibrationMethod };
  signal?: AbortSignal;
}

export interface TfliteOptions extends Omit<ModelTfliteOptions, 'input'> {
  /** As for ONNX: `log_mel` `[N, T, F]` or `waveform` `[N, samples]`, exactly one slice in each row. */
  input?: 'log-mel' | 'waveform';
  classifier?: Classifier;
}

/** The encoder as a `.tflite` file, ready to be built: outputs `embedding` `[N, E]` and, with a classifier,
 * `probabilities`. Throws `ERR_ARGUMENT`. */
export async function buildTflite(model: EncoderModel, options: TfliteOptions = {}): Promise<TfliteBuilder> {
  const { input, classifier, ...rest } = options;
  return buildModelTflite(deployedWithClassifier(model, classifier), { ...rest, input: featuresOr(input) }, [
    'classifier',
  ]);
}

/** @param floatLayers not to be computed in 8 bits */
export async function buildModelTflite(
  deployed: DeployedModel,
  options: ModelTfliteOptions = {},
  floatLayers: readonly string[] = [],
): Promise<TfliteBuilder> {
  const { input: kind = 'features', batch = 1, quantize, signal } = options;
  if (!(Number.isInteger(batch) && batch > 0)) throw argumentError('batch', 'a positive integer', batch);
  const { inputs, outputs, layers } = prepareModel(deployed, kind);
  let ranges: Awaited<ReturnType<typeof calibrate>> | undefined;
  if (quantize) {
    // The ONNX graph has the same values under the same names, and a runtime to measure them with.
    const { model, ranged } = buildModelOnnx(deployed, { input: kind });
    const { calibration, method = 'min-max' } = quantize;
    const measured = await calibrate(model, [...ranged.values()], calibration, method, signal);
    ranges = new Map([...ranged].map(([name, inFile]) => [name, measured.get(inFile)!]));
    for (const name of ranges.keys()) if (floatLayers.some((f) => name.startsWith(f))) ranges.delete(name);
  }
  const metadata = Object.entries(deployed.metadata).map(([key, text]) => [`audio2vec.${key}`, text]);
  const b = new TfliteBuilder(`audio2vec ${deployed.kind}`, Object.fromEntries(metadata));
  for (const { name } of outputs) b.reserve(name);
  const features = inputs.map((input) => emitInput(b, input, batch));
  if (!ranges) releaseOwnNames(b, outputs);
  const laidOut = new Map(inputs.map((input, i) => [input.node, emitLayout(b, input, features[i]!, batch)]));
  const writer = new TfliteWriter(b, batch, ranges);
  const values = emitLayers(writer, layers, laidOut);
  for (const output of outputs) emitOutput(b, writer, output, values.get(output.node)!, batch);
  return b;
}

/** Features of an input, normalised: `[N · rows, T, width]` or `[N · rows, C]`. */
function emitInput(b: TfliteBuilder, input: FileInput, batch: number): string {
  const { name, rows, sizes, waveform, mean, std } = input;
  const writer = tfliteFrontEndWriter(b);
  const all = batch * rows;
  let x = b.input(name, [batch, ...(rows > 1 ? [rows] : []), ...sizes]);
  if (rows > 1) x = b.add('RESHAPE', `${name}.rows`, [x, b.ints(all, ...sizes)], [all, ...sizes]);
  if (waveform) x = emitFrontEnd(writer, x, sizes[0]!, waveform);
  if (!mean || !std) return x;
  const centred = writer.node('Sub', 'centred', [x, b.constant('normalization.mean', mean, [mean.length])]);
  const by = b.constant('normalization.std', std, [std.length]);
  return b.add('DIV', 'normalized', [centred, by], b.shapeOf(x), { options: [{ i8: 0 }] });
}

function emitLayout(b: TfliteBuilder, { node, shape, rows }: FileInput, x: string, batch: number): Emitted {
  if (shape.length === 1) return { name: x, shape, rows };
  const sizes = [batch * rows, ...shape];
  return { name: b.add('RESHAPE', shortName(node), [x, b.ints(...sizes)], sizes), shape, rows };
}

function emitOutput(
  b: TfliteBuilder,
  writer: TfliteWriter,
  { name, sizes }: FileOutput,
  x: Emitted,
  batch: number,
): void {
  const shape = [batch, ...sizes];
  const isSame = b.shapeOf(x.name).join() === shape.join();
  if (x.name !== name) {
    b.release(name);
    if (isSame && b.quantizationOf(x.name)) b.add('DEQUANTIZE', name, [x.name], shape);
    else b.add('RESHAPE', name, [writer.float(x), b.ints(...shape)], shape);
  }
  b.output(name);
}
