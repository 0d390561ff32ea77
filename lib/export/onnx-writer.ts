// What operators are made of (lib/graph/emission.ts), in ONNX. Maps [T, F, C] are [N, C, T, F] there, vectors [N, C]; N
// counts examples times rows.
import type {
  BinaryFunction,
  ConvEmission,
  Emitted,
  GraphWriter,
  PoolEmission,
  UnaryFunction,
} from '../graph/emission.js';
import { type Shape, sizeOf } from '../graph/node.js';
import { type Axes, paddingBehind, type Window } from '../graph/window.js';
import type { Attributes, OnnxBuilder } from './onnx-builder.js';

type Map3 = readonly [number, number, number];

export class OnnxWriter implements GraphWriter {
  /** Values that computing in 8 bits needs the range of: what convolutions, dense layers and sums read and give. */
  readonly ranged = new Set<string>();

  constructor(private readonly b: OnnxBuilder) {}

  unary(fn: UnaryFunction, name: string, x: Emitted): Emitted {
    return { ...x, name: this.b.node(fn, name, [x.name]) };
  }

  leakyRelu(name: string, x: Emitted, slope: number): Emitted {
    return { ...x, name: this.b.node('LeakyRelu', name, [x.name], { alpha: { float: slope } }) };
  }

  binary(fn: BinaryFunction, name: string, a: Emitted, b: Emitted | number | Float32Array): Emitted {
    const y = { ...a, name: this.b.node(fn, name, [a.name, this.operand(name, a, b)]) };
    if (fn === 'Add' && typeof b === 'object' && 'name' in b) this.needRange(a.name, b.name, y.name);
    return y;
  }

  private operand(name: string, a: Emitted, b: Emitted | number | Float32Array): string {
    if (typeof b === 'number') return this.b.constant(`number_${b}`, Float32Array.of(b), []);
    if ('name' in b) return b.name;
    return this.b.constant(`${name}.by`, b, a.shape.length === 3 ? [b.length, 1, 1] : [b.length]);
  }

  conv(name: string, x: Emitted, { kernel, window, depthwise, weight, bias, relu, shape }: ConvEmission): Emitted {
    const [, , cin] = x.shape as Map3;
    const w = this.b.constant(`${name}.weight`, weight, [bias.length, depthwise ? 1 : cin, ...kernel]);
    const attributes = {
      ...windowAttributes(kernel, window, x.shape, shape),
      ...(window.dilation.some((d) => d > 1) && { dilations: window.dilation }),
      ...(depthwise && { group: cin }),
    };
    const y = this.b.node('Conv', name, [x.name, w, this.b.constant(`${name}.bias`, bias)], attributes);
    return this.weighted(name, x, y, relu, shape);
  }

  dense(
    name: string,
    x: Emitted,
    { weight, bias, relu }: { weight: Float32Array; bias: Float32Array; relu: boolean },
  ): Emitted {
    const w = this.b.constant(`${name}.weight`, weight, [bias.length, x.shape[0]]);
    const y = this.b.node('Gemm', name, [x.name, w, this.b.constant(`${name}.bias`, bias)], { transB: 1 });
    return this.weighted(name, x, y, relu, [bias.length]);
  }

  private weighted(name: string, x: Emitted, y: string, relu: boolean, shape: Shape): Emitted {
    const result = relu ? this.b.node('Relu', `${name}.relu`, [y]) : y;
    this.needRange(x.name, result);
    return { name: result, shape, rows: x.rows };
  }

  private needRange(...names: string[]): void {
    for (const name of names) this.ranged.add(name);
  }

  pool(name: string, x: Emitted, { mode, kernel, window, shape }: PoolEmission): Emitted {
    // Not GlobalMaxPool: MaxPool has an integer form and more accelerators have it.
    const attributes = windowAttributes(kernel, window, x.shape, shape);
    if (attributes.pads.every((pad) => pad === 0)) delete (attributes as Attributes).pads;
    const y = this.b.node(mode === 'max' ? 'MaxPool' : 'AveragePool', name, [x.name], attributes);
    return { ...x, name: y, shape };
  }

  reduce(by: 'sum' | 'mean', name: string, x: Emitted, over: 'channels' | 'positions' | 'unit'): Emitted {
    const isMap = x.shape.length === 3;
    const axes = !isMap || over === 'channels' ? [1] : over === 'positions' ? [2, 3] : [1, 2, 3];
    const [t, f, c] = isMap ? x.shape : [1, 1, x.shape[0]];
    const left: Map3 = over === 'channels' ? [t, f, 1] : over === 'positions' ? [1, 1, c] : [1, 1, 1];
    // The two take their axes differently since opset 13.
    const y =
      by === 'sum'
        ? this.b.node('ReduceSum', name, [x.name, this.b.ints(...axes)], { keepdims: 1 })
        : this.b.node('ReduceMean', name, [x.name], { axes, keepdims: 1 });
    return { ...x, name: y, shape: isMap ? left : [1] };
  }

