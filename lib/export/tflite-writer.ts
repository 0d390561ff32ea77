// What operators are made of (lib/graph/emission.ts), in LiteRT. Maps are [N, T, F, C] there, vectors [N, C]; N counts
// examples times rows. With ranges, convolutions, dense layers, sums and what passes their values on are computed in 8
// bits; everything else in float.
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
import { withChannels } from './onnx-writer.js';
import { activationScale, type Range } from './quantization.js';
import { type Field, type Quantization, type TfliteBuilder, tensorType } from './tflite-builder.js';
import type { Operator } from './tflite-operators.js';
import { turned, turnedEach, weightAndBias } from './tflite-weights.js';
import { axesOf, paddingKinds, shareInside, valid } from './tflite-windows.js';

type Map3 = readonly [number, number, number];

const none = { i8: 0 };
const activation = (relu: boolean): Field => ({ i8: relu ? 1 : 0 });

const unaries: Record<UnaryFunction, Operator> = {
  Relu: 'RELU',
  Abs: 'ABS',
  Exp: 'EXP',
  Log: 'LOG',
  Sqrt: 'SQRT',
  Sigmoid: 'LOGISTIC',
  Tanh: 'TANH',
};
const binaries: Record<BinaryFunction, Operator> = {
  Add: 'ADD',
  Sub: 'SUB',
  Mul: 'MUL',
  Div: 'DIV',
  Max: 'MAXIMUM',
  Min: 'MINIMUM',
};
/** Least float32. */
const lowest = -3.4028234663852886e38;

export class TfliteWriter implements GraphWriter {
  /** The other form of a value, float or 8-bit, once it was needed. */
  private readonly otherForms = new Map<string, string>();

  /** @param ranges of values, by the names they have in ONNX, for computing in 8 bits */
  constructor(
    private readonly b: TfliteBuilder,
    private readonly batch: number,
    private readonly ranges?: ReadonlyMap<string, Range>,
  ) {}

  /** Sizes of a value in the file. */
  private sizes(shape: Shape, rows: number): number[] {
    return [this.batch * rows, ...shape];
  }

  private scaleOf(name: string): Quantization | undefined {
    const range = this.ranges?.get(name);
    return range && int8(range);
  }

  /** The value in float. */
  float(x: Emitted): string {
    if (!this.b.quantizationOf(x.name)) return x.name;
    return this.otherForm(x, () => this.b.add('DEQUANTIZE', `${x.name}.float`, [x.name], this.sizes(x.shape, x.rows)));
  }

  /** The value in 8 bits, if its range is known. */
  private integer(x: Emitted): string | undefined {
    if (this.b.quantizationOf(x.name)) return x.name;
    const quantization = this.scaleOf(x.name);
    if (!quantization) return undefined;
    const sizes = this.sizes(x.shape, x.rows);
    return this.otherForm(x, () => this.b.add('QUANTIZE', `${x.name}.q`, [x.name], sizes, { quantization }));
  }

  private otherForm(x: Emitted, make: () => string): string {
    const made = this.otherForms.get(x.name) ?? make();
    this.otherForms.set(x.name, made);
    return made;
  }

  private result(
    operator: Operator,
    name: string,
    inputs: readonly string[],
    shape: Shape,
    rows: number,
    options: readonly Field[] = [],
    quantization?: Quantization,
  ): Emitted {
    return {
      name: this.b.add(operator, name, inputs, this.sizes(shape, rows), { options, quantization }),
      shape,
      rows,
    };
  }

  unary(fn: UnaryFunction, name: string, x: Emitted): Emitted {
    return this.result(unaries[fn], name, [this.float(x)], x.shape, x.rows);
  }

  leakyRelu(name: string, x: Emitted, slope: number): Emitted {
    return this.result('LEAKY_RELU', name, [this.float(x)], x.shape, x.rows, [{ f32: slope }]);
  }

