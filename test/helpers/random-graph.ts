// Graphs drawn from a seed: any operator on any value that fits, so that every pair of operators meets sooner or later,
// with fan-out, residuals, shared weights, several inputs, rows and losses.
import type { Batch } from '../../lib/engine/network.js';
import { Graph, type LossKind, type Ref, type Shape, sizeOf } from '../../lib/graph/graph.js';
import { type PointwiseName, pointwiseFunctions } from '../../lib/graph/pointwise-functions.js';
import type { Axes, Padding } from '../../lib/graph/window.js';
import { Random } from '../../lib/util/random.js';

export interface RandomGraph {
  graph: Graph;
  batch: Batch;
  weights: Map<string, Float64Array>;
  /** Inputs whose gradient can be asked for. */
  differentiable: string[];
  operators: Set<string>;
}

type Draw = (d: Drawing, x: Ref) => Ref | undefined;

const isMap = (x: Ref): x is Ref & { shape: readonly [number, number, number] } => x.shape.length === 3;
const channelsOf = (x: Ref) => x.shape[x.shape.length - 1]!;

/** Values of -1 to 1 in steps that leave float32 room for the small steps of differences. */
const inSteps = (rng: Random) => Math.round(2 ** 18 * (2 * rng.uniform() - 1)) / 2 ** 18;

class Drawing {
  readonly graph = new Graph();
  readonly rng: Random;
  readonly values: Ref[] = [];
  readonly used = new Set<string>();
  /** How each input is filled. */
  readonly fill = new Map<string, (rng: Random) => number>();
  readonly plain: string[] = [];
  private count = 0;

  constructor(seed: number) {
    this.rng = new Random(`graph ${seed}`);
  }

  name(op: string): string {
    return `${op}${this.count++}`;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.rng.int(from.length)]!;
  }

  chance(p: number): boolean {
    return this.rng.uniform() < p;
  }

  channels(): number {
    return this.pick([1, 2, 3, 4, 5, 8, 8, 16, 16, 17, 24, 33, this.chance(0.1) ? 130 : 7]);
  }

  input(shape: Shape, rows: number, fill: (rng: Random) => number = inSteps): Ref {
    const x = this.graph.input(this.name('input'), shape, rows);
    this.fill.set(x.name, fill);
    return x;
  }

  /** A value like this one that is there already, or that a small branch makes of it. */
  partner(x: Ref): Ref {
    const alike = this.values.filter((v) => v.rows === x.rows && v.shape.join() === x.shape.join());
    if (this.chance(0.8)) return this.pick(alike);
    if (isMap(x))
      return this.graph.conv(
        this.name('conv'),
        x,
        this.pick([
          [3, 1],
          [1, 1],
        ] as const),
        channelsOf(x),
        true,
      );
    return this.graph.dense(this.name('dense'), x, channelsOf(x));
  }
}

const plainKernels = [
  [3, 1],
  [1, 3],
  [1, 1],
] as const;

/** Positive values bounded away from zero. */
function positive(d: Drawing, x: Ref): Ref {
  const s = d.graph.pointwise(d.name('square'), 'square', x);
  return d.graph.pointwise(d.name('sqrt'), 'sqrt', s, 0.3);
}

