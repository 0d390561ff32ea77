// Training: a planar convolution of a single channel over time, and the norm that alone reads it. What the norm's
// statistics and both layers' gradients are follows from sums over the convolution's few taps, and it is computed together
// with its norm: see native/engine/single_channel.h.
import { type ConvNode, channels, type EngineNode, type NormedConvNode, type NormNode } from '../engine-graph.js';
import { type Rewrite, type RewriteContext, replaced } from './rewrite.js';

export const singleChannel: Rewrite = {
  name: 'single-channel',
  mode: 'train',
  apply(nodes, context) {
    const removed = new Set<EngineNode>();
    const instead = new Map<EngineNode, EngineNode>();
    for (const norm of nodes) {
      if (norm.op !== 'batch-norm' || (norm as NormNode).running) continue;
      const conv = context.input(norm);
      if (!readsSingleChannel(conv, context) || context.onlyReader(conv) !== norm) continue;
      removed.add(conv);
      const { name, shape, rows } = norm;
      const params = [...conv.params, ...norm.params];
      const node: NormedConvNode = { op: 'normed-conv', name, inputs: conv.inputs, shape, rows, params, conv, norm };
      instead.set(norm, node);
    }
    return replaced(nodes, removed, instead);
  },
};

/** Whether a convolution reads an input of one channel and has taps along frames only. */
export function readsSingleChannel(conv: EngineNode, context: RewriteContext): conv is ConvNode {
  if (conv.op !== 'conv' || conv.bias || conv.window || (conv as ConvNode).upsampled) return false;
  const input = context.input(conv);
  if (input.op !== 'input' || channels(input) !== 1 || context.wantedGradients.has(input.name)) return false;
  return context.planar.has(conv.name) && conv.kernel[0] <= 3 && conv.kernel[1] === 1;
}