  softmax(name: string, x: Emitted): Emitted {
    return { ...x, name: this.b.node('Softmax', name, [x.name], { axis: 1 }) };
  }

  oneHot(name: string, x: Emitted, group: number): Emitted {
    const groups = x.shape[x.shape.length - 1]! / group;
    const [t, f] = x.shape.length === 3 ? x.shape : [1, 1];
    const table = this.b.node('Reshape', `${name}.groups`, [x.name, this.b.ints(-1, groups, group, t * f)]);
    const largest = this.b.node('ArgMax', `${name}.largest`, [table], { axis: 2, keepdims: 1 });
    const numbers = BigInt64Array.from({ length: group }, (_, i) => BigInt(i));
    const each = this.b.constant(`numbers_to_${group}`, numbers, [group, 1]);
    const same = this.b.node('Equal', `${name}.same`, [largest, each]);
    const ones = this.b.node('Cast', `${name}.ones`, [same], { to: 1 });
    return { ...x, name: this.b.node('Reshape', name, [ones, this.dims(x.shape)]) };
  }

  concat(name: string, inputs: readonly Emitted[]): Emitted {
    const names = inputs.map((x) => x.name);
    const y = this.b.node('Concat', name, names, { axis: 1 });
    return {
      ...inputs[0]!,
      name: y,
      shape: withChannels(
        inputs[0]!.shape,
        inputs.reduce((n, x) => n + x.shape.at(-1)!, 0),
      ),
    };
  }

  channels(name: string, x: Emitted, first: number, count: number): Emitted {
    const { b } = this;
    const y = b.node('Slice', name, [x.name, b.ints(first), b.ints(first + count), b.ints(1)]);
    return { ...x, name: y, shape: withChannels(x.shape, count) };
  }

  gather(name: string, x: Emitted, index: Emitted): Emitted {
    const { b } = this;
    const [, f, c] = x.shape as Map3;
    const whole = b.node('Cast', `${name}.whole`, [index.name], { to: 7 });
    const everywhere = b.node('Expand', `${name}.index`, [whole, b.ints(1, c, 1, f)]);
    const y = b.node('GatherElements', name, [x.name, everywhere], { axis: 2 });
    return { ...x, name: y, shape: [(index.shape as Map3)[0], f, c] };
  }

  upsample(name: string, x: Emitted, [kt, kf]: Axes): Emitted {
    const [t, f, c] = x.shape as Map3;
    const scales = this.b.constant(`scales_${kt}_${kf}`, Float32Array.of(1, 1, kt, kf));
    const attributes = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
    const y = this.b.node('Resize', name, [x.name, '', scales], attributes);
    return { ...x, name: y, shape: [kt * t, kf * f, c] };
  }

  reshape(name: string, x: Emitted, shape: Shape, rows: number): Emitted {
    // In ONNX's layout it is one.
    const isFlat = shape.length === 1 && rows === x.rows;
    const y = isFlat
      ? this.b.node('Flatten', name, [x.name], { axis: 1 })
      : this.b.node('Reshape', name, [x.name, this.dims(shape)]);
    return { name: y, shape, rows };
  }

  select(name: string, x: Emitted, first: number, rows: number): Emitted {
    const { b } = this;
    const table = b.node('Reshape', `${name}.rows`, [x.name, b.ints(-1, x.rows, sizeOf(x.shape))]);
    const some = b.node('Slice', `${name}.some`, [table, b.ints(first), b.ints(first + rows), b.ints(1)]);
    return { ...x, name: b.node('Reshape', name, [some, this.dims(x.shape)]), rows };
  }

  /** Of any number of values of this shape. */
  private dims(shape: Shape): string {
    if (shape.length === 1) return this.b.ints(-1, shape[0]);
    const [t, f, c] = shape;
    return this.b.ints(-1, c, t, f);
  }
}

function windowAttributes(kernel: Axes, window: Window, from: Shape, to: Shape) {
  const behind = paddingBehind(kernel, window, from as unknown as Axes, to as unknown as Axes);
  return { kernel_shape: kernel, pads: [...window.padding, ...behind], strides: window.stride };
}

export function withChannels(shape: Shape, count: number): Shape {
  return shape.length === 1 ? [count] : [shape[0], shape[1], count];
}
