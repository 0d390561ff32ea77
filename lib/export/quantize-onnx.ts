// Static int8 quantisation in the form every runtime understands: QuantizeLinear / DequantizeLinear (QDQ) pairs around
// the operators, which runtimes fuse into integer ones. Weights per output channel and symmetric, activations unsigned.
import { clone } from '@bufbuild/protobuf';
import { argumentError } from '../util/errors.js';
import { type CalibrationInput, type CalibrationMethod, calibrate } from './activation-ranges.js';
import { type ModelProto, ModelProtoSchema, type NodeProto, type TensorProto } from './gen/onnx_pb.js';
import { floats, makeNode, tensor } from './onnx-builder.js';
import { type ActivationScale, activationScale, quantizeBias, quantizeWeight } from './quantization.js';

/** An encoder's first blocks have few weights and few channels, so integers save nothing there; ONNX Runtime is as fast or
 * faster with them in float. */
export const encoderFloatLayers: readonly string[] = ['blocks.0', 'blocks.1'];

export interface QuantizeOptions {
  /** Real inputs of the model; some hundred slices are enough. */
  calibration: readonly CalibrationInput[];
  /** Default `min-max`: the encoder ends in a maximum, so clipping what is rare costs more than coarser steps. */
  method?: CalibrationMethod;
  /** Layers to leave in float, by the beginning of their names. Default: {@link encoderFloatLayers}. */
  floatLayers?: readonly string[];
  /** 7 for x86 processors without VNNI, whose 8-bit sums may saturate; default 8. */
  weightBits?: 7 | 8;
  signal?: AbortSignal;
}

/** Operators with an integer form in ONNX Runtime and on phones. */
const weighted = new Set(['Conv', 'Gemm']);
const quantizable = new Set([...weighted, 'Add', 'MaxPool', 'Flatten']);
/** Operators that pass values on as they are: their output has their input's scale. */
const passing = new Set(['MaxPool', 'Flatten']);

/** The float model in int8, from its first layer with weights on; the outputs are float again. */
export async function quantizeOnnx(model: ModelProto, options: QuantizeOptions): Promise<ModelProto> {
  const { calibration, method = 'min-max', floatLayers = encoderFloatLayers, weightBits = 8, signal } = options;
  const quantized = clone(ModelProtoSchema, model);
  const graph = quantized.graph!;
  const constants = new Map(graph.initializer.map((t) => [t.name, t]));
  const first = graph.node.findIndex((n) => weighted.has(n.opType));
  const isQuantizable = ({ name, opType, input }: NodeProto) =>
    quantizable.has(opType) &&
    !floatLayers.some((f) => name.startsWith(f)) &&
    // What adds a constant is part of something else, such as a norm.
    !(opType === 'Add' && input.some((x) => constants.has(x)));
  const chosen = new Set(first < 0 ? [] : graph.node.slice(first).filter(isQuantizable));
  if (chosen.size === 0) throw argumentError('floatLayers', 'a part of the layers', floatLayers.join(', '));

  const values = activations(graph.node, chosen, new Set(graph.output.map((o) => o.name)));
  const ranges = await calibrate(model, [...new Set(values.values())], calibration, method, signal);
  const scales = new Map<string, ActivationScale>();
  for (const [name, source] of values) scales.set(name, activationScale(ranges.get(source)!));

  const nodes: NodeProto[] = [];
  const pair = (value: string) => nodes.push(...quantizePair(value, scales.get(value)!, constants));
  for (const name of values.keys()) if (!graph.node.some((n) => n.output[0] === name)) pair(name);
  for (const node of graph.node) {
    if (chosen.has(node)) {
      if (weighted.has(node.opType)) {
        nodes.push(...quantizeConstants(node, scales.get(node.input[0]!)!, weightBits, constants));
      }
      node.input = node.input.map((name) => (scales.has(name) ? `${name}.dq` : name));
    }
    nodes.push(node);
    const value = node.output[0]!;
    if (!scales.has(value)) continue;
    if (node.opType === 'MaxPool' && !chosen.has(node)) nodes.push(holdBack(node));
    pair(value);
  }
  graph.node = nodes;
  graph.initializer = [...constants.values()];
  return quantized;
}

