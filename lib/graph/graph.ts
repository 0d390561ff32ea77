// The one model description. A network is a list of nodes in the order they are computed; the native engine
// (lib/engine), the ONNX export (lib/export) and the layer table (lib/graph/layer-table.ts) all read this list.
//
// Shape letters: T frames, F frequency bands, C channels. A value is either a map [T, F, C] or a vector [C]; `rows`
// counts how many of them one training example has (a CBoW example has four context slices: rows = 4).
import { argumentError } from '../util/errors.js';

/** A map `[T, F, C]` or a vector `[C]`. */
export type Shape = readonly [number, number, number] | readonly [number];

/** How a fresh parameter is drawn: uniform in ±1/sqrt(fanIn), or a constant. */
export type Init = { fanIn: number } | { constant: number };

/** A named array of a node. Shapes and names are those a PyTorch module would have: conv `[Cout, Cin, kT, kF]`,
 * dense `[out, in]`. Buffers (`trainable: false`) are batch norm's running statistics. */
export interface Parameter {
  name: string;
  shape: readonly number[];
  init: Init;
  trainable: boolean;
}

/** What a node computes. "Same" zero padding; batch norm eps 1e-5, momentum 0.1; max-pool is 2×2 with stride 2,
 * upsample is nearest by 2×2; `reshape` turns rows × vectors into one vector, or a vector (in C, T, F order) into a map;
 * `select` picks `rows` of each example's vectors from `first` on; `l2-normalize` gives a vector the length `length`. */
export type Op =
  | { op: 'input' }
  | {
      op: 'conv';
      kernel: readonly [3, 1] | readonly [1, 3] | readonly [1, 1];
      bias: boolean;
      /** Only in the engine's own form of a graph: see lib/engine/upsampling.ts. */
      upsampled?: 'frames' | 'bands';
    }
  | {
      op: 'batch-norm';
      relu: boolean;
      /** Only in the engine's own form of a graph: see lib/engine/upsampling.ts. */
      copies?: number;
    }
  | { op: 'relu' }
  | { op: 'add' }
  | { op: 'max-pool' }
  | { op: 'global-max-pool' }
  | { op: 'upsample' }
  | { op: 'dense'; bias: boolean }
  | { op: 'reshape' }
  | { op: 'select'; first: number }
  | { op: 'l2-normalize'; length: number }
  | { op: 'loss'; loss: LossKind; weight: number; margin?: number };

/** mse(prediction, target); bce(logit, target in [0, 1]); triplet(z: rows anchor, positive, negative);
 * contrastive(u, z: each one row per example, same index = positive); nt-xent(z: two rows per example, each other's
 * positive among all rows of the batch); softmax(logits, class index). */
export type LossKind = 'mse' | 'bce' | 'triplet' | 'contrastive' | 'nt-xent' | 'softmax';

export type Node = Op & {
  name: string;
  /** Names of the nodes it reads. */
  inputs: readonly string[];
  /** Shape of one value it produces; `[1]` for a loss. */
  shape: Shape;
  /** Values per training example. */
  rows: number;
  params: readonly Parameter[];
};

/** What the builder's methods pass around: a node by name. */
export interface Ref {
  readonly name: string;
  readonly shape: Shape;
  readonly rows: number;
}

/** Builds a list of {@link Node}s. Every method appends one node and returns a reference to it. */
export class Graph {
  readonly nodes: Node[] = [];

  private push(node: Node): Ref {
    if (this.nodes.some((n) => n.name === node.name)) throw argumentError('name', 'unique in the graph', node.name);
    this.nodes.push(node);
    return node;
  }

  input(name: string, shape: Shape, rows = 1): Ref {
    return this.push({ op: 'input', name, inputs: [], shape, rows, params: [] });
  }

