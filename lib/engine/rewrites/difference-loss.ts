// A loss of a difference whose second side is trained too: the difference becomes a node of its own, and the loss compares
// that with zero.
import { losses } from '../../graph/losses.js';
import type { EngineNode } from '../engine-graph.js';
import type { Rewrite } from './rewrite.js';

export const differenceLoss: Rewrite = {
  name: 'difference-loss',
  mode: 'both',
  apply(nodes, context) {
    return nodes.flatMap((node): EngineNode[] => {
      if (node.op !== 'loss' || !losses[node.loss].ofDifference) return [node];
      const [a, b, ...weights] = node.inputs;
      const target = b !== undefined && context.input(node, 1);
      if (!target || (target.op === 'input' && !context.wantedGradients.has(target.name))) return [node];
      const { shape, rows } = context.input(node);
      const difference = {
        op: 'sub',
        name: context.freeName(`${node.name} difference`),
        inputs: [a!, b],
        shape,
        rows,
        params: [],
      } as const;
      return [difference, { ...node, inputs: [difference.name, ...weights], ofDifference: true }];
    });
  },
};
