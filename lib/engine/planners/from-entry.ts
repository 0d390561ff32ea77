// The planner of an operator that says in its entry (lib/graph/operators) which steps it is made of.
import { frozen } from '../../graph/made-nodes.js';
import type { Operand, Operator, StepUse } from '../../graph/operator.js';
import type { PlanStep } from '../../native/plan.js';
import type { EngineNode } from '../engine-graph.js';
import type { Phase } from '../plan-builder.js';
import type { Planner, Schedule } from './planner.js';
import { checkForward, checkStep } from './step-shapes.js';

export function plannerFromEntry(entry: Operator): Planner {
  const operand = (s: Schedule, node: EngineNode, phase: Phase, which: Operand | undefined): number => {
    if (which === undefined) return -1;
    if (which === 'gradient') return s.gradient(node, phase);
    return s.value(which === 'result' ? node : s.input(node, which), phase);
  };
  const layouts = (node: EngineNode) => [
    ...(entry.planar ? (['planar'] as const) : []),
    ...(entry.folded?.(node as never) ? (['folded'] as const) : []),
  ];
  const push = (
    s: Schedule,
    node: EngineNode,
    phase: Phase,
    given: StepUse,
    y: number,
    result: EngineNode,
  ): PlanStep => {
    const use = frozen(given); // read once
    const behind = (which: Operand) =>
      which === 'result' || which === 'gradient' ? node : s.input(node, which as number);
    checkStep(node, use, behind, result, layouts(node));
    const [x, b, g] = [use.x, use.b, use.g].map((which) => operand(s, node, phase, which));
    return s.push(phase, use.step, { ...use.fields, x, b, g, y, scalar: s.scalarOf(use.scalar) });
  };
  return {
    flows: (node, i) => entry.backward(node as never, i) !== undefined,
    saves: () => !entry.recomputed,
    runsOverInput: entry.overInput,
    planar: () => entry.planar === true,
    folded: (node) => entry.folded?.(node as never) ?? false,
    value(s, node, phase) {
      const y = s.resultTensor(node);
      const steps = entry.forward(node as never);
      checkForward(node, steps);
      for (const use of steps) push(s, node, phase, use, y, node);
      return y;
    },
    backward(s, node, phase) {
      node.inputs.forEach((_, i) => {
        if (!s.flows(node, i)) return;
        const input = s.input(node, i);
        const y = s.savedGradient(input);
        s.add(node, i, phase, push(s, node, phase, entry.backward(node as never, i)!, y, input));
      });
    },
  };
}
