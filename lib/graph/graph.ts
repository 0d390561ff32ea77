// Builds a network: a list of nodes (node.ts) in the order they are computed. A method for each operator.
import { checkBoolean, checkNumber, checkOneOf, checkOptions } from '../util/arguments.js';
import { argumentError } from '../util/errors.js';
import { checkLoss, losses } from './losses.js';
import { checkIndices } from './made-nodes.js';
import { type LossKind, type Parameter, type PoolMode, type Shape, sizeOf } from './node.js';
import { NodeList, type Ref, type Scalar } from './node-list.js';
import {
  alike,
  channelsOf,
  checkCount,
  checkRange,
  checkShape,
  describe,
  listOf,
  mapShape,
  vectorSize,
} from './operands.js';
import { type PointwiseName, pointwiseFunctions } from './pointwise-functions.js';
import { type Axes, checkAxes, type Window, type WindowOptions, windowOf } from './window.js';

export * from './node.js';
export type { Ref, Scalar } from './node-list.js';

export interface ConvOptions extends WindowOptions {
  /** Channels are kept apart: each has a kernel of its own. */
  depthwise?: boolean;
  /** Name of an earlier layer whose weights it uses. */
  share?: string;
}

/** Builds a list of {@link Node}s. Every method appends one node and returns a reference to it. Throws `ERR_ARGUMENT`,
 * which names the node, for shapes and geometry that do not fit. */
export class Graph extends NodeList {
  input(name: string, shape: Shape, rows = 1): Ref {
    this.operands(name);
    checkShape(name, shape, rows);
    return this.push({ op: 'input', name, inputs: [], shape, rows, params: [] });
  }

  /** Convolution of a map; the kernel has 1 to 15 taps along frames and along bands. */
  conv(name: string, x: Ref, kernel: Axes, cout: number, bias: boolean, options: ConvOptions = {}): Ref {
    this.operands(name, x);
    const [t, f, cin] = mapShape(name, x);
    checkOptions(`options of ${name}`, options, ['stride', 'dilation', 'padding', 'depthwise', 'share']);
    const { depthwise = false, share = name } = options;
    checkBoolean(`depthwise of ${name}`, depthwise);
    checkBoolean(`bias of ${name}`, bias);
    checkCount(name, 'channels', cout, 1 << 16);
    if (depthwise && cout !== cin) throw argumentError(`channels of ${name}`, `${cin}, as of its input`, cout);
    const { window, outputs } = windowOf(name, kernel, [t, f], options);
    const fanIn = (depthwise ? 1 : cin) * kernel[0] * kernel[1];
    const params = this.weights(name, share, [cout, depthwise ? 1 : cin, ...kernel], fanIn, bias && cout);
    const shape = [...outputs, cout] as const;
    const base = { op: 'conv', kernel, bias, name, inputs: [x.name], shape, rows: x.rows, params } as const;
    if (depthwise) return this.push({ ...base, depthwise: true, window });
    return this.push(isPlain(kernel, window) ? base : { ...base, window });
  }

  dense(name: string, x: Ref, out: number, bias = true, options: { share?: string } = {}): Ref {
    this.operands(name, x);
    const fanIn = vectorSize(name, x);
    checkOptions(`options of ${name}`, options, ['share']);
    const { share = name } = options;
    checkBoolean(`bias of ${name}`, bias);
    checkCount(name, 'outputs', out, 1 << 20);
    const params = this.weights(name, share, [out, fanIn], fanIn, bias && out);
    return this.push({ op: 'dense', bias, name, inputs: [x.name], shape: [out], rows: x.rows, params });
  }

  batchNorm(name: string, x: Ref, relu: boolean): Ref {
    this.operands(name, x);
    checkBoolean(`relu of ${name}`, relu);
    const c = channelsOf(x);
    const param = (key: string, constant: number, trainable: boolean): Parameter => ({
      name: `${name}.${key}`,
      shape: [c],
      init: { constant },
      trainable,
    });
    const params = [
      param('weight', 1, true),
      param('bias', 0, true),
      param('running_mean', 0, false),
      param('running_var', 1, false),
    ];
    return this.push({ op: 'batch-norm', relu, name, inputs: [x.name], shape: x.shape, rows: x.rows, params });
  }

