// A mean squared error between a map and an input is computed in the phase that computes the map, where what the map is
// made of needs its gradient once: neither the map nor its gradient is saved.
import type { EngineNode, LossNode } from '../engine-graph.js';
import type { Rewrite } from './rewrite.js';

export const lossInPlace: Rewrite = {
  name: 'loss-in-place',
  mode: 'both',
  apply(nodes, context) {
    const applies = (loss: LossNode) => {
      if (loss.loss !== 'mse' || loss.inputs.length !== 2 || context.input(loss, 1).op !== 'input') return false;
      const map = context.input(loss);
      if (context.onlyReader(map) !== loss) return false;
      const parts = map.op === 'add' ? map.inputs.map((_, i) => context.input(map, i)) : [map];
      const reader = map.op === 'add' ? map : loss;
      return parts.every(
        (part) => (part.op === 'conv' || part.op === 'upsample') && context.onlyReader(part) === reader,
      );
    };
    return nodes.map((node): EngineNode => (node.op === 'loss' && applies(node) ? { ...node, inPlace: true } : node));
  },
};
