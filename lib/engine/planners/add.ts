// Addition: both inputs have its gradient.
import type { EngineNode } from '../engine-graph.js';
import type { Planner } from './planner.js';

export const add: Planner<EngineNode & { op: 'add' }> = {
  flows: () => true,
  planar: () => true,
  folded: () => true,
  saves: (s, node) => !s.readers(node).every((reader) => reader.op === 'max-pool'),
  value(s, node, phase) {
    const [x, b] = node.inputs.map((_, i) => s.value(s.input(node, i), phase));
    const y = s.resultTensor(node);
    s.push(phase, 'add', { x, b, y });
    return y;
  },
  backward(s, node, phase) {
    for (const i of node.inputs.keys()) {
      const input = s.input(node, i);
      if (!s.flows(node, i)) continue;
      if (s.isPassing(input)) s.contributes(node, i, phase.level, phase.domain);
      else {
        const y = s.savedGradient(input);
        s.add(node, i, phase, s.push(phase, 'scale', { x: s.gradient(node, phase), y, number: 1 }));
      }
    }
  },
  inputGradient: (s, node, _, phase) => s.gradient(node, phase),
};