  relu(name: string, x: Ref): Ref {
    return this.same({ op: 'relu' }, name, this.operands(name, x));
  }

  /** One function of every value, e.g. `tanh`; `constant` is the slope of `leaky_relu`, the smallest value of `log`, what
   * `sqrt` adds. */
  pointwise(name: string, fn: PointwiseName, x: Ref, constant = fn === 'leaky_relu' ? 0.1 : 1e-6): Ref {
    this.operands(name, x);
    checkOneOf(`function of ${name}`, fn, Object.keys(pointwiseFunctions));
    checkNumber(`constant of ${name}`, constant, 1e-30);
    return this.same({ op: 'pointwise', fn, constant }, name, [x]);
  }

  /** x times a constant or a run-time scalar. */
  scale(name: string, x: Ref, by: number | Scalar): Ref {
    this.operands(name, x);
    return this.same({ op: 'scale', ...this.constant(`factor of ${name}`, 'factor', by) }, name, [x]);
  }

  add(name: string, a: Ref, b: Ref): Ref {
    return this.same({ op: 'add' }, name, alike(name, ...this.operands(name, a, b)));
  }

  sub(name: string, a: Ref, b: Ref): Ref {
    return this.same({ op: 'sub' }, name, alike(name, ...this.operands(name, a, b)));
  }

  /** Value by value; see {@link gate} for one factor a position. */
  mul(name: string, a: Ref, b: Ref): Ref {
    return this.same({ op: 'mul' }, name, alike(name, ...this.operands(name, a, b)));
  }

  div(name: string, a: Ref, b: Ref): Ref {
    return this.same({ op: 'div' }, name, alike(name, ...this.operands(name, a, b)));
  }

  /** Every channel of `x` times the one channel of `factor`: a mask, an attention. */
  gate(name: string, x: Ref, factor: Ref): Ref {
    this.operands(name, x, factor);
    const wanted = [...x.shape.slice(0, -1), 1];
    if (factor.shape.join() !== wanted.join() || factor.rows !== x.rows) {
      throw argumentError(`factor of ${name}`, `${x.rows} × ${wanted.join('×')}`, describe(factor));
    }
    return this.same({ op: 'gate' }, name, [x, factor]);
  }

  /** Σ over channels of a · b: `[T, F, 1]` or `[1]`. Of vectors of length 1 it is the cosine of their angle. */
  dot(name: string, a: Ref, b: Ref): Ref {
    this.operands(name, a, b);
    const shape = [...a.shape.slice(0, -1), 1] as unknown as Shape;
    return this.same({ op: 'dot' }, name, alike(name, a, b), shape);
  }

  /** The value of `x`, as if it were constant. */
  stopGradient(name: string, x: Ref): Ref {
    return this.same({ op: 'stop-gradient' }, name, this.operands(name, x));
  }

  /** The value of `value`, with the gradient of `through`. */
  straightThrough(name: string, value: Ref, through: Ref): Ref {
    return this.same({ op: 'straight-through' }, name, alike(name, ...this.operands(name, value, through)));
  }

  /** Sets values to 0 with this probability in training and scales the others up. Which ones follows from `seed`, any
   * number, which every step should set anew. */
  dropout(name: string, x: Ref, probability: number, seed: Scalar): Ref {
    this.operands(name, x);
    if (typeof probability !== 'number' || !(probability >= 0 && probability < 1)) {
      throw argumentError(`probability of ${name}`, 'a number from 0 to below 1', probability);
    }
    if (!this.scalars.includes(seed)) throw argumentError(`seed of ${name}`, 'a scalar of this graph', seed);
    const layer = this.nodes.filter((n) => n.op === 'dropout').length;
    return this.same({ op: 'dropout', probability, layer, scalar: seed.scalar }, name, [x]);
  }

  /** Softmax over the channels of a position. */
  softmax(name: string, x: Ref): Ref {
    return this.same({ op: 'softmax' }, name, this.operands(name, x));
  }

