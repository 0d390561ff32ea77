// The graph as it is used after training: batch norm disappears into the layer before it, the weights sit in the
// layers. Every export starts from this list; the native engine folds in the same way when it packs its weights.
import { Audio2VecError, argumentError } from '../util/errors.js';
import { type Graph, type Node, type Scalar, sizeOf } from './graph.js';
import type { Layer, LayerArrays } from './layer.js';
import type { Trained } from './operator.js';
import { factsOf } from './operators/index.js';
import { affine } from './operators/layers.js';

export type { Layer, LayerArrays } from './layer.js';

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
    if (node.op === 'loss') throw argumentError('graph', 'one of inference operators only', `a loss (${node.name})`);
    const trained: Trained = {
      array: (key) => arrayOf(node, key, weights),
      scalar: (name) => scalarValue(name, scalars),
    };
    const layer = { ...node, arrays: noArrays, result: node.name, ...factsOf(node)?.trained?.(node, trained) } as Layer;
    /** The layer before, if nothing else reads it. */
    const before = readers.get(node.inputs[0]!) === 1 ? layers.get(node.inputs[0]!) : undefined;
    if (layer.op === 'batch-norm' && (before?.op === 'conv' || before?.op === 'dense') && !before.relu) {
      layers.delete(before.result);
      const arrays = scaled(before.arrays, affine(trained));
      layers.set(node.name, { ...before, arrays, relu: layer.relu, result: node.name });
      continue;
    }
    if (layer.op === 'global-max-pool' && before?.op === 'max-pool') {
      // The maximum of all maxima: pooling just before changes nothing.
      layers.delete(before.result);
      layer.inputs = before.inputs;
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

function scaled(layer: LayerArrays, { scale, shift }: ReturnType<typeof affine>): LayerArrays {
  const perOutput = layer.weight.length / scale.length;
  return {
    weight: layer.weight.map((w, i) => w * scale[Math.floor(i / perOutput)]!),
    bias: layer.bias.map((b, c) => b * scale[c]! + shift[c]!),
  };
}