const operators: Record<string, Draw> = {
  conv: (d, x) =>
    isMap(x) ? d.graph.conv(d.name('conv'), x, d.pick(plainKernels), d.channels(), d.chance(0.5)) : undefined,
  convNorm(d, x) {
    if (!isMap(x)) return undefined;
    const y = d.graph.conv(d.name('conv'), x, d.pick(plainKernels), d.channels(), false);
    return d.graph.batchNorm(d.name('norm'), y, d.chance(0.7));
  },
  sharedConv(d, x) {
    if (!isMap(x)) return undefined;
    const y = d.graph.conv(d.name('conv'), x, d.pick(plainKernels), channelsOf(x), true);
    return d.graph.conv(
      d.name('conv'),
      y,
      d.graph.nodes.at(-1)!.params[0]!.shape.slice(2) as unknown as Axes,
      channelsOf(x),
      true,
      {
        share: y.name,
      },
    );
  },
  window: (d, x) => windowed(d, x, { kernel: 5, stride: [2, 3], dilation: 3 }),
  residual(d, x) {
    if (!isMap(x)) return undefined;
    const c = d.channels();
    const branch = (kernel: Axes) =>
      d.graph.batchNorm(d.name('norm'), d.graph.conv(d.name('conv'), x, kernel, c, false), d.chance(0.8));
    const sum = d.graph.add(d.name('add'), branch(d.pick(plainKernels)), branch([1, 1]));
    if (x.shape[0] % 2 || x.shape[1] % 2 || d.chance(0.3)) return sum;
    return d.graph.maxPool(d.name('pool'), sum);
  },
  decoder(d, x) {
    if (!isMap(x) || sizeOf(x.shape) > 400) return undefined;
    const u = d.graph.upsample(d.name('up'), x);
    const c = d.channels();
    const norm = (y: Ref) => (d.chance(0.6) ? d.graph.batchNorm(d.name('norm'), y, d.chance(0.7)) : y);
    const bias = d.chance(0.5);
    const a = norm(d.graph.conv(d.name('conv'), u, [1, 3], c, bias));
    const b = norm(d.graph.conv(d.name('conv'), a, [3, 1], c, bias));
    const r = norm(d.graph.conv(d.name('conv'), u, [1, 1], c, bias));
    return d.graph.add(d.name('add'), b, r);
  },
  norm: (d, x) => d.graph.batchNorm(d.name('norm'), x, d.chance(0.5)),
  relu: (d, x) => d.graph.relu(d.name('relu'), x),
  pointwise(d, x) {
    const fn = d.pick(Object.keys(pointwiseFunctions) as PointwiseName[]);
    if (fn === 'log' || fn === 'sqrt') return d.graph.pointwise(d.name(fn), fn, positive(d, x));
    if (fn === 'exp' || fn === 'square')
      return d.graph.pointwise(d.name(fn), fn, d.graph.pointwise(d.name('tanh'), 'tanh', x));
    return d.graph.pointwise(d.name(fn), fn, x);
  },
  scale: (d, x) =>
    d.graph.scale(d.name('scale'), x, d.chance(0.5) ? -0.7 : d.graph.scalar(d.name('scalar'), 0.5 + d.rng.uniform())),
  add: (d, x) => d.graph.add(d.name('add'), x, d.partner(x)),
  sub: (d, x) => d.graph.sub(d.name('sub'), x, d.partner(x)),
  mul: (d, x) => d.graph.mul(d.name('mul'), x, d.partner(x)),
  div: (d, x) => d.graph.div(d.name('div'), x, positive(d, d.partner(x))),
  gate(d, x) {
    const one = isMap(x) ? d.graph.conv(d.name('conv'), x, [1, 1], 1, true) : d.graph.dense(d.name('dense'), x, 1);
    return d.graph.gate(d.name('gate'), x, d.chance(0.5) ? d.graph.pointwise(d.name('sigmoid'), 'sigmoid', one) : one);
  },
  dot: (d, x) => d.graph.dot(d.name('dot'), x, d.partner(x)),
  // Differences would see what the gradient must not: the stopped values cancel.
  stopGradient(d, x) {
    const v = d.partner(x);
    const [a, b] = [d.graph.stopGradient(d.name('stop'), v), d.graph.stopGradient(d.name('stop'), v)];
    return d.graph.add(d.name('add'), x, d.graph.sub(d.name('sub'), a, b));
  },
  straightThrough(d, x) {
    // What it says is not the derivative: as the difference of the two is constant, it is one here.
    return d.graph.straightThrough(d.name('through'), x, x);
  },
  dropout: (d, x) => d.graph.dropout(d.name('dropout'), x, 0.3, d.graph.scalar(d.name('seed'), d.rng.int(1000))),
  softmax: (d, x) => d.graph.softmax(d.name('softmax'), x),
  layerNorm: (d, x) =>
    channelsOf(x) > 1 ? d.graph.layerNorm(d.name('layerNorm'), x, d.pick(['channels', 'unit'])) : undefined,
  l2: (d, x) => d.graph.l2Normalize(d.name('l2'), x, 1 + d.rng.uniform()),
  maxPool: (d, x) =>
    isMap(x) && x.shape[0] % 2 === 0 && x.shape[1] % 2 === 0 ? d.graph.maxPool(d.name('pool'), x) : undefined,
  pool(d, x) {
    if (!isMap(x)) return undefined;
    const kernel = [1 + d.rng.int(3), 1 + d.rng.int(3)] as const;
    const stride = [1 + d.rng.int(2), 1 + d.rng.int(2)] as const;
    const padding = d.pick(['same', 'causal', 'none'] as const);
    try {
      return d.graph.pool(d.name('pool'), d.pick(['max', 'mean', 'std']), x, kernel, { stride, padding });
    } catch {
      return undefined;
    }
  },
  globalPool: (d, x) =>
    isMap(x)
      ? d.graph.globalPool(d.name('global'), d.pick(['max', 'mean', 'std']), x, d.pick(['all', 'frames', 'bands']))
      : undefined,
  globalMaxPool: (d, x) => (isMap(x) ? d.graph.globalMaxPool(d.name('global'), x) : undefined),
  upsample: (d, x) =>
    isMap(x) && sizeOf(x.shape) < 300
      ? d.graph.upsample(
          d.name('up'),
          x,
          d.pick([
            [2, 2],
            [2, 2],
            [1, 3],
            [2, 1],
          ] as const),
        )
      : undefined,
  dense: (d, x) => (isMap(x) ? undefined : d.graph.dense(d.name('dense'), x, d.channels(), d.chance(0.5))),
  flatten: (d, x) =>
    isMap(x) && sizeOf(x.shape) < 400 ? d.graph.reshape(d.name('reshape'), x, [sizeOf(x.shape)], x.rows) : undefined,
  toMap(d, x) {
    if (isMap(x)) return undefined;
    const [t, f] = d.pick([
      [2, 2],
      [1, 4],
      [3, 1],
      [2, 4],
    ] as const);
    return d.graph.reshape(d.name('reshape'), d.graph.dense(d.name('dense'), x, t * f * 3), [t, f, 3], x.rows);
  },
  joinRows: (d, x) =>
    !isMap(x) && x.rows > 1 ? d.graph.reshape(d.name('join'), x, [x.rows * channelsOf(x)], 1) : undefined,
  select: (d, x) =>
    x.rows > 1 ? d.graph.select(d.name('select'), x, d.rng.int(x.rows - 1), 1 + d.rng.int(1)) : undefined,
  concat: (d, x) => d.graph.concat(d.name('concat'), d.chance(0.5) ? [x, d.partner(x)] : [d.partner(x), x, x]),
  channels(d, x) {
    const c = channelsOf(x);
    const first = d.rng.int(c);
    return d.graph.channels(d.name('channels'), x, first, 1 + d.rng.int(c - first));
  },
  gather(d, x) {
    if (!isMap(x)) return undefined;
    const frames = x.shape[0];
    const index = d.input([1 + d.rng.int(4), 1, 1], x.rows, (rng) => rng.int(frames));
    return d.graph.gather(d.name('gather'), x, index);
  },
};

