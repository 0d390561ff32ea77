// Builds a network: a list of nodes (node.ts) in the order they are computed.
import { argumentError } from '../util/errors.js';
import {
  distinctParameters,
  type LossKind,
  type Node,
  type Op,
  type Parameter,
  type PoolMode,
  type Shape,
  sizeOf,
} from './node.js';
import type { PointwiseName } from './pointwise-functions.js';
import { type Axes, type Window, type WindowOptions, windowOf } from './window.js';

export * from './node.js';

/** What the builder's methods pass around: a node by name. */
export interface Ref {
  readonly name: string;
  readonly shape: Shape;
  readonly rows: number;
}

/** A number that each run may set anew (`Batch.scalars`): the weight of a loss, a temperature, a seed. */
export interface Scalar {
  readonly scalar: string;
  readonly value: number;
}

export interface ConvOptions extends WindowOptions {
  /** Channels are kept apart: each has a kernel of its own. */
  depthwise?: boolean;
  /** Name of an earlier layer whose weights it uses. */
  share?: string;
}

/** Builds a list of {@link Node}s. Every method appends one node and returns a reference to it. Throws `ERR_ARGUMENT`,
 * which names the node, for shapes and geometry that do not fit. */
export class Graph {
  readonly nodes: Node[] = [];
  readonly scalars: Scalar[] = [];
  readonly #names = new Set<string>();

