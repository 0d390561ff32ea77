// An encoder model → a LiteRT (TensorFlow Lite) file, in float32 or int8: Android's default runtime. Maps are [N, T, F, C].

import { samplesOf } from '../features/slices.js';
import { inferenceLayers, type Layer, type LayerOp } from '../graph/inference.js';
import { checkEncoderModel, type EncoderModel, encoderGraph } from '../models/encoder-model.js';
import { argumentError } from '../util/errors.js';
import { type CalibrationInput, type CalibrationMethod, calibrate } from './calibrate.js';
import { emitFrontEnd } from './front-end.js';
import { buildOnnx, type Classifier, checkClassifier, modelMetadata } from './onnx.js';
import { shortName } from './onnx-layers.js';
import { activationScale, quantizeBias, quantizeWeight, type Range } from './quantization.js';
import { type Field, type Quantization, TfliteBuilder } from './tflite-builder.js';
import { tfliteFrontEndWriter } from './tflite-front-end.js';

export interface TfliteOptions {
  /** As for ONNX: `log_mel` `[N, T, F]` or `waveform` `[N, samples]`, exactly one slice in each row. */
  input?: 'log-mel' | 'waveform';
  /** N; LiteRT wants it fixed. Default 1. */
  batch?: number;
  classifier?: Classifier;
  /** Makes it int8: real inputs (of the same kind as `input`) to find the ranges on, and how; default `min-max`.
   * Inputs and outputs of the model stay float32. */
  quantize?: { calibration: readonly CalibrationInput[]; method?: CalibrationMethod };
  signal?: AbortSignal;
}

/** A `.tflite` file, ready to be built: outputs `embedding` `[N, E]` and, with a classifier, `probabilities`. Throws
 * `ERR_ARGUMENT`. */
export async function buildTflite(model: EncoderModel, options: TfliteOptions = {}): Promise<TfliteBuilder> {
  checkEncoderModel(model);
  const { input = 'log-mel', batch = 1, classifier, quantize, signal } = options;
  if (!(Number.isInteger(batch) && batch > 0)) throw argumentError('batch', 'a positive integer', batch);
  const { config, frontEnd } = model;
  const { graph, input: node } = encoderGraph(config);
  const layers = inferenceLayers(graph.nodes, model.weights);
  // The ONNX graph has the same values under the same names, and a runtime to measure them with.
  const onnx = buildOnnx(model, { input, classifier });
  const ranges =
    quantize && (await calibrate(onnx, measured(layers), quantize.calibration, quantize.method ?? 'min-max', signal));

  const b = new TfliteBuilder('audio2vec encoder', modelMetadata(model, classifier));
  const { frames, bands } = config;
  const writer = tfliteFrontEndWriter(b);
  const samples = samplesOf(frames, frontEnd);
  const logMel =
    input === 'waveform'
      ? emitFrontEnd(writer, b.input('waveform', [batch, samples]), samples, frontEnd)
      : b.input('log_mel', [batch, frames, bands]);
  const centred = writer.node('Sub', 'centred', [logMel, b.constant('normalization.mean', model.mean, [bands])]);
  const std = b.constant('normalization.std', model.std, [bands]);
  b.add('DIV', 'normalized', [centred, std], [batch, frames, bands], { options: [{ i8: 0 }] });
  const slices = b.add('RESHAPE', 'slices', ['normalized', b.ints(batch, frames, bands, 1)], [batch, frames, bands, 1]);

  const scales = ranges && new Map([...ranges].map(([name, range]) => [name, int8(range)]));
  const start = scales
    ? b.add('QUANTIZE', 'slices.q', [slices], b.shapeOf(slices), { quantization: scales.get('slices')! })
    : slices;
  const last = emitLayers(b, layers, new Map([[node.name, start]]), batch, scales);
  b.add(scales ? 'DEQUANTIZE' : 'RESHAPE', 'embedding', scales ? [last] : [last, b.ints(batch, config.embedding)], [
    batch,
    config.embedding,
  ]);
  b.output('embedding');
  if (classifier) emitClassifier(b, classifier, batch, config.embedding);
  return b;
}

/** Signed 8-bit scale of a range; ONNX Runtime's are unsigned. */
function int8(range: Range): Quantization {
  const { scale, zero } = activationScale(range);
  return { scales: Float32Array.of(scale), zero: zero - 128 };
}

/** Values whose ranges are needed: what a layer computes, except where it only passes values on. */
function measured(layers: readonly Layer[]): string[] {
  const computed = layers.filter((l) => l.op === 'conv' || l.op === 'dense' || l.op === 'add');
  return ['slices', ...computed.map((l) => valueName(l, l === layers.at(-1)))];
}

function valueName(layer: Layer, last: boolean): string {
  if (last) return 'embedding';
  return 'relu' in layer && layer.relu ? `${shortName(layer.name)}.relu` : shortName(layer.name);
}

const none = { i8: 0 };
const valid = { i8: 1 };
const same = { i8: 0 };
const activation = (relu: boolean): Field => ({ i8: relu ? 1 : 0 });

