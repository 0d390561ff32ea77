// What the cases feed a network, and how much work a network is.
import type { Batch } from '../engine/network.js';
import type { Graph, Node } from '../graph/graph.js';
import { sizeOf } from '../graph/graph.js';

/** `count` values of white noise in ±1, always the same. */
export function noise(count: number): Float32Array {
  let state = 1;
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = state / 2 ** 31 - 1;
  }
  return values;
}

/** Noise for every input of the graph. (A target in [0, 1] costs no other time when it is outside.) */
export function noiseBatch(graph: Graph, examples: number): Batch {
  const inputs = graph.nodes.filter((node) => node.op === 'input');
  return {
    examples,
    inputs: Object.fromEntries(
      inputs.map(({ name, rows, shape }) => [name, { values: noise(examples * rows * sizeOf(shape)) }]),
    ),
  };
}

/** Parameters of the size that training starts with. */
export function startParameters(graph: Graph): Map<string, Float32Array> {
  return new Map(
    graph.params.map(({ name, shape, init }) => {
      const values = noise(sizeOf(shape));
      const fill = 'constant' in init ? () => init.constant : (v: number) => v / Math.sqrt(init.fanIn);
      return [name, values.map(fill)];
    }),
  );
}

/** Operations of the convolutions and dense layers for one example, 2 a multiply-add. */
export function forwardFlops(nodes: readonly Node[]): number {
  return nodes.reduce((sum, node) => sum + layerFlops(node), 0);
}

/** The same for a training step: backward does as much again for the weights' gradients, and again for the inputs',
 * but for layers that read the network's input. */
export function trainingFlops(nodes: readonly Node[]): number {
  const inputs = new Set(nodes.filter((node) => node.op === 'input').map((node) => node.name));
  return nodes.reduce((sum, node) => sum + layerFlops(node) * (inputs.has(node.inputs[0]!) ? 2 : 3), 0);
}

function layerFlops(node: Node): number {
  if (node.op !== 'conv' && node.op !== 'dense') return 0;
  const weights = sizeOf(node.params[0]!.shape);
  const positions = node.shape.length === 3 ? node.shape[0] * node.shape[1] : 1;
  return 2 * weights * positions * node.rows;
}