  private push(node: Node): Ref {
    if (this.#names.has(node.name)) throw argumentError('name', 'unique in the graph', node.name);
    for (const input of node.inputs) {
      if (!this.#names.has(input)) throw argumentError(`input of ${node.name}`, 'a node of this graph', input);
    }
    this.#names.add(node.name);
    this.nodes.push(node);
    return node;
  }

  private same(op: Op, name: string, inputs: readonly Ref[], shape: Shape = inputs[0]!.shape): Ref {
    const rows = inputs[0]!.rows;
    return this.push({ ...op, name, inputs: inputs.map((r) => r.name), shape, rows, params: [] });
  }

  /** A number that runs may set: see {@link Scalar}. */
  scalar(name: string, value: number): Scalar {
    if (!Number.isFinite(value)) throw argumentError(`scalar ${name}`, 'a finite number', value);
    const scalar = { scalar: name, value };
    if (this.scalars.some((s) => s.scalar === name)) throw argumentError('scalar', 'unique in the graph', name);
    this.scalars.push(scalar);
    return scalar;
  }

  input(name: string, shape: Shape, rows = 1): Ref {
    const size = shape.reduce((a, b) => a * b, rows);
    if (![...shape, rows].every((n) => Number.isInteger(n) && n > 0) || size > 2 ** 31) {
      throw argumentError(`shape of input ${name}`, 'positive integers', `${rows} × ${shape.join('×')}`);
    }
    return this.push({ op: 'input', name, inputs: [], shape, rows, params: [] });
  }

  /** Convolution of a map; the kernel has 1 to 15 taps along frames and along bands. */
  conv(name: string, x: Ref, kernel: Axes, cout: number, bias: boolean, options: ConvOptions = {}): Ref {
    const [t, f, cin] = mapShape(name, x);
    const { depthwise = false, share = name } = options;
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

  dense(name: string, x: Ref, out: number, bias = true, { share = name }: { share?: string } = {}): Ref {
    const fanIn = vectorSize(name, x);
    checkCount(name, 'outputs', out, 1 << 20);
    const params = this.weights(name, share, [out, fanIn], fanIn, bias && out);
    return this.push({ op: 'dense', bias, name, inputs: [x.name], shape: [out], rows: x.rows, params });
  }

  private weights(name: string, owner: string, shape: number[], fanIn: number, biases: number | false): Parameter[] {
    const params: Parameter[] = [{ name: `${owner}.weight`, shape, init: { fanIn }, trainable: true }];
    if (biases) params.push({ name: `${owner}.bias`, shape: [biases], init: { fanIn }, trainable: true });
    if (owner === name) return params;
    const known = new Map(this.params.map((p) => [p.name, p]));
    for (const p of params) {
      const shape = known.get(p.name)?.shape.join('×');
      if (shape !== p.shape.join('×')) {
        throw argumentError(
          `${name}, which shares ${p.name}`,
          `of the shape ${shape ?? 'of an earlier layer'}`,
          p.shape,
        );
      }
    }
    return params;
  }

  batchNorm(name: string, x: Ref, relu: boolean): Ref {
    const c = x.shape[x.shape.length - 1]!;
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
    return this.same({ op: 'relu' }, name, [x]);
  }

  /** One function of every value, e.g. `tanh`; `constant` is the slope of `leaky_relu`, the smallest value of `log`, what
   * `sqrt` adds. */
  pointwise(name: string, fn: PointwiseName, x: Ref, constant = fn === 'leaky_relu' ? 0.1 : 1e-6): Ref {
    if (!(constant >= 1e-30 && constant < 1e30))
      throw argumentError(`constant of ${name}`, 'a positive number', constant);
    return this.same({ op: 'pointwise', fn, constant }, name, [x]);
  }

  /** x times a constant or a run-time scalar. */
  scale(name: string, x: Ref, by: number | Scalar): Ref {
    const op = typeof by === 'number' ? { factor: by } : { factor: 1, scalar: by.scalar };
    return this.same({ op: 'scale', ...op }, name, [x]);
  }

  add(name: string, a: Ref, b: Ref): Ref {
    return this.same({ op: 'add' }, name, alike(name, a, b));
  }

  sub(name: string, a: Ref, b: Ref): Ref {
    return this.same({ op: 'sub' }, name, alike(name, a, b));
  }

  /** Value by value; see {@link gate} for one factor a position. */
  mul(name: string, a: Ref, b: Ref): Ref {
    return this.same({ op: 'mul' }, name, alike(name, a, b));
  }

  div(name: string, a: Ref, b: Ref): Ref {
    return this.same({ op: 'div' }, name, alike(name, a, b));
  }

  /** Every channel of `x` times the one channel of `factor`: a mask, an attention. */
  gate(name: string, x: Ref, factor: Ref): Ref {
    const wanted = [...x.shape.slice(0, -1), 1];
    if (factor.shape.join() !== wanted.join() || factor.rows !== x.rows) {
      throw argumentError(`factor of ${name}`, `${x.rows} × ${wanted.join('×')}`, describe(factor));
    }
    return this.same({ op: 'gate' }, name, [x, factor]);
  }

  /** Σ over channels of a · b: `[T, F, 1]` or `[1]`. Of vectors of length 1 it is the cosine of their angle. */
  dot(name: string, a: Ref, b: Ref): Ref {
    const shape = [...a.shape.slice(0, -1), 1] as unknown as Shape;
    return this.same({ op: 'dot' }, name, alike(name, a, b), shape);
  }

  /** The value of `x`, as if it were constant. */
  stopGradient(name: string, x: Ref): Ref {
    return this.same({ op: 'stop-gradient' }, name, [x]);
  }

  /** The value of `value`, with the gradient of `through`. */
  straightThrough(name: string, value: Ref, through: Ref): Ref {
    return this.same({ op: 'straight-through' }, name, alike(name, value, through));
  }

  /** Sets values to 0 with this probability in training and scales the others up. Which ones follows from `seed`, a whole
   * number that every step should set anew. */
  dropout(name: string, x: Ref, probability: number, seed: Scalar): Ref {
    if (!(probability >= 0 && probability < 1)) throw argumentError(`probability of ${name}`, '0 to 1', probability);
    const layer = this.nodes.filter((n) => n.op === 'dropout').length;
    return this.same({ op: 'dropout', probability, layer, scalar: seed.scalar }, name, [x]);
  }

  /** Softmax over the channels of a position. */
  softmax(name: string, x: Ref): Ref {
    return this.same({ op: 'softmax' }, name, [x]);
  }

  /** 1 at the largest of each group of `group` channels, 0 elsewhere. No gradient: see {@link straightThrough}. */
  oneHot(name: string, x: Ref, group = x.shape[x.shape.length - 1]!): Ref {
    const c = x.shape[x.shape.length - 1]!;
    if (!(group > 0 && c % group === 0)) throw argumentError(`group of ${name}`, `a divisor of ${c}`, group);
    return this.same({ op: 'one-hot', group }, name, [x]);
  }

  /** Mean 0 and variance 1 over the channels of a position, or over a whole unit (no scale and shift of its own: a
   * depthwise 1×1 convolution is one). */
  layerNorm(name: string, x: Ref, over: 'channels' | 'unit' = 'channels'): Ref {
    return this.same({ op: 'layer-norm', over }, name, [x]);
  }

  /** The channels of a position, or a vector, scaled to `length`. */
  l2Normalize(name: string, x: Ref, length = 1): Ref {
    return this.same({ op: 'l2-normalize', length }, name, [x]);
  }

  /** The maximum of each 2×2 window. */
  maxPool(name: string, x: Ref): Ref {
    const [t, f, c] = mapShape(name, x);
    if (t % 2 || f % 2) throw argumentError(`input of ${name}`, 'even in frames and bands', `${t} × ${f}`);
    return this.same({ op: 'max-pool' }, name, [x], [t / 2, f / 2, c]);
  }

  /** The maximum, mean or standard deviation of each window, of the values that lie inside the map. `stride` is the kernel
   * unless given. */
  pool(name: string, mode: PoolMode, x: Ref, kernel: Axes, options: Omit<WindowOptions, 'dilation'> = {}): Ref {
    const [t, f, c] = mapShape(name, x);
    const choices = { stride: kernel, padding: 'none', ...options, dilation: 1 } as const;
    const { window, outputs } = windowOf(name, kernel, [t, f], choices, 1 << 16);
    return this.same({ op: 'pool', mode, kernel, window }, name, [x], [...outputs, c]);
  }

  /** The maximum, mean or standard deviation over all frames (`[1, F, C]`), all bands (`[T, 1, C]`) or both (`[C]`). */
  globalPool(name: string, mode: PoolMode, x: Ref, over: 'frames' | 'bands' | 'all' = 'all'): Ref {
    const [t, f, c] = mapShape(name, x);
    const kernel: Axes = [over === 'bands' ? 1 : t, over === 'frames' ? 1 : f];
    const window: Window = { stride: kernel, dilation: [1, 1], padding: [0, 0] };
    const shape: Shape = over === 'all' ? [c] : [t / kernel[0], f / kernel[1], c];
    return this.same({ op: 'pool', mode, kernel, window }, name, [x], shape);
  }

  globalMaxPool(name: string, x: Ref): Ref {
    return this.same({ op: 'global-max-pool' }, name, [x], [mapShape(name, x)[2]]);
  }

  /** Every value repeated `factors` times along frames and bands. */
  upsample(name: string, x: Ref, factors: Axes = [2, 2]): Ref {
    const [t, f, c] = mapShape(name, x);
    for (const k of factors) checkCount(name, 'factors', k, 64);
    return this.same({ op: 'upsample', factors }, name, [x], [factors[0] * t, factors[1] * f, c]);
  }

  /** The same values in another shape, taken in the order rows, C, T, F. */
  reshape(name: string, x: Ref, shape: Shape, rows: number): Ref {
    if (sizeOf(x.shape) * x.rows !== sizeOf(shape) * rows) {
      throw argumentError(`shape of ${name}`, `of the same size as ${describe(x)}`, `${rows} × ${shape.join('×')}`);
    }
    return this.push({ op: 'reshape', name, inputs: [x.name], shape, rows, params: [] });
  }

  /** `rows` of each example's values, from `first` on. */
  select(name: string, x: Ref, first: number, rows: number): Ref {
    if (!(first >= 0 && rows > 0 && first + rows <= x.rows)) {
      throw argumentError(`rows of ${name}`, `within ${x.rows}`, `${first} + ${rows}`);
    }
    return this.push({ op: 'select', first, name, inputs: [x.name], shape: x.shape, rows, params: [] });
  }

  /** Channels side by side. */
  concat(name: string, inputs: readonly Ref[]): Ref {
    const [first] = inputs;
    if (!first) throw argumentError(`inputs of ${name}`, 'at least one', 'none');
    const place = (r: Ref) => [r.rows, ...r.shape.slice(0, -1)].join('×');
    const firsts: number[] = [];
    let channels = 0;
    for (const r of inputs) {
      if (place(r) !== place(first)) throw argumentError(`input of ${name}`, `like ${describe(first)}`, describe(r));
      firsts.push(channels);
      channels += r.shape[r.shape.length - 1]!;
    }
    return this.same({ op: 'concat', firsts }, name, inputs, [
      ...first.shape.slice(0, -1),
      channels,
    ] as unknown as Shape);
  }

  /** `count` channels from `first` on. */
  channels(name: string, x: Ref, first: number, count: number): Ref {
    const c = x.shape[x.shape.length - 1]!;
    if (!(first >= 0 && count > 0 && first + count <= c)) {
      throw argumentError(`channels of ${name}`, `within ${c}`, `${first} + ${count}`);
    }
    return this.same({ op: 'channels', first }, name, [x], [...x.shape.slice(0, -1), count] as unknown as Shape);
  }

  /** The frames of `x` that `index` (`[T', 1, 1]`, an input of whole numbers from 0 to T - 1) names. */
  gather(name: string, x: Ref, index: Ref): Ref {
    const [, f, c] = mapShape(name, x);
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
    const op = typeof weight === 'number' ? { weight } : { weight: 1, scalar: weight.scalar };
    const names = inputs.map((r) => r.name);
    return this.push({ op: 'loss', loss, ...op, number, name, inputs: names, shape: [1], rows: 1, params: [] });
  }

  /** All parameters and buffers, in graph order. */
  get params(): Parameter[] {
    return distinctParameters(this.nodes);
  }
}

/** Convolutions that the engine has kernels of their own for. */
function isPlain(kernel: Axes, { stride, dilation, padding }: Window): boolean {
  const size = kernel.join('×');
  const three = size === '3×1' || size === '1×3' || size === '1×1';
  const same = padding.every((p, i) => p === (kernel[i]! - 1) / 2);
  return three && same && [...stride, ...dilation].every((n) => n === 1);
}

function mapShape(name: string, x: Ref): readonly [number, number, number] {
  if (x.shape.length !== 3) throw argumentError(`input of ${name}`, 'a map [T, F, C]', describe(x));
  return x.shape;
}

function vectorSize(name: string, x: Ref): number {
  if (x.shape.length !== 1) throw argumentError(`input of ${name}`, 'a vector [C]', describe(x));
  return x.shape[0];
}

function alike(name: string, a: Ref, b: Ref): [Ref, Ref] {
  if (a.shape.join() !== b.shape.join() || a.rows !== b.rows) {
    throw argumentError(`second input of ${name}`, `like the first, ${describe(a)}`, describe(b));
  }
  return [a, b];
}

function checkCount(name: string, what: string, value: number, most: number): void {
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw argumentError(`${what} of ${name}`, `an integer from 1 to ${most}`, value);
  }
}

function describe(x: Ref): string {
  return `${x.name}: ${x.rows} × ${x.shape.join('×')}`;
}
