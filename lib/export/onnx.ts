// Models → ONNX graphs: any deployed model, and the encoder with its classifier.
import { checkHop } from '../features/slices.js';
import type { Emitted } from '../graph/emission.js';
import type { DeployedModel } from '../models/deployed-model.js';
import type { EncoderModel } from '../models/encoder-model.js';
import { argumentError } from '../util/errors.js';
import { type Classifier, deployedWithClassifier } from './deployed-encoder.js';
import { emitLayers, shortName } from './emit-layers.js';
import type { ModelProto } from './gen/onnx_pb.js';
import { type Dim, OnnxBuilder } from './onnx-builder.js';
import { emitFrontEnd, onnxFrontEndWriter } from './onnx-front-end.js';
import { emitFillUp, emitSlices } from './onnx-slices.js';
import { OnnxWriter } from './onnx-writer.js';
import {
  type FileInput,
  type FileOutput,
  type ModelInput,
  type PreparedModel,
  prepareModel,
  releaseOwnNames,
} from './prepared.js';

export interface ModelOnnxOptions {
  /** `features` (default): inputs `[N, T, width]`, as the model's front end gives them, not normalised. `waveform`: samples
   * in [-1, 1] at the front end's rate; the front end is in the graph. */
  input?: ModelInput;
  /** N: a fixed number (accelerators of phones want that) or `dynamic` (default). */
  batch?: number | 'dynamic';
  /** Waveform only. `slice` (default): each row of `waveform` `[N, samples]` is exactly as long as the model's input.
   * `any`: `waveform` is one recording `[1, samples]` of any length, cut into slices as `Encoder.timestampEmbeddings`
   * says; the outputs are `[slices, …]`. */
  samples?: 'slice' | 'any';
  /** For `samples: 'any'`: frames from slice to slice, a multiple of the model's `step`; default: half a slice. */
  hop?: number;
}

export interface OnnxOptions extends Omit<ModelOnnxOptions, 'input'> {
  /** `log-mel` (default): input `log_mel` `[N, T, F]`, as {@link EncoderModel.frontEnd} says, not normalised.
   * `waveform`: input `waveform`, samples in [-1, 1] at the model's rate; the front end is in the graph. */
  input?: 'log-mel' | 'waveform';
  /** Adds the output `probabilities` `[N, classes]`; the metadata holds the labels. */
  classifier?: Classifier;
}

/** Builds the encoder's graph: outputs `embedding` `[N, E]` (and `probabilities`); normalisation inside, batch norm
 * folded. Metadata tell the encoder's shape, front end, normalisation and how the encoder was made. Throws
 * `ERR_ARGUMENT`. */
export function buildOnnx(model: EncoderModel, options: OnnxOptions = {}): ModelProto {
  const { input, classifier, ...rest } = options;
  return buildModelOnnx(deployedWithClassifier(model, classifier), { ...rest, input: featuresOr(input) }).model;
}

/** What encoders call `log-mel` is `features` of models in general. */
export function featuresOr(input: 'log-mel' | 'waveform' | undefined): ModelInput | undefined {
  if (input === undefined || input === 'log-mel') return 'features';
  if (input !== 'waveform') throw argumentError('input', '"log-mel" or "waveform"', input);
  return input;
}

/** A graph with the model's outputs under their names; `ranged` has the values whose ranges computing in 8 bits needs,
 * by the names their layers gave them and as they are called in the file. Throws `ERR_ARGUMENT`. */
export function buildModelOnnx(
  deployed: DeployedModel,
  options: ModelOnnxOptions = {},
): { model: ModelProto; ranged: ReadonlyMap<string, string> } {
  const prepared = prepareModel(deployed, options.input);
  const { inputs, outputs, layers } = prepared;
  const b = new OnnxBuilder();
  const writer = new OnnxWriter(b);
  for (const { name } of outputs) b.reserve(name);
  const { rows, features, slices } = emitInputs(b, prepared, options);
  releaseOwnNames(b, outputs);
  const laidOut = new Map(inputs.map((input, i) => [input.node, emitLayout(b, input, features[i]!)]));
  const values = emitLayers(writer, layers, laidOut);
  for (const output of outputs) emitOutput(b, output, values.get(output.node)!, rows);
  const about = { ...deployed.metadata, ...(slices && { slices: JSON.stringify(slices) }) };
  const metadata = Object.entries(about).map(([key, text]) => [`audio2vec.${key}`, text]);
  return {
    model: b.build(`audio2vec_${deployed.kind}`, Object.fromEntries(metadata)),
    ranged: new Map([...writer.ranged].map((name) => [name, b.nameInFile(name)])),
  };
}

