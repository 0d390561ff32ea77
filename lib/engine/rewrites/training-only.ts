// Inference: operators that only training needs (dropout, stopped gradients) are left out.
import { operatorOf } from '../../graph/operators/index.js';
import type { EngineNode } from '../engine-graph.js';
import type { Rewrite } from './rewrite.js';

export const trainingOnly: Rewrite = {
  name: 'training-only',
  mode: 'infer',
  apply(nodes, { targets }) {
    const instead = new Map<string, string>();
    const out: EngineNode[] = [];
    for (const node of nodes) {
      const inputs = node.inputs.map((name) => instead.get(name) ?? name);
      if (operatorOf(node)?.trainingOnly) {
        if (!targets.has(node.name)) instead.set(node.name, inputs[0]!);
        else out.push({ ...node, op: 'scale', factor: 1, scalar: undefined, inputs: inputs.slice(0, 1) } as EngineNode);
      } else out.push(inputs.some((name, i) => name !== node.inputs[i]) ? { ...node, inputs } : node);
    }
    return out;
  },
};
