// Inference: a max-pool adds what it pools itself; and where the second summand is a 1×1 convolution of a single channel
// with its norm and ReLU, one multiplication a value, it computes that too (native/engine/max_pool.h).
import type { ConvNode, EngineNode, SumPoolNode } from '../engine-graph.js';
import { channels } from '../engine-graph.js';
import { pooledSums, type Rewrite, type RewriteContext, replaced } from './rewrite.js';

export const sumPool: Rewrite = {
  name: 'sum-pool',
  mode: 'infer',
  apply(nodes, context) {
    const removed = new Set<EngineNode>();
    const instead = new Map<EngineNode, EngineNode>();
    for (const { pool, add } of pooledSums(nodes, context)) {
      removed.add(add);
      const { name, shape, rows, params } = pool;
      const node: SumPoolNode = { op: 'sum-pool', name, inputs: add.inputs, shape, rows, params };
      const shortcut = context.input(add, 1);
      if (isSmall(shortcut, add, context)) {
        removed.add(shortcut);
        instead.set(pool, { ...node, inputs: [add.inputs[0]!, shortcut.inputs[0]!], shortcut });
      } else instead.set(pool, node);
    }
    return replaced(nodes, removed, instead);
  },
};

function isSmall(node: EngineNode, add: EngineNode, context: RewriteContext): node is ConvNode {
  if (node.op !== 'conv' || context.onlyReader(node) !== add || !context.planar.has(node.name)) return false;
  const { foldedNorm, kernel } = node as ConvNode;
  return Boolean(foldedNorm?.relu) && kernel[0] * kernel[1] === 1 && channels(context.input(node)) === 1;
}