/** The values to quantise, each with the value whose range it takes (itself, unless an operator only passes it on). */
function activations(
  nodes: readonly NodeProto[],
  chosen: ReadonlySet<NodeProto>,
  outputs: ReadonlySet<string>,
): Map<string, string> {
  const values = new Map<string, string>();
  const producer = new Map(nodes.map((n) => [n.output[0]!, n]));
  const source = (name: string): string => {
    const node = producer.get(name);
    return node && passing.has(node.opType) ? source(node.input[0]!) : name;
  };
  for (const node of chosen) {
    const inputs = weighted.has(node.opType) ? node.input.slice(0, 1) : node.input;
    for (const name of inputs) values.set(name, source(name));
    // A ReLU is part of the layer before it: only its output is stored.
    const next = nodes.filter((n) => n.input.includes(node.output[0]!));
    const relu = next.length === 1 && next[0]!.opType === 'Relu';
    const output = (relu ? next[0]! : node).output[0]!;
    if (!outputs.has(output)) values.set(output, source(output));
  }
  return values;
}

/** ONNX Runtime moves a quantisation to before the pooling that precedes it, and then pools integers in an order of
 * axes that is 15 times slower (1.30, x64). A ReLU between them, where all values are positive anyway, holds it back. */
function holdBack(pool: NodeProto): NodeProto {
  const value = pool.output[0]!;
  pool.output = [`${value}.float`];
  return makeNode('Relu', '', [`${value}.float`], {}, value);
}

function quantizePair(value: string, { scale, zero }: ActivationScale, constants: Map<string, TensorProto>) {
  const s = `${value}.scale`;
  // Names of what many share say what it is.
  const z = `zero_${zero}`;
  constants.set(s, tensor(s, Float32Array.of(scale), []));
  constants.set(z, tensor(z, Uint8Array.of(zero), []));
  return [
    makeNode('QuantizeLinear', '', [value, s, z], {}, `${value}.q`),
    makeNode('DequantizeLinear', '', [`${value}.q`, s, z], {}, `${value}.dq`),
  ];
}

/** Replaces weight and bias of a node by integers; returns the nodes that turn them back into real numbers. */
function quantizeConstants(
  node: NodeProto,
  input: ActivationScale,
  bits: 7 | 8,
  constants: Map<string, TensorProto>,
): NodeProto[] {
  const [, weightName, biasName] = node.input as [string, string, string];
  const [weight, bias] = [constants.get(weightName)!, constants.get(biasName)!];
  const dims = weight.dims.map(Number);
  const { values, scales } = quantizeWeight(floats(weight), dims[0]!, bits);
  const integerBias = quantizeBias(floats(bias), input.scale, scales);
  constants.delete(weightName);
  constants.delete(biasName);
  const dequantize = (name: string, data: Int8Array | Int32Array, shape: number[], by: Float32Array) => {
    const zeros = `zeros_${data instanceof Int8Array ? 'int8' : 'int32'}_${by.length}`;
    constants.set(`${name}.q`, tensor(`${name}.q`, data, shape));
    constants.set(`${name}.scale`, tensor(`${name}.scale`, by, [by.length]));
    const zero = data instanceof Int8Array ? new Int8Array(by.length) : new Int32Array(by.length);
    constants.set(zeros, tensor(zeros, zero, [by.length]));
    return makeNode('DequantizeLinear', '', [`${name}.q`, `${name}.scale`, zeros], { axis: 0 }, name);
  };
  return [
    dequantize(weightName, values, dims, scales),
    dequantize(biasName, integerBias.values, [dims[0]!], integerBias.scales),
  ];
}