interface Context {
  b: TfliteBuilder;
  batch: number;
  name: string;
  /** Scale of the output, if the model is int8. */
  quantization?: Quantization;
}
type Emit<L> = (c: Context, layer: L, inputs: string[]) => string;

const emitters: { [Name in LayerOp['op']]?: Emit<Layer & { op: Name }> } = {
  conv({ b, batch, name, quantization }, { kernel, weight, bias, shape, relu }, [x]) {
    const [kt, kf] = kernel;
    const [t, f, cout] = shape as [number, number, number];
    const cin = weight.length / (cout * kt * kf);
    // [Cout, Cin, kT, kF] → [Cout, kT, kF, Cin]
    const turned = weight.map((_, i) => {
      const [o, k, c] = [Math.floor(i / (cin * kt * kf)), Math.floor(i / cin) % (kt * kf), i % cin];
      return weight[(o * cin + c) * kt * kf + k]!;
    });
    const constants = weightAndBias(b, name, x!, turned, [cout, kt, kf, cin], bias, cout);
    const options = [same, { i32: 1 }, { i32: 1 }, activation(relu)];
    return b.add('CONV_2D', name, [x!, ...constants], [batch, t, f, cout], { options, quantization });
  },
  dense({ b, batch, name, quantization }, { weight, bias, shape, relu }, [x]) {
    const [out] = shape;
    // One scale for the whole matrix: not every runtime takes one for each row.
    const constants = weightAndBias(b, name, x!, weight, [out, weight.length / out], bias, 1);
    const options = [activation(relu), none, { bool: false }];
    return b.add('FULLY_CONNECTED', name, [x!, ...constants], [batch, out], { options, quantization });
  },
  add: ({ b, batch, name, quantization }, { shape }, inputs) =>
    b.add('ADD', name, inputs, [batch, ...shape], { options: [none], quantization }),
  'max-pool': ({ b, batch, name }, { shape }, [x]) => maxPool(b, name, x!, [2, 2], [batch, ...shape]),
  'global-max-pool'({ b, batch, name }, { shape }, [x]) {
    const [, t, f] = b.shapeOf(x!) as [number, number, number];
    const max = maxPool(b, `${name}.max`, x!, [t, f], [batch, 1, 1, shape[0]]);
    const quantization = b.quantizationOf(max);
    return b.add('RESHAPE', name, [max, b.ints(batch, shape[0])], [batch, shape[0]], { quantization });
  },
};

function maxPool(
  b: TfliteBuilder,
  name: string,
  x: string,
  [t, f]: readonly [number, number],
  shape: readonly number[],
) {
  const options = [valid, { i32: f }, { i32: t }, { i32: f }, { i32: t }, none];
  return b.add('MAX_POOL_2D', name, [x], shape, { options, quantization: b.quantizationOf(x) });
}

function emitLayers(
  b: TfliteBuilder,
  layers: readonly Layer[],
  values: ReadonlyMap<string, string>,
  batch: number,
  scales: ReadonlyMap<string, Quantization> | undefined,
): string {
  const known = new Map(values);
  for (const layer of layers) {
    if (layer.op === 'input') continue;
    const emit = emitters[layer.op] as Emit<Layer> | undefined;
    if (!emit) throw argumentError('graph', 'one of operators with a LiteRT form', layer.op);
    const name = shortName(layer.name);
    const quantization = scales?.get(valueName(layer, layer === layers.at(-1)));
    known.set(
      layer.name,
      emit(
        { b, batch, name, quantization },
        layer,
        layer.inputs.map((n) => known.get(n)!),
      ),
    );
  }
  return known.get(layers.at(-1)!.name)!;
}

/** The constants of a layer: in float, or as integers if its input is quantised. */
function weightAndBias(
  b: TfliteBuilder,
  name: string,
  x: string,
  weight: Float32Array,
  shape: readonly number[],
  bias: Float32Array,
  channels: number,
): string[] {
  const input = b.quantizationOf(x);
  if (!input) return [b.constant(`${name}.weight`, weight, shape), b.constant(`${name}.bias`, bias, [bias.length])];
  const { values, scales } = quantizeWeight(weight, channels);
  const perOutput = bias.map((_, c) => scales[scales.length === 1 ? 0 : c]!);
  const integer = quantizeBias(bias, input.scales[0]!, perOutput);
  const biasScales = channels === 1 ? integer.scales.slice(0, 1) : integer.scales;
  return [
    b.constant(`${name}.weight`, values, shape, { scales, zero: 0 }),
    b.constant(`${name}.bias`, integer.values, [bias.length], { scales: biasScales, zero: 0 }),
  ];
}

function emitClassifier(b: TfliteBuilder, classifier: Classifier, batch: number, embedding: number): void {
  const { classes, weights, bias } = checkClassifier(classifier, embedding);
  const shape = [batch, classes];
  const w = b.constant('classifier.weight', weights, [classes, embedding]);
  const inputs = ['embedding', w, b.constant('classifier.bias', bias, [classes])];
  b.add('FULLY_CONNECTED', 'classifier', inputs, shape, { options: [none, none, { bool: false }] });
  b.add('SOFTMAX', 'probabilities', ['classifier'], shape, { options: [{ f32: 1 }] });
  b.output('probabilities');
}
