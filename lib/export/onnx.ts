// An encoder model → an ONNX graph.

import { checkHop, samplesOf } from '../features/slices.js';
import { inferenceLayers } from '../graph/inference.js';
import { checkEncoderModel, type EncoderModel, encoderGraph } from '../models/encoder-model.js';
import { argumentError } from '../util/errors.js';
import { emitFrontEnd, onnxFrontEndWriter } from './front-end.js';
import type { ModelProto } from './gen/onnx_pb.js';
import { type Dim, OnnxBuilder } from './onnx-builder.js';
import { emitLayers } from './onnx-layers.js';
import { emitWindows, toTheEnd } from './onnx-windows.js';

/** A linear classifier of embeddings: logits = weights · embedding + bias. From a linear probe
 * `{ labels, ...probe.raw() }`, from a fine-tuned model `{ labels: tuned.classes, weights: tuned.weight, bias: tuned.bias }`. */
export interface Classifier {
  labels: readonly string[];
  /** `[classes, embedding]`, C order. */
  weights: Float32Array | Float64Array;
  bias: Float32Array | Float64Array;
}

export interface OnnxOptions {
  /** `log-mel` (default): input `log_mel` `[N, T, F]`, as {@link EncoderModel.frontEnd} says, not normalised.
   * `waveform`: input `waveform`, samples in [-1, 1] at the model's rate; the front end is in the graph. */
  input?: 'log-mel' | 'waveform';
  /** N: a fixed number (accelerators of phones want that) or `dynamic` (default). */
  batch?: number | 'dynamic';
  /** Waveform only. `slice` (default): each row of `waveform` `[N, samples]` is exactly one slice. `any`: `waveform` is
   * one recording `[1, samples]` of any length, and the output `[slices, E]` is what `Encoder.timestampEmbeddings`
   * gives, which says how a recording is cut. */
  samples?: 'slice' | 'any';
  /** For `samples: 'any'`: frames from slice to slice; default: half a slice. */
  hop?: number;
  /** Adds the output `probabilities` `[N, classes]`; the metadata holds the labels. */
  classifier?: Classifier;
}

/** Builds the graph: outputs `embedding` `[N, E]` (and `probabilities`); normalisation inside, batch norm folded.
 * Metadata tell the encoder's shape, front end, normalisation and how the encoder was made. Throws `ERR_ARGUMENT`. */
export function buildOnnx(model: EncoderModel, options: OnnxOptions = {}): ModelProto {
  checkEncoderModel(model);
  const { config } = model;
  const { graph, input } = encoderGraph(config);
  const b = new OnnxBuilder();
  const { logMel, rows } = emitInput(b, model, options);

  const centred = b.node('Sub', 'centred', [logMel, b.constant('normalization.mean', model.mean)]);
  const normalised = b.node('Div', 'normalized', [centred, b.constant('normalization.std', model.std)]);
  const slices = b.node('Unsqueeze', 'slices', [normalised, b.ints(1)]);
  const layers = inferenceLayers(graph.nodes, model.weights);
  const embedding = emitLayers(b, layers, new Map([[input.name, slices]]));
  b.nodes.at(-1)!.output = ['embedding'];
  if (embedding !== b.nodes.at(-1)!.name) throw new Error('the last layer must be one node');
  b.output('embedding', [rows, config.embedding]);
  if (options.classifier) emitClassifier(b, options.classifier, config.embedding, rows);

  return b.build('audio2vec_encoder', modelMetadata(model, options.classifier));
}

/** What a user of the file has to know, as JSON texts by key. */
export function modelMetadata(model: EncoderModel, classifier?: Classifier): Record<string, string> {
  return {
    'audio2vec.encoder': JSON.stringify(model.config),
    'audio2vec.front_end': JSON.stringify(model.frontEnd),
    'audio2vec.normalization': JSON.stringify({ mean: shortest(model.mean), std: shortest(model.std) }),
    'audio2vec.provenance': JSON.stringify(model.provenance),
    ...(classifier && { 'audio2vec.labels': JSON.stringify(classifier.labels) }),
  };
}

/** The shortest decimals that give back the same float32 values. */
function shortest(values: Float32Array): number[] {
  return Array.from(values, (v) => {
    for (let digits = 6; digits < 9; digits++)
      if (Math.fround(Number(v.toPrecision(digits))) === v) return Number(v.toPrecision(digits));
    return v;
  });
}