  /** 1 at the largest of each group of `group` channels, 0 elsewhere. No gradient: see {@link straightThrough}. */
  oneHot(name: string, x: Ref, group?: number): Ref {
    this.operands(name, x);
    const c = channelsOf(x);
    const size = group === undefined ? c : group;
    if (!Number.isInteger(size) || size < 1 || c % size !== 0) {
      throw argumentError(`group of ${name}`, `a divisor of ${c}`, size);
    }
    return this.same({ op: 'one-hot', group: size }, name, [x]);
  }

  /** Mean 0 and variance 1 over the channels of a position, or over a whole unit (no scale and shift of its own: a
   * depthwise 1×1 convolution is one). */
  layerNorm(name: string, x: Ref, over: 'channels' | 'unit' = 'channels'): Ref {
    this.operands(name, x);
    checkOneOf(`over of ${name}`, over, ['channels', 'unit']);
    return this.same({ op: 'layer-norm', over }, name, [x]);
  }

  /** The channels of a position, or a vector, scaled to `length`. */
  l2Normalize(name: string, x: Ref, length = 1): Ref {
    this.operands(name, x);
    checkNumber(`length of ${name}`, length, 1e-30);
    return this.same({ op: 'l2-normalize', length }, name, [x]);
  }

  /** The maximum of each 2×2 window. */
  maxPool(name: string, x: Ref): Ref {
    this.operands(name, x);
    const [t, f, c] = mapShape(name, x);
    if (t % 2 || f % 2) throw argumentError(`input of ${name}`, 'even in frames and bands', `${t} × ${f}`);
    return this.same({ op: 'max-pool' }, name, [x], [t / 2, f / 2, c]);
  }

  /** The maximum, mean or standard deviation of each window, of the values that lie inside the map. `stride` is the kernel
   * unless given. */
  pool(name: string, mode: PoolMode, x: Ref, kernel: Axes, options: Omit<WindowOptions, 'dilation'> = {}): Ref {
    this.operands(name, x);
    const [t, f, c] = mapShape(name, x);
    checkOneOf(`mode of ${name}`, mode, poolModes);
    checkOptions(`options of ${name}`, options, ['stride', 'padding']);
    const { stride = kernel, padding = 'none' } = options;
    const { window, outputs } = windowOf(name, kernel, [t, f], { stride, padding }, 1 << 16);
    return this.same({ op: 'pool', mode, kernel, window }, name, [x], [...outputs, c]);
  }

  /** The maximum, mean or standard deviation over all frames (`[1, F, C]`), all bands (`[T, 1, C]`) or both (`[C]`). */
  globalPool(name: string, mode: PoolMode, x: Ref, over: 'frames' | 'bands' | 'all' = 'all'): Ref {
    this.operands(name, x);
    const [t, f, c] = mapShape(name, x);
    checkOneOf(`mode of ${name}`, mode, poolModes);
    checkOneOf(`over of ${name}`, over, ['frames', 'bands', 'all']);
    const kernel: Axes = [over === 'bands' ? 1 : t, over === 'frames' ? 1 : f];
    const window: Window = { stride: kernel, dilation: [1, 1], padding: [0, 0] };
    const shape: Shape = over === 'all' ? [c] : [t / kernel[0], f / kernel[1], c];
    return this.same({ op: 'pool', mode, kernel, window }, name, [x], shape);
  }

  globalMaxPool(name: string, x: Ref): Ref {
    return this.same({ op: 'global-max-pool' }, name, this.operands(name, x), [mapShape(name, x)[2]]);
  }

  /** Every value repeated `factors` times along frames and bands. */
  upsample(name: string, x: Ref, factors: Axes = [2, 2]): Ref {
    this.operands(name, x);
    const [t, f, c] = mapShape(name, x);
    checkAxes(`factors of ${name}`, factors);
    for (const k of factors) checkCount(name, 'factors', k, 64);
    return this.same({ op: 'upsample', factors }, name, [x], [factors[0] * t, factors[1] * f, c]);
  }