  binary(fn: BinaryFunction, name: string, a: Emitted, b: Emitted | number | Float32Array): Emitted {
    const options = fn === 'Max' || fn === 'Min' ? [] : [none];
    if (fn === 'Add' && typeof b === 'object' && 'name' in b) {
      const quantization = this.scaleOf(name);
      const isInteger = this.b.quantizationOf(a.name) || this.b.quantizationOf(b.name);
      const both = quantization && isInteger ? [this.integer(a), this.integer(b)] : [];
      if (both[0] && both[1]) return this.result('ADD', name, both as string[], a.shape, a.rows, options, quantization);
    }
    return this.result(binaries[fn], name, [this.float(a), this.operand(name, b)], a.shape, a.rows, options);
  }

  private operand(name: string, b: Emitted | number | Float32Array): string {
    if (typeof b === 'number') return this.b.constant(`number_${b}`, Float32Array.of(b), [1]);
    return 'name' in b ? this.float(b) : this.b.constant(`${name}.by`, b, [b.length]);
  }

  conv(name: string, x: Emitted, conv: ConvEmission): Emitted {
    const { kernel, window, depthwise, weight, bias, relu, shape } = conv;
    const { stride, dilation } = window;
    const [kt, kf] = kernel;
    const taps = kt * kf;
    const cin = (x.shape as Map3)[2];
    const fits = paddingKinds(kernel, window, x.shape, shape);
    const padding = fits.same ?? fits.valid;
    const quantization = this.scaleOf(relu ? `${name}.relu` : name);
    let input = (quantization && this.integer(x)) ?? this.float(x);
    if (!padding) input = this.padded(`${name}.padded`, input, conv, x.shape, shape);
    const constants = weightAndBias(
      this.b,
      name,
      input,
      depthwise ? 'depthwise' : bias.length,
      weight,
      bias,
      (w) =>
        // [Cout, Cin, kT, kF] → [Cout, kT, kF, Cin], or [C, 1, kT, kF] → [1, kT, kF, C]
        depthwise ? turned(w, cin, taps) : turnedEach(w, cin, taps),
      depthwise ? [1, kt, kf, cin] : [bias.length, kt, kf, cin],
    );
    const dilations = dilation.some((d) => d > 1) ? [{ i32: dilation[1] }, { i32: dilation[0] }] : [];
    const options = [
      ...[padding ?? valid, { i32: stride[1] }, { i32: stride[0] }],
      ...(depthwise ? [{ i32: 1 }] : []),
      ...[activation(relu), ...dilations],
    ];
    const operator = depthwise ? 'DEPTHWISE_CONV_2D' : 'CONV_2D';
    const given = this.b.quantizationOf(input) && quantization;
    return this.result(operator, name, [input, ...constants], shape, x.rows, options, given);
  }

  dense(
    name: string,
    x: Emitted,
    { weight, bias, relu }: { weight: Float32Array; bias: Float32Array; relu: boolean },
  ): Emitted {
    const quantization = this.scaleOf(relu ? `${name}.relu` : name);
    const input = (quantization && this.integer(x)) ?? this.float(x);
    // One scale for the whole matrix: not every runtime takes one for each row.
    const constants = weightAndBias(this.b, name, input, 1, weight, bias, (w) => w, [bias.length, x.shape[0]]);
    const options = [activation(relu), none, { bool: false }];
    const given = this.b.quantizationOf(input) && quantization;
    return this.result('FULLY_CONNECTED', name, [input, ...constants], [bias.length], x.rows, options, given);
  }

