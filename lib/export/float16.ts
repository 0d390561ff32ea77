// Weights as float16: half the file, computed in float32 after a Cast that runtimes do once, when loading.
import { clone } from '@bufbuild/protobuf';
import { type ModelProto, ModelProtoSchema } from './gen/onnx_pb.js';
import { floats, makeNode, tensor } from './onnx-builder.js';

const float32 = 1; // TensorProto.DataType.FLOAT
const largestHalf = 65504;

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

/** The bits of the float16 nearest to `value` (ties to even). */
export function halfBits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  // Subnormals (below 2^-14) share the exponent of the smallest normal number.
  const exponent = Math.max(-14, Math.floor(Math.log2(magnitude)));
  const steps = roundHalfEven(magnitude / 2 ** (exponent - 10));
  // Steps 1024 to 2047 are a normal number's; 2048 carries into the exponent by itself.
  return sign | (steps + ((exponent + 14) << 10));
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
