// Weights as float16: half the file, computed in float32 after a Cast that runtimes do once, when loading.
import { clone } from '@bufbuild/protobuf';
import { halfBits, largestHalf } from '../util/half.js';
import { type ModelProto, ModelProtoSchema } from './gen/onnx_pb.js';
import { floats, makeNode, tensor } from './onnx-builder.js';

const float32 = 1; // TensorProto.DataType.FLOAT

/** The model with the weights of its convolutions and dense layers stored as float16. The front end's tables, biases
 * and what float16 cannot hold stay as they are. */
export function halveWeights(model: ModelProto): ModelProto {
  const halved = clone(ModelProtoSchema, model);
  const graph = halved.graph!;
  const weights = new Set(graph.node.filter((n) => n.opType === 'Conv' || n.opType === 'Gemm').map((n) => n.input[1]));
  const casts = [];
  for (const [i, t] of graph.initializer.entries()) {
    if (!weights.has(t.name)) continue;
    const values = floats(t);
    if (values.some((v) => Math.abs(v) > largestHalf)) continue;
    const half = `${t.name}.half`;
    graph.initializer[i] = tensor(half, { half: Uint16Array.from(values, halfBits) }, t.dims.map(Number));
    casts.push(makeNode('Cast', t.name, [half], { to: float32 }));
  }
  graph.node.unshift(...casts);
  return halved;
}
