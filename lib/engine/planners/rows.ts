// Operators that change how many values an example has.
import type { EngineNode } from '../engine-graph.js';
import type { Planner } from './planner.js';

export const reshape: Planner<EngineNode & { op: 'reshape' }> = {
  flows: () => true,
  folded: () => true,
  saves: () => true,
  value(s, node, phase) {
    const x = s.value(s.input(node), phase);
    const y = s.resultTensor(node);
    s.push(phase, 'reshape', { x, y, ...rowsOf(s.input(node), node) });
    return y;
  },
  backward(s, node, phase) {
    if (!s.flows(node, 0)) return;
    const input = s.input(node);
    const y = s.savedGradient(input);
    const fields = { x: s.gradient(node, phase), y, ...rowsOf(input, node) };
    s.add(node, 0, phase, s.push(phase, 'reshape_backward', fields));
  },
};

/** How many units of the input become how many of the result. */
function rowsOf(input: EngineNode, node: EngineNode): { rows: number; count: number } {
  const divisor = greatestCommonDivisor(input.rows, node.rows);
  return { rows: input.rows / divisor, count: node.rows / divisor };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

export const select: Planner<EngineNode & { op: 'select' }> = {
  flows: () => true,
  folded: () => true,
  readsGradientLater: true,
  saves: () => true,
  value(s, node, phase) {
    const x = s.value(s.input(node), phase);
    const y = s.resultTensor(node);
    s.push(phase, 'select', { x, y, rows: s.input(node).rows, first: node.first, count: node.rows });
    return y;
  },
  backward(s, node, phase) {
    if (!s.flows(node, 0)) return;
    const input = s.input(node);
    // Runs over all units of its input, so that those not picked get a zero.
    const all = s.phaseOf(phase.level + 1, input.rows, s.domain(input));
    const y = s.savedGradient(input);
    const fields = { x: s.gradient(node, phase), y, rows: input.rows, first: node.first, count: node.rows };
    s.add(node, 0, all, s.push(all, 'select_backward', fields));
  },
};