  /** The same values in another shape, taken in the order rows, C, T, F. */
  reshape(name: string, x: Ref, shape: Shape, rows: number): Ref {
    this.operands(name, x);
    checkShape(name, shape, rows);
    if (sizeOf(x.shape) * x.rows !== sizeOf(shape) * rows) {
      throw argumentError(`shape of ${name}`, `of the same size as ${describe(x)}`, `${rows} × ${shape.join('×')}`);
    }
    return this.push({ op: 'reshape', name, inputs: [x.name], shape, rows, params: [] });
  }

  /** `rows` of each example's values, from `first` on. */
  select(name: string, x: Ref, first: number, rows: number): Ref {
    this.operands(name, x);
    checkRange(`rows of ${name}`, first, rows, x.rows);
    return this.push({ op: 'select', first, name, inputs: [x.name], shape: x.shape, rows, params: [] });
  }

  /** Channels side by side. */
  concat(name: string, inputs: readonly Ref[]): Ref {
    this.operands(name, ...listOf(name, inputs));
    const [first] = inputs;
    if (!first) throw argumentError(`inputs of ${name}`, 'at least one', 'none');
    const place = (r: Ref) => [r.rows, ...r.shape.slice(0, -1)].join('×');
    const firsts: number[] = [];
    let channels = 0;
    for (const r of inputs) {
      if (place(r) !== place(first)) throw argumentError(`input of ${name}`, `like ${describe(first)}`, describe(r));
      firsts.push(channels);
      channels += channelsOf(r);
    }
    return this.same({ op: 'concat', firsts }, name, inputs, [
      ...first.shape.slice(0, -1),
      channels,
    ] as unknown as Shape);
  }

  /** `count` channels from `first` on. */
  channels(name: string, x: Ref, first: number, count: number): Ref {
    this.operands(name, x);
    checkRange(`channels of ${name}`, first, count, channelsOf(x));
    return this.same({ op: 'channels', first }, name, [x], [...x.shape.slice(0, -1), count] as unknown as Shape);
  }

  /** The frames of `x` that `index` (`[T', 1, 1]`, an input of whole numbers from 0 to T - 1, or rows or channels of inputs) names. */
  gather(name: string, x: Ref, index: Ref): Ref {
    this.operands(name, x, index);
    const [, f, c] = mapShape(name, x);
    checkIndices(`index of ${name}`, this.nodes, index.name);
    const [t, one, single] = mapShape(name, index);
    if (one !== 1 || single !== 1 || index.rows !== x.rows) {
      throw argumentError(`index of ${name}`, `${x.rows} × T×1×1`, describe(index));
    }
    return this.same({ op: 'gather' }, name, [x, index], [t, f, c]);
  }

  /** @param weight of this loss in the sum of all
   * @param number the loss's constant: margin of `triplet` and `hinge`, where `huber` turns straight, the inverse
   *   temperature of `contrastive-index`, channels in a group of `diversity` */
  loss(name: string, loss: LossKind, inputs: readonly Ref[], weight: number | Scalar = 1, number?: number): Ref {
    this.operands(name, ...listOf(name, inputs));
    checkLoss(name, loss, inputs, number);
    const { indices } = losses[loss];
    if (indices) checkIndices(`${indices.what} of ${name}`, this.nodes, inputs[indices.operand]!.name);
    const op = this.constant(`weight of ${name}`, 'weight', weight);
    const names = inputs.map((r) => r.name);
    return this.push({ op: 'loss', loss, ...op, number, name, inputs: names, shape: [1], rows: 1, params: [] });
  }
}

const poolModes = ['max', 'mean', 'std'] as const satisfies readonly PoolMode[];

/** Convolutions that the engine has kernels of their own for. */
function isPlain(kernel: Axes, { stride, dilation, padding }: Window): boolean {
  const size = kernel.join('×');
  const three = size === '3×1' || size === '1×3' || size === '1×1';
  const same = padding.every((p, i) => p === (kernel[i]! - 1) / 2);
  return three && same && [...stride, ...dilation].every((n) => n === 1);
}
