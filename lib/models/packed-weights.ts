// Packed model files: 8-bit weights with a scale for each output channel, the norms folded in. A quarter of the size;
// they become float32 when read, so that computing stays as it was.
//
// A convolution or dense layer `x` has `x.weight` (int8), `x.weight.scale` (one for each output) and `x.bias` (float32).
import { type Node, sizeOf } from '../graph/graph.js';
import { BATCH_NORM_EPSILON } from '../native/constants.js';
import type { TensorReader } from './tensor-reader.js';

/** The weights of a graph from the tensors of a packed file. Where a norm was folded, one stands that only adds the
 * bias. */
export function unpackWeights(nodes: readonly Node[], reader: TensorReader): Map<string, Float32Array> {
  const weights = new Map<string, Float32Array>();
  for (const node of nodes) {
    if (node.op === 'conv' || node.op === 'dense') {
      const { name, shape } = node.params[0]!;
      const outputs = shape[0]!;
      const perOutput = sizeOf(shape) / outputs;
      const integers = reader.int8s(name, shape);
      const scales = reader.floats(`${name}.scale`, [outputs]);
      weights.set(
        name,
        Float32Array.from(integers, (w, i) => w * scales[Math.floor(i / perOutput)]!),
      );
      if (node.bias) weights.set(`${node.name}.bias`, reader.floats(`${node.name}.bias`, [outputs]));
    } else if (node.op === 'batch-norm') {
      const channels = node.shape.at(-1)!;
      const all = (value: number) => new Float32Array(channels).fill(value);
      weights.set(`${node.name}.weight`, all(1));
      weights.set(`${node.name}.bias`, reader.floats(`${node.inputs[0]}.bias`, [channels]));
      weights.set(`${node.name}.running_mean`, all(0));
      // With epsilon it is 1 to the last bit of a float32.
      weights.set(`${node.name}.running_var`, all(1 - BATCH_NORM_EPSILON));
    }
  }
  return weights;
}
