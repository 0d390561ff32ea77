// The graph as it is used after training: batch norm disappears into the layer before it, the weights sit in the
// layers. Every export starts from this list; the native engine folds in the same way when it packs its weights.
import { Audio2VecError, argumentError } from '../util/errors.js';
import { type Node, type Parameter, type Shape, sizeOf } from './graph.js';

export const batchNormEpsilon = 1e-5;

/** A layer of a trained network. Weights have the layout of {@link Parameter}: conv `[Cout, Cin, kT, kF]`, dense
 * `[out, in]`. `affine` is a batch norm that has no convolution or dense layer of its own to disappear into. */
export type LayerOp =
  | { op: 'input' | 'relu' | 'add' | 'max-pool' | 'global-max-pool' | 'upsample' | 'reshape' }
  | { op: 'conv'; kernel: readonly [number, number]; weight: Float32Array; bias: Float32Array; relu: boolean }
  | { op: 'dense'; weight: Float32Array; bias: Float32Array; relu: boolean }
  | { op: 'affine'; scale: Float32Array; shift: Float32Array; relu: boolean };

export type Layer = LayerOp & { name: string; inputs: readonly string[]; shape: Shape; rows: number };

/** Layers in the order they are computed. Throws `ERR_ARGUMENT` for a graph with a loss or without all its weights. */
export function inferenceLayers(nodes: readonly Node[], weights: ReadonlyMap<string, Float32Array>): Layer[] {
  const consumers = new Map<string, number>();
  for (const input of nodes.flatMap((n) => n.inputs)) consumers.set(input, (consumers.get(input) ?? 0) + 1);
  const layers = new Map<string, Layer>();
  /** Names of nodes that live on in another layer. */
  const renamed = new Map<string, string>();

  for (const node of nodes) {
    const array = (key: string) => arrayOf(node, key, weights);
    const inputs = node.inputs.map((name) => renamed.get(name) ?? name);
    const base = { name: node.name, inputs, shape: node.shape, rows: node.rows };
    const channels = node.shape[node.shape.length - 1]!;
    switch (node.op) {
      case 'conv':
      case 'dense': {
        const bias = node.bias ? array('bias') : new Float32Array(channels);
        const common = { ...base, weight: array('weight'), bias, relu: false };
        layers.set(
          node.name,
          node.op === 'conv' ? { ...common, op: 'conv', kernel: node.kernel } : { ...common, op: 'dense' },
        );
        break;
      }
      case 'batch-norm': {
        const { scale, shift } = affine(array('weight'), array('bias'), array('running_mean'), array('running_var'));
        const before = layers.get(inputs[0]!);
        const foldable = (before?.op === 'conv' || before?.op === 'dense') && !before.relu;
        if (foldable && consumers.get(node.inputs[0]!) === 1) {
          layers.set(before.name, { ...before, ...scaled(before, scale, shift), relu: node.relu });
          renamed.set(node.name, before.name);
        } else {
          const [a, b] = [Float32Array.from(scale), Float32Array.from(shift)];
          layers.set(node.name, { ...base, op: 'affine', scale: a, shift: b, relu: node.relu });
        }
        break;
      }
      case 'global-max-pool': {
        // The maximum of all maxima: pooling just before changes nothing.
        const before = layers.get(inputs[0]!);
        if (before?.op === 'max-pool' && consumers.get(node.inputs[0]!) === 1) {
          layers.delete(before.name);
          layers.set(node.name, { ...base, op: node.op, inputs: before.inputs });
        } else layers.set(node.name, { ...base, op: node.op });
        break;
      }
      case 'input':
      case 'relu':
      case 'add':
      case 'max-pool':
      case 'upsample':
      case 'reshape':
        layers.set(node.name, { ...base, op: node.op });
        break;
      default:
        throw argumentError('graph', 'one of inference operators only', `${node.op} (${node.name})`);
    }
  }
  return [...layers.values()];
}

function arrayOf(node: Node, key: string, weights: ReadonlyMap<string, Float32Array>): Float32Array {
  const parameter = node.params.find((p: Parameter) => p.name === `${node.name}.${key}`);
  const array = parameter && weights.get(parameter.name);
  if (!array || array.length !== sizeOf(parameter.shape)) {
    const wanted = `an array of ${parameter ? sizeOf(parameter.shape) : 'some'} values`;
    throw new Audio2VecError('ERR_ARGUMENT', `weights must hold ${node.name}.${key}, ${wanted}.`);
  }
  return array;
}

/** Batch norm with running statistics as x·scale + shift, in double precision. */
function affine(weight: Float32Array, bias: Float32Array, mean: Float32Array, variance: Float32Array) {
  const scale = Float64Array.from(weight, (w, c) => w / Math.sqrt(variance[c]! + batchNormEpsilon));
  const shift = Float64Array.from(bias, (b, c) => b - mean[c]! * scale[c]!);
  return { scale, shift };
}

function scaled(layer: { weight: Float32Array; bias: Float32Array }, scale: Float64Array, shift: Float64Array) {
  const perOutput = layer.weight.length / scale.length;
  return {
    weight: layer.weight.map((w, i) => w * scale[Math.floor(i / perOutput)]!),
    bias: layer.bias.map((b, c) => b * scale[c]! + shift[c]!),
  };
}