  pool(name: string, x: Emitted, pool: PoolEmission): Emitted {
    const { mode, kernel, window, shape } = pool;
    const fits = paddingKinds(kernel, window, x.shape, shape);
    const padding = fits.valid ?? fits.same;
    const size = [{ i32: kernel[1] }, { i32: kernel[0] }];
    const options = [padding ?? valid, { i32: window.stride[1] }, { i32: window.stride[0] }, ...size, none];
    if (mode === 'max') {
      const input = padding ? x.name : this.padded(`${name}.padded`, this.float(x), pool, x.shape, shape, lowest);
      return this.result('MAX_POOL_2D', name, [input], shape, x.rows, options, this.b.quantizationOf(input));
    }
    if (padding) return this.result('AVERAGE_POOL_2D', name, [this.float(x)], shape, x.rows, options);
    const input = this.padded(`${name}.padded`, this.float(x), pool, x.shape, shape);
    const mean = this.result('AVERAGE_POOL_2D', `${name}.with_zeros`, [input], shape, x.rows, options);
    const [t, f] = shape as Map3;
    const share = this.b.constant(`${name}.share`, shareInside(kernel, window, x.shape, shape), [1, t, f, 1]);
    return this.result('MUL', name, [mean.name, share], shape, x.rows, [none]);
  }

  /** With what a window reads beyond the map around it. */
  private padded(
    name: string,
    input: string,
    { kernel, window }: { kernel: Axes; window: Window },
    from: Shape,
    to: Shape,
    value?: number,
  ): string {
    const { b } = this;
    const [n, t, f, c] = b.shapeOf(input) as [number, number, number, number];
    const [before, behind] = [window.padding, paddingBehind(kernel, window, axesOf(from), axesOf(to))];
    const amounts = [0, 0, before[0], behind[0], before[1], behind[1], 0, 0];
    const pads = b.constant(`pads_${amounts.join('_')}`, Int32Array.from(amounts), [4, 2]);
    const sizes = [n, before[0] + t + behind[0], before[1] + f + behind[1], c];
    if (value === undefined) return b.add('PAD', name, [input, pads], sizes, { quantization: b.quantizationOf(input) });
    return b.add('PADV2', name, [input, pads, b.constant('lowest', Float32Array.of(value), [])], sizes);
  }

  reduce(by: 'sum' | 'mean', name: string, x: Emitted, over: 'channels' | 'positions' | 'unit'): Emitted {
    const operator = by === 'sum' ? 'SUM' : 'MEAN';
    const keep = [{ bool: true }];
    if (x.shape.length === 1) return this.result(operator, name, [this.float(x), this.b.ints(1)], [1], x.rows, keep);
    const [t, f, c] = x.shape;
    const [axes, shape]: [number[], Map3] =
      over === 'channels'
        ? [[3], [t, f, 1]]
        : over === 'positions'
          ? [
              [1, 2],
              [1, 1, c],
            ]
          : [
              [1, 2, 3],
              [1, 1, 1],
            ];
    return this.result(operator, name, [this.float(x), this.b.ints(...axes)], shape, x.rows, keep);
  }

  softmax(name: string, x: Emitted): Emitted {
    return this.result('SOFTMAX', name, [this.float(x)], x.shape, x.rows, [{ f32: 1 }]);
  }

  oneHot(name: string, x: Emitted, group: number): Emitted {
    const { b } = this;
    const count = (this.batch * x.rows * sizeOf(x.shape)) / group;
    const table = b.add('RESHAPE', `${name}.groups`, [this.float(x), b.ints(count, group)], [count, group]);
    const whole = tensorType.INT32;
    const largest = b.add('ARG_MAX', `${name}.largest`, [table, b.constant('axis_1', Int32Array.of(1), [])], [count], {
      options: [{ i8: whole }],
      type: whole,
    });
    const depth = b.constant(`depth_${group}`, Int32Array.of(group), []);
    const values = [1, 0].map((v) => b.constant(`scalar_${v}`, Float32Array.of(v), []));
    const ones = b.add('ONE_HOT', `${name}.ones`, [largest, depth, ...values], [count, group], {
      options: [{ i32: -1 }],
    });
    return this.result('RESHAPE', name, [ones, b.ints(...this.sizes(x.shape, x.rows))], x.shape, x.rows);
  }

  concat(name: string, inputs: readonly Emitted[]): Emitted {
    const [first] = inputs as [Emitted];
    const shape = withChannels(
      first.shape,
      inputs.reduce((n, x) => n + x.shape.at(-1)!, 0),
    );
    const values = inputs.map((x) => this.float(x));
    return this.result('CONCATENATION', name, values, shape, first.rows, [{ i32: shape.length }, none]);
  }