  conv(
    name: string,
    x: Ref,
    kernel: readonly [3, 1] | readonly [1, 3] | readonly [1, 1],
    cout: number,
    bias: boolean,
  ): Ref {
    const [t, f, cin] = mapShape(x);
    const fanIn = cin * kernel[0] * kernel[1];
    const params: Parameter[] = [
      { name: `${name}.weight`, shape: [cout, cin, ...kernel], init: { fanIn }, trainable: true },
    ];
    if (bias) params.push({ name: `${name}.bias`, shape: [cout], init: { fanIn }, trainable: true });
    return this.push({ op: 'conv', kernel, bias, name, inputs: [x.name], shape: [t, f, cout], rows: x.rows, params });
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
    return this.push({ op: 'relu', name, inputs: [x.name], shape: x.shape, rows: x.rows, params: [] });
  }

  add(name: string, a: Ref, b: Ref): Ref {
    return this.push({ op: 'add', name, inputs: [a.name, b.name], shape: a.shape, rows: a.rows, params: [] });
  }

  maxPool(name: string, x: Ref): Ref {
    const [t, f, c] = mapShape(x);
    if (t % 2 || f % 2) throw argumentError('max-pool input', 'even in frames and bands', `${t} × ${f}`);
    return this.push({ op: 'max-pool', name, inputs: [x.name], shape: [t / 2, f / 2, c], rows: x.rows, params: [] });
  }

  globalMaxPool(name: string, x: Ref): Ref {
    const [, , c] = mapShape(x);
    return this.push({ op: 'global-max-pool', name, inputs: [x.name], shape: [c], rows: x.rows, params: [] });
  }

  upsample(name: string, x: Ref): Ref {
    const [t, f, c] = mapShape(x);
    return this.push({ op: 'upsample', name, inputs: [x.name], shape: [2 * t, 2 * f, c], rows: x.rows, params: [] });
  }

  dense(name: string, x: Ref, out: number, bias = true): Ref {
    const fanIn = x.shape[0];
    const params: Parameter[] = [{ name: `${name}.weight`, shape: [out, fanIn], init: { fanIn }, trainable: true }];
    if (bias) params.push({ name: `${name}.bias`, shape: [out], init: { fanIn }, trainable: true });
    return this.push({ op: 'dense', bias, name, inputs: [x.name], shape: [out], rows: x.rows, params });
  }

  reshape(name: string, x: Ref, shape: Shape, rows: number): Ref {
    const size = (s: Shape) => s.reduce((a, b) => a * b, 1);
    if (size(x.shape) * x.rows !== size(shape) * rows) throw argumentError('reshape', 'of the same size', shape);
    return this.push({ op: 'reshape', name, inputs: [x.name], shape, rows, params: [] });
  }

  select(name: string, x: Ref, first: number, rows: number): Ref {
    if (first < 0 || first + rows > x.rows)
      throw argumentError('select', `within ${x.rows} rows`, `${first} + ${rows}`);
    return this.push({ op: 'select', first, name, inputs: [x.name], shape: x.shape, rows, params: [] });
  }

  l2Normalize(name: string, x: Ref, length = 1): Ref {
    if (x.shape.length !== 1) throw argumentError('input of l2-normalize', 'a vector', x.shape);
    return this.push({ op: 'l2-normalize', length, name, inputs: [x.name], shape: x.shape, rows: x.rows, params: [] });
  }

  loss(name: string, loss: LossKind, inputs: readonly Ref[], weight = 1, margin?: number): Ref {
    return this.push({
      op: 'loss',
      loss,
      weight,
      margin,
      name,
      inputs: inputs.map((r) => r.name),
      shape: [1],
      rows: 1,
      params: [],
    });
  }

  /** All parameters and buffers, in graph order. */
  get params(): Parameter[] {
    return this.nodes.flatMap((n) => n.params);
  }
}

function mapShape(x: Ref): readonly [number, number, number] {
  if (x.shape.length !== 3) throw argumentError(`input of a map operator (${x.name})`, 'a map [T, F, C]', x.shape);
  return x.shape;
}

/** Number of values in an array of this shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