/** Later ones: seeds that were noted before these were there drew from those above. */
const more: Record<string, Draw> = {
  wideWindow: (d, x) => windowed(d, x, { kernel: 15, stride: [4, 4], dilation: 6, positions: 4 }),
  oneHot(d, x) {
    const c = channelsOf(x);
    const group = d.pick([1, 2, 3, 4, c].filter((n) => c % n === 0));
    return d.graph.add(d.name('add'), x, d.graph.oneHot(d.name('oneHot'), apart(d, x), group));
  },
  straightThroughOther(d, x) {
    const value = d.graph.add(d.name('add'), x, d.graph.oneHot(d.name('oneHot'), apart(d, x)));
    return d.graph.straightThrough(d.name('through'), value, x);
  },
};

/** An input like `x`, for what jumps where values change their order: differences of the loss do not move it. */
function apart(d: Drawing, x: Ref): Ref {
  return d.input(x.shape, x.rows);
}

function windowed(
  d: Drawing,
  x: Ref,
  most: { kernel: number; stride: Axes; dilation: number; positions?: number },
): Ref | undefined {
  if (!isMap(x)) return undefined;
  const depthwise = d.chance(0.2);
  const kernel = [1 + d.rng.int(most.kernel), 1 + d.rng.int(most.kernel)] as const;
  const options = {
    stride: [1 + d.rng.int(most.stride[0]), 1 + d.rng.int(most.stride[1])] as const,
    dilation: [1 + d.rng.int(most.dilation), 1 + d.rng.int(most.dilation)] as const,
    padding: [d.pick(['same', 'causal', 'none']), d.pick(['same', 'causal', 'none'])] as [Padding, Padding],
    depthwise,
  };
  const channels = depthwise ? channelsOf(x) : d.channels();
  // What a single position is left of has gradients of zero after many an operator.
  const [t, f] = options.stride.map((step, i) => Math.ceil(x.shape[i]! / step)) as [number, number];
  if (t * f < (most.positions ?? 1)) return undefined;
  try {
    return d.graph.conv(d.name('window'), x, kernel, channels, d.chance(0.5), options);
  } catch {
    return undefined; // a kernel larger than the map
  }
}

