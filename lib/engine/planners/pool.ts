// Maxima of 2×2 windows and of whole maps. Which value was largest is found again rather than stored, where the gradient
// is used.
import type { EngineNode } from '../engine-graph.js';
import type { Planner } from './planner.js';

type PoolNode = EngineNode & { op: 'max-pool' | 'global-max-pool' };

export const maxPool: Planner<PoolNode> = {
  ...pool('max_pool'),
  planar: (_, mode) => mode === 'infer',
  endsPlanar: true,
};

export const globalMaxPool = pool('global_max_pool');

function pool(step: string): Planner<PoolNode> {
  return {
    flows: () => true,
    folded: () => true,
    runsOverInput: true,
    saves: () => true,
    value(s, node, phase) {
      const x = s.value(s.input(node), phase);
      const y = s.resultTensor(node);
      s.push(phase, step, { x, y });
      return y;
    },
    backward(s, node, phase) {
      const input = s.input(node);
      if (!s.flows(node, 0)) return;
      if (s.isPassing(input)) return s.contributes(node, 0, phase.level, phase.domain);
      const y = s.savedGradient(input);
      const fields = { x: s.value(input, phase), b: s.gradient(node, phase), y };
      s.add(node, 0, phase, s.push(phase, `${step}_backward`, fields));
    },
    inputGradient(s, node, _, phase) {
      const input = s.input(node);
      const x = s.value(input, phase);
      const b = s.gradient(node, phase);
      const y = s.passingGradient(input, phase);
      s.push(phase, `${step}_backward`, { x, b, y });
      return y;
    },
  };
}
