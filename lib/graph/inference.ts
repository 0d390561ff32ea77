// The graph as it is used after training: batch norm disappears into the layer before it, the weights sit in the
// layers. Every export starts from this list; the native engine folds in the same way when it packs its weights.
import { Audio2VecError, argumentError } from '../util/errors.js';
import { type Graph, type Node, type Scalar, sizeOf } from './graph.js';

export const batchNormEpsilon = 1e-5;

/** Weights have the layout of a node's parameters: conv `[Cout, Cin, kT, kF]`, dense `[out, in]`, with a bias always. A
 * batch norm that had no layer to disappear into is weight · x + bias, by channel. */
export interface LayerArrays {
  weight: Float32Array;
  bias: Float32Array;
}

/** A node of a trained network with its weights. */
export type Layer<N extends Node = Node> = N & {
  arrays: LayerArrays;
  /** Whether it ends in one. */
  relu?: boolean;
  /** The node whose value it gives: itself, or a batch norm that disappeared into it. */
  result: string;
};

const noArrays: LayerArrays = { weight: new Float32Array(), bias: new Float32Array() };

/** Layers in the order they are computed: those that `outputs` need, or all. Run-time scalars have their default value.
 * Throws `ERR_ARGUMENT` for a graph with a loss or without all its weights. */
export function inferenceLayers(
  graph: Pick<Graph, 'nodes' | 'scalars'> | readonly Node[],
  weights: ReadonlyMap<string, Float32Array>,
  outputs: readonly string[] = [],
): Layer[] {
  const [all, scalars] = 'nodes' in graph ? [graph.nodes, graph.scalars] : [graph, []];
  const nodes = outputs.length > 0 ? neededNodes(all, outputs) : all;
  const readers = new Map<string, number>();
  for (const name of [...nodes.flatMap((n) => n.inputs), ...outputs]) readers.set(name, (readers.get(name) ?? 0) + 1);
  /** By the node whose value they give. */
  const layers = new Map<string, Layer>();

  for (const node of nodes) {
    const array = (key: string) => arrayOf(node, key, weights);
    /** The layer before, if nothing else reads it. */
    const before = readers.get(node.inputs[0]!) === 1 ? layers.get(node.inputs[0]!) : undefined;
    const layer: Layer = { ...node, arrays: noArrays, result: node.name };
    switch (layer.op) {
      case 'loss':
        throw argumentError('graph', 'one of inference operators only', `a loss (${node.name})`);
      case 'scale':
        layer.factor *= scalarValue(layer.scalar, scalars);
        break;
      case 'conv':
      case 'dense': {
        const bias = layer.bias ? array('bias') : new Float32Array(layer.shape[layer.shape.length - 1]!);
        layer.arrays = { weight: array('weight'), bias };
        break;
      }
      case 'batch-norm': {
        const { scale, shift } = affine(array('weight'), array('bias'), array('running_mean'), array('running_var'));
        if ((before?.op === 'conv' || before?.op === 'dense') && !before.relu) {
          layers.delete(before.result);
          const arrays = scaled(before.arrays, scale, shift);
          layers.set(node.name, { ...before, arrays, relu: layer.relu, result: node.name });
          continue;
        }
        layer.arrays = { weight: Float32Array.from(scale), bias: Float32Array.from(shift) };
        break;
      }
      case 'global-max-pool':
        // The maximum of all maxima: pooling just before changes nothing.
        if (before?.op === 'max-pool') {
          layers.delete(before.result);
          layer.inputs = before.inputs;
        }
        break;
    }
    layers.set(node.name, layer);
  }
  return [...layers.values()];
}

/** The nodes that these are computed from, and they themselves. */
export function neededNodes(nodes: readonly Node[], outputs: readonly string[]): Node[] {
  const wanted = new Set(outputs);
  for (const name of wanted) {
    if (!nodes.some((n) => n.name === name)) throw argumentError('output', 'a node of the graph', name);
  }
  // From the end: whatever reads a node stands behind it.
  for (const node of [...nodes].reverse()) if (wanted.has(node.name)) for (const name of node.inputs) wanted.add(name);
  return nodes.filter((n) => wanted.has(n.name));
}

function scalarValue(scalar: string | undefined, scalars: readonly Scalar[]): number {
  if (scalar === undefined) return 1;
  const found = scalars.find((s) => s.scalar === scalar);
  if (!found) throw argumentError('graph', 'given whole: a list of nodes has no run-time scalars', scalar);
  return found.value;
}

function arrayOf(node: Node, key: string, weights: ReadonlyMap<string, Float32Array>): Float32Array {
  // Its own, or those of the layer that it shares weights with.
  const parameter = node.params.find(({ name }) => name.endsWith(`.${key}`));
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

function scaled(layer: LayerArrays, scale: Float64Array, shift: Float64Array): LayerArrays {
  const perOutput = layer.weight.length / scale.length;
  return {
    weight: layer.weight.map((w, i) => w * scale[Math.floor(i / perOutput)]!),
    bias: layer.bias.map((b, c) => b * scale[c]! + shift[c]!),
  };
}