/** The inputs up to log-mel slices `[rows, T, F]`. */
function emitInput(b: OnnxBuilder, { config, frontEnd }: EncoderModel, options: OnnxOptions) {
  const { input = 'log-mel', batch = 'dynamic', samples = 'slice' } = options;
  if (batch !== 'dynamic' && !(Number.isInteger(batch) && batch > 0)) {
    throw argumentError('batch', 'a positive integer or "dynamic"', batch);
  }
  const rows: Dim = batch === 'dynamic' ? 'N' : batch;
  const { frames, bands } = config;
  if (options.hop !== undefined && samples !== 'any')
    throw argumentError('hop', 'left out unless samples is "any"', options.hop);
  if (input === 'log-mel' && samples === 'any') throw argumentError('samples', '"slice" for log-mel input', samples);
  if (input === 'log-mel') return { logMel: b.input('log_mel', [rows, frames, bands]), rows };
  if (input !== 'waveform') throw argumentError('input', '"log-mel" or "waveform"', input);

  const sliceSamples = samplesOf(frames, frontEnd);
  const writer = onnxFrontEndWriter(b);
  if (samples === 'slice') {
    const waveform = b.input('waveform', [rows, sliceSamples]);
    return { logMel: emitFrontEnd(writer, waveform, sliceSamples, frontEnd), rows };
  }
  if (samples !== 'any') throw argumentError('samples', '"slice" or "any"', samples);
  if (options.batch !== undefined && batch !== 1) throw argumentError('batch', '1 with samples "any"', batch);
  const hop = checkHop(options.hop, frames);

  const filled = emitFillUp(b, b.input('waveform', [1, 'samples']), sliceSamples);
  const all = emitFrontEnd(writer, filled, 'any', frontEnd);
  const windows = emitWindows(b, 'windows', all, { count: 'any', length: frames, hop, inner: bands });
  const whole = b.node('Reshape', 'whole_slices', [windows, b.ints(-1, frames, bands)]);
  return { logMel: hop <= frames ? emitLastSlice(b, all, whole, { frames, hop }) : whole, rows: 'slices' };
}

/** Appends the last `frames` frames of `all` `[1, T, F]` to the slices, unless the last slice ends there already. */
function emitLastSlice(b: OnnxBuilder, all: string, slices: string, { frames, hop }: { frames: number; hop: number }) {
  const sizeOf = (x: string, axis: number) =>
    b.node('Gather', `${x}.count`, [b.node('Shape', `${x}.shape`, [x]), b.ints(axis)], { axis: 0 });
  const last = b.node('Slice', 'last_slice', [all, b.ints(-frames), b.ints(toTheEnd), b.ints(1)]);
  const both = b.node('Concat', 'slices_and_last', [slices, last], { axis: 0 });
  // Covered: (count - 1) · hop + frames.
  const count = sizeOf(slices, 0);
  const covered = b.node('Add', 'covered', [b.node('Mul', 'hops', [count, b.ints(hop)]), b.ints(frames - hop)]);
  const left = b.node('Sub', 'frames_left', [sizeOf(all, 1), covered]);
  const more = b.node('Min', 'one_if_left', [left, b.ints(1)]);
  return b.node('Slice', 'log_mel_slices', [both, b.ints(0), b.node('Add', 'slice_count', [count, more]), b.ints(0)]);
}

/** Appends silence to `[1, samples]` until it has at least `least` samples. */
function emitFillUp(b: OnnxBuilder, x: string, least: number): string {
  const size = b.node('Gather', 'waveform.size', [b.node('Shape', 'waveform.shape', [x]), b.ints(1)], { axis: 0 });
  const missing = b.node('Max', 'silence', [b.node('Sub', 'silence.missing', [b.ints(least), size]), b.ints(0)]);
  const pads = b.node('Concat', 'silence.pads', [b.ints(0, 0, 0), missing], { axis: 0 });
  return b.node('Pad', 'waveform.filled', [x, pads]);
}

function emitClassifier(b: OnnxBuilder, classifier: Classifier, embedding: number, rows: Dim): void {
  const { classes, weights, bias } = checkClassifier(classifier, embedding);
  const w = b.constant('classifier.weight', weights, [classes, embedding]);
  const logits = b.node('Gemm', 'classifier', ['embedding', w, b.constant('classifier.bias', bias)], { transB: 1 });
  b.node('Softmax', 'probabilities', [logits], { axis: 1 });
  b.output('probabilities', [rows, classes]);
}

/** The classifier in float32, if it fits the embedding and all is finite. */
export function checkClassifier({ labels, weights, bias }: Classifier, embedding: number) {
  const classes = labels?.length;
  if (!(classes >= 2)) throw argumentError('classifier.labels', 'at least two labels', classes ?? 'none');
  if (weights?.length !== classes * embedding || bias?.length !== classes) {
    const expected = `[${classes}, ${embedding}] and [${classes}]`;
    const got = `${weights?.length} and ${bias?.length}`;
    throw argumentError('classifier', `weights and bias of shape ${expected}`, got);
  }
  const wrong = [...weights, ...bias].find((x) => !Number.isFinite(Math.fround(x)));
  if (wrong !== undefined) throw argumentError('classifier', 'weights and bias that are finite', wrong);
  return { classes, weights: Float32Array.from(weights), bias: Float32Array.from(bias) };
}
