// Each node again, as the builder makes it of the same operands: what nodes that come from elsewhere (a class that extends
// Graph, a rewrite) are held against, so that the engine never plans one whose shape or parameters are not its operator's.
import { isDeepStrictEqual } from 'node:util';
import { checkInteger, checkObject } from '../util/arguments.js';
import { argumentError } from '../util/errors.js';
import { Graph } from './graph.js';
import type { Node, Op, Parameter } from './node.js';
import type { Ref, Scalar } from './node-list.js';
import { mapShape } from './operands.js';
import { operatorOf } from './operators/index.js';
import { type Axes, type Padding, type Window, windowOf } from './window.js';

/** Makes nodes again, one after the other. */
class Copy extends Graph {
  readonly #made = new Map<string, Ref>();

  /** A node that is known to fit what it reads. */
  keep(node: Node): void {
    this.#made.set(node.name, this.push(node));
  }

  /** Throws `ERR_ARGUMENT`, which names the node, unless the builder makes this of its operands. */
  take(node: Node): void {
    const operands = node.inputs.map((input) => this.#made.get(input)!);
    const make = Object.hasOwn(makers, node.op) ? (makers[node.op] as Maker<Op['op']>) : undefined;
    if (!make && !operatorOf(node)) throw argumentError(`operator of ${node.name}`, 'one that is known', node.op);
    const made = make ? (make(this, node as never, operands) as Node) : this.push(node);
    this.#made.set(node.name, made);
    for (const key of new Set([...Object.keys(made), ...Object.keys(node)])) {
      const [wanted, got] = [made, node].map((n) => (n as unknown as Record<string, unknown>)[key]);
      if (key === 'layer')
        checkInteger(`layer of ${node.name}`, got as number, 0, 1 << 20); // of all dropouts once there
      else if (!isDeepStrictEqual(wanted, got)) throw argumentError(`${key} of ${node.name}`, text(wanted), text(got));
    }
  }

  scalarOf(name: string): Scalar {
    return this.scalars.find((s) => s.scalar === name) ?? this.scalar(name, 1);
  }
}

type Maker<K extends Op['op']> = (copy: Copy, node: Node & { op: K }, operands: readonly Ref[]) => Ref;

const makers: { [K in Op['op']]: Maker<K> } = {
  input: (g, n) => g.input(n.name, n.shape, n.rows),
  conv: (g, n, [x]) => {
    const { depthwise = false, window } = n;
    const options = { depthwise, ...(window && windowOptions(n, n.kernel, window, x!)) };
    return shared(g, n, (name, share) => g.conv(name, x!, n.kernel, n.shape.at(-1)!, n.bias, { ...options, share }));
  },
  dense: (g, n, [x]) => shared(g, n, (name, share) => g.dense(name, x!, n.shape.at(-1)!, n.bias, { share })),
  'batch-norm': (g, n, [x]) => g.batchNorm(n.name, x!, n.relu),
  relu: (g, n, [x]) => g.relu(n.name, x!),
  add: (g, n, [a, b]) => g.add(n.name, a!, b!),
  sub: (g, n, [a, b]) => g.sub(n.name, a!, b!),
  mul: (g, n, [a, b]) => g.mul(n.name, a!, b!),
  div: (g, n, [a, b]) => g.div(n.name, a!, b!),
  gate: (g, n, [x, factor]) => g.gate(n.name, x!, factor!),
  dot: (g, n, [a, b]) => g.dot(n.name, a!, b!),
  softmax: (g, n, [x]) => g.softmax(n.name, x!),
  'stop-gradient': (g, n, [x]) => g.stopGradient(n.name, x!),
  'straight-through': (g, n, [value, through]) => g.straightThrough(n.name, value!, through!),
  pointwise: (g, n, [x]) => g.pointwise(n.name, n.fn, x!, n.constant),
  scale: (g, n, [x]) => g.scale(n.name, x!, n.scalar === undefined ? n.factor : g.scalarOf(n.scalar)),
  dropout: (g, n, [x]) => g.dropout(n.name, x!, n.probability, g.scalarOf(n.scalar)),
  'l2-normalize': (g, n, [x]) => g.l2Normalize(n.name, x!, n.length),
  'layer-norm': (g, n, [x]) => g.layerNorm(n.name, x!, n.over),
  'one-hot': (g, n, [x]) => g.oneHot(n.name, x!, n.group),
  'max-pool': (g, n, [x]) => g.maxPool(n.name, x!),
  'global-max-pool': (g, n, [x]) => g.globalMaxPool(n.name, x!),
  reshape: (g, n, [x]) => g.reshape(n.name, x!, n.shape, n.rows),
  gather: (g, n, [x, index]) => g.gather(n.name, x!, index!),
  pool: (g, n, [x]) => {
    if (n.shape.length === 1) return g.globalPool(n.name, n.mode, x!);
    const { stride, padding } = windowOptions(n, n.kernel, n.window, x!, 1 << 16);
    return g.pool(n.name, n.mode, x!, n.kernel, { stride, padding });
  },
  upsample: (g, n, [x]) => g.upsample(n.name, x!, n.factors),
  select: (g, n, [x]) => g.select(n.name, x!, n.first, n.rows),
  channels: (g, n, [x]) => g.channels(n.name, x!, n.first, n.shape.at(-1)!),
  concat: (g, n, inputs) => g.concat(n.name, inputs),
  loss: (g, n, inputs) => {
    const weight = n.scalar === undefined ? n.weight : g.scalarOf(n.scalar);
    return g.loss(n.name, n.loss, inputs, weight, n.number);
  },
};

/** Makes a layer that may use another's weights. The other one need not be there: of a graph, only what outputs need is planned. */
function shared(g: Copy, { name, params }: Node, make: (name: string, share: string) => Ref): Ref {
  const owner = params[0]?.name.replace(/\.weight$/, '') ?? name;
  if (!g.params.some((p) => p.name === `${owner}.weight`) && owner !== name) make(owner, owner);
  return make(name, owner);
}

const paddings: readonly Padding[] = ['same', 'causal', 'none'];

/** Stride, dilation and the kinds of padding that a window was made of. */
function windowOptions({ name, shape }: Node, kernel: Axes, window: Window, x: Ref, mostTaps?: number) {
  const [t, f] = mapShape(name, x);
  checkObject(`window of ${name}`, window);
  const { stride, dilation, padding } = window;
  const outputs = shape.slice(0, 2);
  for (const frames of paddings) {
    for (const bands of paddings) {
      const options = { stride, dilation, padding: [frames, bands] as const };
      try {
        const made = windowOf(name, kernel, [t, f], options, mostTaps);
        if (isDeepStrictEqual(made, { window, outputs })) return options;
      } catch (error) {
        if (frames === 'same' && bands === 'same') throw error; // of a size, stride or dilation; else the map is too small
      }
    }
  }
  throw argumentError(`padding of ${name}`, 'that of "same", "causal" or "none"', text(padding));
}

function text(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}

/** Throws `ERR_ARGUMENT`, which names the node, unless the builder makes each of these nodes of its operands; those of
 * `known` are. What a node reads must stand before it. */
export function checkMade(nodes: readonly Node[], known: ReadonlySet<Node> = new Set()): void {
  const copy = new Copy();
  const parameters = new Map<string, Parameter>();
  for (const node of nodes) {
    known.has(node) ? copy.keep(node) : copy.take(node);
    for (const p of node.params) {
      const other = parameters.get(p.name);
      if (other && !isDeepStrictEqual(other, p)) {
        throw argumentError(
          `parameter ${p.name} of ${node.name}`,
          `as that of an earlier node, ${text(other)}`,
          text(p),
        );
      }
      parameters.set(p.name, p);
    }
  }
}
