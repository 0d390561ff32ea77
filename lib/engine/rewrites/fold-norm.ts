// Inference: a batch norm disappears into the convolution before it, whose weights and bias take its running statistics
// (native/engine/pack.h).
import type { ConvNode, EngineNode } from '../engine-graph.js';
import { type Rewrite, replaced } from './rewrite.js';

export const foldNorm: Rewrite = {
  name: 'fold-norm',
  mode: 'infer',
  apply(nodes, context) {
    const removed = new Set<EngineNode>();
    const instead = new Map<EngineNode, EngineNode>();
    for (const norm of nodes) {
      if (norm.op !== 'batch-norm') continue;
      const conv = context.input(norm) as ConvNode;
      if (conv.op !== 'conv' || conv.bias || context.onlyReader(conv) !== norm) continue;
      removed.add(conv);
      instead.set(norm, { ...conv, name: norm.name, foldedNorm: norm });
    }
    return replaced(nodes, removed, instead);
  },
};