  channels(name: string, x: Emitted, first: number, count: number): Emitted {
    const shape = withChannels(x.shape, count);
    const from = this.b.ints(...x.shape.map(() => 0), first);
    const size = this.b.ints(...this.sizes(shape, x.rows));
    return this.result('SLICE', name, [this.float(x), from, size], shape, x.rows);
  }

  gather(name: string, x: Emitted, index: Emitted): Emitted {
    const { b } = this;
    const [, f, c] = x.shape as Map3;
    const count = (index.shape as Map3)[0];
    const table = [this.batch * x.rows, count];
    const type = tensorType.INT32;
    const flat = b.add('RESHAPE', `${name}.index`, [this.float(index), b.ints(...table)], table);
    const whole = b.add('CAST', `${name}.whole`, [flat], table, {
      options: [{ i8: tensorType.FLOAT32 }, { i8: type }],
      type,
    });
    const shape = [count, f, c] as const;
    // Along frames, each value of the batch by itself.
    const how = { options: [{ i32: 1 }, { i32: 1 }], version: 5 };
    return { name: b.add('GATHER', name, [this.float(x), whole], this.sizes(shape, x.rows), how), shape, rows: x.rows };
  }

  upsample(name: string, x: Emitted, [kt, kf]: Axes): Emitted {
    const [t, f, c] = x.shape as Map3;
    const options = [{ bool: false }, { bool: false }];
    const size = this.b.ints(kt * t, kf * f);
    return this.result('RESIZE_NEAREST_NEIGHBOR', name, [this.float(x), size], [kt * t, kf * f, c], x.rows, options);
  }

  reshape(name: string, x: Emitted, shape: Shape, rows: number): Emitted {
    const { b } = this;
    const [before, behind] = [channelsFirst(x.shape), channelsFirst(shape)];
    if (!before && !behind) {
      // Channels alone, or none: the same order of values as in the graph.
      const to = b.ints(...this.sizes(shape, rows));
      return this.result('RESHAPE', name, [x.name, to], shape, rows, [], b.quantizationOf(x.name));
    }
    let value = this.float(x);
    if (before) {
      const sizes = [this.batch * x.rows, ...before];
      value = b.add('TRANSPOSE', `${name}.channels_first`, [value, b.ints(0, 3, 1, 2)], sizes);
    }
    if (!behind) return this.result('RESHAPE', name, [value, b.ints(...this.sizes(shape, rows))], shape, rows);
    const sizes = [this.batch * rows, ...behind];
    value = b.add('RESHAPE', `${name}.reshaped`, [value, b.ints(...sizes)], sizes);
    return this.result('TRANSPOSE', name, [value, b.ints(0, 2, 3, 1)], shape, rows);
  }

  select(name: string, x: Emitted, first: number, rows: number): Emitted {
    const { b, batch } = this;
    const size = sizeOf(x.shape);
    const [all, some] = [
      [batch, x.rows, size],
      [batch, rows, size],
    ];
    const table = b.add('RESHAPE', `${name}.rows`, [this.float(x), b.ints(...all)], all);
    const part = b.add('SLICE', `${name}.some`, [table, b.ints(0, first, 0), b.ints(...some)], some);
    return this.result('RESHAPE', name, [part, b.ints(...this.sizes(x.shape, rows))], x.shape, rows);
  }
}

/** Signed 8-bit scale of a range; ONNX Runtime's are unsigned. */
function int8(range: Range): Quantization {
  const { scale, zero } = activationScale(range);
  return { scales: Float32Array.of(scale), zero: zero - 128 };
}

/** [C, T, F], if values would lie in another order than in [T, F, C]. */
function channelsFirst(shape: Shape): Map3 | undefined {
  if (shape.length === 1) return undefined;
  const [t, f, c] = shape;
  return c > 1 && t * f > 1 ? [c, t, f] : undefined;
}
