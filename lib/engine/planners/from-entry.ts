// The planner of an operator that says in its entry (lib/graph/operators) which steps it is made of.
import type { Operand, Operator, StepUse } from '../../graph/operator.js';
import type { PlanStep } from '../../native/plan.js';
import type { EngineNode } from '../engine-graph.js';
import type { Phase } from '../plan-builder.js';
import type { Planner, Schedule } from './planner.js';

/** Operators whose value is cheaper to compute again than to load. */
const recomputed = new Set(['upsample']);
/** Operators that walk the units of what they read. */
const reducing = new Set(['pool']);

export function plannerFromEntry(entry: Operator): Planner {
  const operand = (s: Schedule, node: EngineNode, phase: Phase, which: Operand | undefined): number => {
    if (which === undefined) return -1;
    if (which === 'gradient') return s.gradient(node, phase);
    return s.value(which === 'result' ? node : s.input(node, which), phase);
  };
  const push = (s: Schedule, node: EngineNode, phase: Phase, use: StepUse, y: number): PlanStep => {
    const [x, b, g] = [use.x, use.b, use.g].map((which) => operand(s, node, phase, which));
    return s.push(phase, use.step, { ...use.fields, x, b, g, y, scalar: s.scalarOf(use.scalar) });
  };
  return {
    flows: (node, i) => entry.backward(node as never, i) !== undefined,
    saves: (_, node) => !recomputed.has(node.op),
    runsOverInput: reducing.has(entry.op),
    value(s, node, phase) {
      const y = s.resultTensor(node);
      for (const use of entry.forward(node as never)) push(s, node, phase, use, y);
      return y;
    },
    backward(s, node, phase) {
      node.inputs.forEach((_, i) => {
        if (!s.flows(node, i)) return;
        const y = s.savedGradient(s.input(node, i));
        s.add(node, i, phase, push(s, node, phase, entry.backward(node as never, i)!, y));
      });
    },
  };
}
