// Training: the end of a residual block, pool(ReLU(norm(a)) + ReLU(norm(b))), is one step forward and two backward
// (native/engine/residual_pool.h): neither the normalised maps nor their sum or its gradient are written.
import type { ConvNode, EngineNode, NormNode, ResidualPoolNode } from '../engine-graph.js';
import { pooledSums, type Rewrite, replaced } from './rewrite.js';
import { readsSingleChannel } from './single-channel.js';

export const residualPool: Rewrite = {
  name: 'residual-pool',
  mode: 'train',
  apply(nodes, context) {
    const removed = new Set<EngineNode>();
    const instead = new Map<EngineNode, EngineNode>();
    for (const { pool, add } of pooledSums(nodes, context)) {
      const norms = [0, 1].map((i) => context.input(add, i)) as [NormNode, NormNode];
      if (norms[0] === norms[1]) continue;
      if (!norms.every((n) => n.op === 'batch-norm' && n.relu && !n.running && context.onlyReader(n) === add)) continue;
      const normed = norms.map((n) => context.input(n));
      if (!normed.every((x, i) => x.op !== 'input' && context.onlyReader(x) === norms[i])) continue;
      for (const node of [add, ...norms]) removed.add(node);
      const { name, shape, rows } = pool;
      const params = norms.flatMap((n) => n.params);
      const inputs = normed.map((x) => x.name);
      const node: ResidualPoolNode = { op: 'residual-pool', name, inputs, shape, rows, params, norms };
      const shortcut = normed[1]!;
      if (readsSingleChannel(shortcut, context) && shortcut.kernel[0] === 1) {
        // Its only multiplication a value is done where it is pooled.
        removed.add(shortcut);
        const own = { inputs: [inputs[0]!, shortcut.inputs[0]!], params: [...params, ...shortcut.params] };
        instead.set(pool, { ...node, ...own, shortcut: shortcut as ConvNode });
      } else instead.set(pool, node);
    }
    return replaced(nodes, removed, instead);
  },
};
