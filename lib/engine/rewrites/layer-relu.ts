// A ReLU that alone reads a convolution or dense layer is that layer's end: nothing is written before it.
import type { ConvNode, DenseNode, EngineNode } from '../engine-graph.js';
import { type Rewrite, replaced } from './rewrite.js';

export const layerRelu: Rewrite = {
  name: 'layer-relu',
  mode: 'both',
  apply(nodes, context) {
    const removed = new Set<EngineNode>();
    const instead = new Map<EngineNode, EngineNode>();
    for (const relu of nodes) {
      if (relu.op !== 'relu') continue;
      const layer = context.input(relu) as ConvNode | DenseNode;
      if (layer.op !== 'conv' && layer.op !== 'dense') continue;
      if (context.onlyReader(layer) !== relu || (layer as ConvNode).foldedNorm) continue;
      removed.add(layer);
      instead.set(relu, { ...layer, name: relu.name, relu: true });
    }
    return replaced(nodes, removed, instead);
  },
};