const losses: Record<string, (d: Drawing, x: Ref, weight: number) => boolean> = {
  mse: (d, x, weight) => loss(d, 'mse', [x, d.input(x.shape, x.rows)], weight),
  mseOfTwo: (d, x, weight) => loss(d, 'mse', [x, d.partner(x)], weight),
  l1: (d, x, weight) => loss(d, 'l1', [x, d.input(x.shape, x.rows)], weight),
  huber: (d, x, weight) => loss(d, 'huber', [x, d.partner(x)], weight, 0.3),
  weighted(d, x, weight) {
    const kind = d.pick(['mse', 'l1', 'huber'] as const);
    const weights = d.input(x.shape, x.rows, (r) => r.uniform());
    return loss(d, kind, [x, d.input(x.shape, x.rows), weights], weight, kind === 'huber' ? 0.4 : undefined);
  },
  hinge: (d, x, weight) => loss(d, 'hinge', [x, d.input(x.shape, x.rows, (r) => (r.int(2) ? 1 : -1))], weight, 0.5),
  bce: (d, x, weight) => loss(d, 'bce', [x, d.input(x.shape, x.rows, (r) => r.uniform())], weight),
  softmax(d, x, weight) {
    const label = d.input([...x.shape.slice(0, -1), 1] as unknown as Shape, x.rows, (r) => r.int(channelsOf(x)));
    return loss(d, 'softmax', [x, label], weight);
  },
  softTargets: (d, x, weight) =>
    loss(d, 'soft-cross-entropy', [x, d.input(x.shape, x.rows, (r) => r.uniform() / channelsOf(x))], weight),
  triplet: (d, x, weight) => !isMap(x) && x.rows === 3 && loss(d, 'triplet', [x], weight, 1),
  contrastive: (d, x, weight) => !isMap(x) && x.rows === 1 && loss(d, 'contrastive', [x, d.partner(x)], weight),
  ntXent: (d, x, weight) =>
    !isMap(x) && x.rows === 2 && loss(d, 'nt-xent', [d.graph.l2Normalize(d.name('l2'), x, 2)], weight),
  contrastiveIndex(d, x, weight) {
    if (!isMap(x)) return false;
    const [t, f] = x.shape;
    // Negative ones leave a candidate or, the first, a position out.
    const candidates = d.input([t, f, 3], x.rows, (r) => (r.int(4) ? r.int(t * f) : -1));
    return loss(d, 'contrastive-index', [x, d.partner(x), candidates], weight, 0.8);
  },
  diversity(d, x, weight) {
    return channelsOf(x) > 1 && loss(d, 'diversity', [d.graph.softmax(d.name('softmax'), x)], weight);
  },
};