/** The inputs up to their features, normalised: `[N · rows, T, width]` or `[N · rows, C]`. */
function emitInputs(b: OnnxBuilder, { inputs }: PreparedModel, options: ModelOnnxOptions) {
  const { input: kind = 'features', batch = 'dynamic', samples = 'slice' } = options;
  if (batch !== 'dynamic' && !(Number.isInteger(batch) && batch > 0)) {
    throw argumentError('batch', 'a positive integer or "dynamic"', batch);
  }
  if (options.hop !== undefined && samples !== 'any')
    throw argumentError('hop', 'left out unless samples is "any"', options.hop);
  if (samples !== 'slice' && samples !== 'any') throw argumentError('samples', '"slice" or "any"', samples);
  if (samples === 'any') {
    const { value, slices } = emitRecording(b, inputs, kind, options);
    return { rows: 'slices', features: [value], slices };
  }
  const rows: Dim = batch === 'dynamic' ? 'N' : batch;
  const features = inputs.map((input) => {
    let x = b.input(input.name, [rows, ...(input.rows > 1 ? [input.rows] : []), ...input.sizes]);
    if (input.rows > 1) x = b.node('Reshape', `${input.name}.rows`, [x, b.ints(-1, ...input.sizes)]);
    if (input.waveform) x = emitFrontEnd(onnxFrontEndWriter(b), x, input.sizes[0]!, input.waveform);
    return emitNormalized(b, input, x);
  });
  return { rows, features };
}

/** One recording of any length, whose slices are the examples. */
function emitRecording(b: OnnxBuilder, inputs: readonly FileInput[], kind: ModelInput, options: ModelOnnxOptions) {
  const [input, second] = inputs as [FileInput, FileInput?];
  if (kind !== 'waveform') throw argumentError('samples', '"slice" for input that is not a waveform', 'any');
  if (second || !input.waveform || input.rows > 1) {
    throw argumentError('samples', '"slice" for a model that takes more than one waveform', 'any');
  }
  const { batch } = options;
  if (batch !== undefined && batch !== 1) throw argumentError('batch', '1 with samples "any"', batch);
  const [frames, width] = input.frames!;
  const { step } = input;
  const hop = checkHop(options.hop, frames, step);
  const filled = emitFillUp(b, b.input(input.name, [1, 'samples']), input.sizes[0]!);
  const all = emitFrontEnd(onnxFrontEndWriter(b), filled, 'any', input.waveform);
  const value = emitNormalized(b, input, emitSlices(b, all, { frames, width, hop, step }));
  return { value, slices: { frames, hop, step } };
}

function emitNormalized(b: OnnxBuilder, { mean, std }: FileInput, x: string): string {
  if (!mean || !std) return x;
  const centred = b.node('Sub', 'centred', [x, b.constant('normalization.mean', mean)]);
  return b.node('Div', 'normalized', [centred, b.constant('normalization.std', std)]);
}

/** Features as the value of the input node, in ONNX's layout. */
function emitLayout(b: OnnxBuilder, { node, shape, rows }: FileInput, x: string): Emitted {
  const name = shortName(node);
  if (shape.length === 1) return { name: x, shape, rows };
  const [t, f, c] = shape;
  if (c === 1) return { name: b.node('Unsqueeze', name, [x, b.ints(1)]), shape, rows };
  const map = b.node('Reshape', `${name}.map`, [x, b.ints(-1, t, f, c)]);
  return { name: b.node('Transpose', name, [map], { perm: [0, 3, 1, 2] }), shape, rows };
}

function emitOutput(b: OnnxBuilder, { name, shape, rows, sizes }: FileOutput, x: Emitted, batch: Dim): void {
  let value = x.name;
  if (shape.length === 3) {
    const [t, f, c] = shape;
    // Channels last; where one of the two has size 1, the order of values is the same.
    if (c > 1 && t * f > 1) value = b.node('Transpose', `${name}.channels_last`, [value], { perm: [0, 2, 3, 1] });
    if (f === 1 && rows === 1) value = b.node('Reshape', `${name}.sequence`, [value, b.ints(-1, ...sizes)]);
    else if (c === 1 || t * f === 1) value = b.node('Reshape', `${name}.map`, [value, b.ints(-1, t, f, c)]);
  }
  if (rows > 1) value = b.node('Reshape', `${name}.rows`, [value, b.ints(-1, ...sizes)]);
  b.outputAs(name, value, [batch, ...sizes]);
}
