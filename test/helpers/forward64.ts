// An independent forward pass of a graph, in plain double-precision loops and in inference mode: what exports and the
// native engine are compared with. Nothing is folded here, and nothing is shared with lib/ but the graph itself.
import type { Node } from '../../lib/graph/graph.js';

type Weights = ReadonlyMap<string, ArrayLike<number>>;

/** Values of all nodes for one example: maps in T, F, C order, rows one after the other. */
export function forward64(
  nodes: readonly Node[],
  weights: Weights,
  inputs: Record<string, ArrayLike<number>>,
): Map<string, Float64Array> {
  const values = new Map<string, Float64Array>();
  for (const node of nodes) {
    if (node.op === 'loss') continue;
    const size = node.shape.reduce((a, b) => a * b, 1);
    const [x, y] = node.inputs.map((name) => values.get(name)!);
    const from = nodes.find((n) => n.name === node.inputs[0]);
    const out = new Float64Array(size * node.rows);
    values.set(node.name, out);
    if (node.op === 'input') out.set(Float64Array.from(inputs[node.name]!));
    else if (node.op === 'reshape') reshape(node, x!, out);
    else {
      const inSize = from!.shape.reduce((a, b) => a * b, 1);
      for (let r = 0; r < node.rows; r++) {
        const o = out.subarray(r * size, (r + 1) * size);
        const i = x!.subarray(r * inSize, (r + 1) * inSize);
        if (node.op === 'add') for (let k = 0; k < size; k++) o[k] = i[k]! + y![r * size + k]!;
        else one(node, from!, i, o, weights);
      }
    }
  }
  return values;
}

function one(node: Node, from: Node, x: Float64Array, y: Float64Array, weights: Weights): void {
  const p = (key: string) => weights.get(`${node.name}.${key}`)!;
  const [T, F, C] = from.shape as [number, number, number];
  const [To, Fo, Co] = node.shape as [number, number, number];
  switch (node.op) {
    case 'conv': {
      const [kt, kf] = node.kernel;
      const [w, bias] = [p('weight'), node.bias ? p('bias') : undefined];
      for (let t = 0; t < T; t++)
        for (let f = 0; f < F; f++)
          for (let o = 0; o < Co; o++) {
            let sum = bias ? bias[o]! : 0;
            for (let i = 0; i < kt; i++)
              for (let j = 0; j < kf; j++) {
                const [ti, fj] = [t + i - (kt - 1) / 2, f + j - (kf - 1) / 2];
                if (ti < 0 || ti >= T || fj < 0 || fj >= F) continue;
                for (let c = 0; c < C; c++) sum += x[(ti * F + fj) * C + c]! * w[((o * C + c) * kt + i) * kf + j]!;
              }
            y[(t * F + f) * Co + o] = sum;
          }
      return;
    }
    case 'batch-norm': {
      const channels = node.shape.at(-1)!;
      const [w, b, mean, variance] = [p('weight'), p('bias'), p('running_mean'), p('running_var')];
      x.forEach((v, i) => {
        const c = i % channels;
        const z = ((v - mean[c]!) / Math.sqrt(variance[c]! + 1e-5)) * w[c]! + b[c]!;
        y[i] = node.relu ? Math.max(0, z) : z;
      });
      return;
    }
    case 'relu':
      x.forEach((v, i) => {
        y[i] = Math.max(0, v);
      });
      return;
    case 'max-pool':
      y.fill(-Infinity);
      for (let t = 0; t < 2 * To; t++)
        for (let f = 0; f < 2 * Fo; f++)
          for (let c = 0; c < C; c++) {
            const k = ((t >> 1) * Fo + (f >> 1)) * C + c;
            y[k] = Math.max(y[k]!, x[(t * F + f) * C + c]!);
          }
      return;
    case 'global-max-pool':
      y.fill(-Infinity);
      x.forEach((v, i) => {
        y[i % C] = Math.max(y[i % C]!, v);
      });
      return;
    case 'upsample':
      for (let t = 0; t < To; t++)
        for (let f = 0; f < Fo; f++)
          for (let c = 0; c < C; c++) y[(t * Fo + f) * C + c] = x[((t >> 1) * F + (f >> 1)) * C + c]!;
      return;
    case 'dense':
      for (let o = 0, w = p('weight'); o < y.length; o++) {
        y[o] = node.bias ? p('bias')[o]! : 0;
        for (let i = 0; i < x.length; i++) y[o]! += x[i]! * w[o * x.length + i]!;
      }
      return;
    default:
      throw new Error(`forward64 does not know ${node.op}`);
  }
}

/** Rows of vectors side by side, or a vector in C, T, F order into a map. */
function reshape(node: Node, x: Float64Array, y: Float64Array): void {
  if (node.shape.length === 1) {
    y.set(x);
    return;
  }
  const [T, F, C] = node.shape;
  for (let k = 0; k < y.length; k++) {
    const [r, c, t, f] = [Math.floor(k / (T * F * C)), k % C, Math.floor(k / (F * C)) % T, Math.floor(k / C) % F];
    y[k] = x[((r * C + c) * T + t) * F + f]!;
  }
}