function loss(d: Drawing, kind: LossKind, inputs: Ref[], weight: number, number?: number): boolean {
  const by = d.chance(0.2) ? d.graph.scalar(d.name('weight'), weight) : weight;
  d.graph.loss(d.name(kind), kind, inputs, by, number);
  return true;
}

export interface RandomGraphOptions {
  /** Names of operators and losses to draw from; default: all. */
  operators?: readonly string[];
  losses?: readonly string[];
  /** Shapes of inputs to draw from; default: maps of many kinds and vectors. */
  shapes?: readonly Shape[];
}

/** What noted seeds drew from, and all. */
export const earlierOperatorNames = Object.keys(operators);
const all = { ...operators, ...more };
export const operatorNames = Object.keys(all);
export const lossNames = Object.keys(losses);

export function randomGraph(seed: number, options: RandomGraphOptions = {}): RandomGraph {
  const d = new Drawing(seed);
  const rows = d.pick([1, 1, 2, 2, 3]);
  const shapes: readonly Shape[] = options.shapes ?? [
    ...([
      [4, 8, 1],
      [6, 4, 2],
      [5, 3, 4],
      [1, 9, 2],
      [7, 1, 3],
      [2, 32, 1],
      [4, 64, 1],
      [8, 6, 1],
    ] as const),
    ...([[5], [16], [3]] as const),
  ];
  for (let i = 0; i < 1 + d.rng.int(2); i++) {
    const x = d.input(d.pick(shapes), rows);
    d.plain.push(x.name);
    d.values.push(x);
  }
  const drawn = new Set<string>();
  const names = options.operators ?? operatorNames;
  const wanted = 2 + d.rng.int(7);
  for (let made = 0, tries = 0; made < wanted && tries < 200; tries++) {
    const name = d.pick(names);
    // Mostly the newest values, so that graphs grow deep; older ones for fan-out.
    const x = d.chance(0.6) ? d.values.at(-1)! : d.pick(d.values);
    if (sizeOf(x.shape) * x.rows > 4000) continue;
    const y = all[name]!(d, x);
    if (!y) continue;
    d.values.push(y);
    drawn.add(name);
    made++;
  }
  const uses = new Set(d.graph.nodes.flatMap((n) => n.inputs));
  const ends = d.values.filter((v) => !uses.has(v.name) || d.chance(0.1));
  for (const x of ends) {
    if (d.plain.includes(x.name)) continue;
    const small = sizeOf(x.shape) > 2000 ? ['mse'] : (options.losses ?? lossNames);
    for (let done = false; !done; ) {
      const name = d.pick(small);
      done = losses[name]!(d, x, 0.5 + d.rng.uniform());
      if (done) drawn.add(name);
    }
  }
  return finish(d, drawn, seed);
}

function finish(d: Drawing, drawn: Set<string>, seed: number): RandomGraph {
  const { graph } = d;
  const examples = d.pick([2, 3, 5]);
  const rng = new Random(`values ${seed}`);
  const inputs: Batch['inputs'] = {};
  for (const node of graph.nodes) {
    if (node.op !== 'input') continue;
    const fill = d.fill.get(node.name)!;
    inputs[node.name] = {
      values: Float32Array.from({ length: examples * node.rows * sizeOf(node.shape) }, () => fill(rng)),
    };
  }
  const weights = new Map(
    graph.params.map((p) => {
      const fan = p.shape.length > 1 ? Math.sqrt(sizeOf(p.shape.slice(1))) : 1;
      const value = () => {
        if (p.name.endsWith('running_mean')) return rng.uniform() - 0.5;
        if (p.shape.length === 1) return p.name.endsWith('.bias') ? rng.uniform() - 0.5 : 0.5 + rng.uniform();
        return (2 * rng.uniform() - 1) * (1.7 / fan);
      };
      return [p.name, Float64Array.from({ length: sizeOf(p.shape) }, () => Math.fround(value()))] as const;
    }),
  );
  return { graph, batch: { examples, inputs }, weights, differentiable: d.plain, operators: drawn };
}
