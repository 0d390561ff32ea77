// The decoder without copies. Nearest upsampling fills four places with one value, and convolutions then multiply each
// of them. The same results come from less work:
//   - a 1×1 convolution (and its norm) commutes with upsampling: do it before;
//   - after upsampling, two of the three taps of a 1×3 or 3×1 convolution meet the same value: add their weights
//     instead, and let the convolution do the upsampling along its own axis (ConvShape in native/engine/step.h).
// So u = up(x), conv3x1(norm(conv1x3(u))) + norm(conv1x1(u)) becomes
//   convFrames(norm(convBands(x))) + up(norm(conv1x1(x))),
// 2.35 times fewer multiplications in the decoder. Batch statistics are those of the upsampled maps, because every
// value counts equally often; only the unbiased variance must know how many there are (`copies`).
import type { Node } from '../graph/graph.js';

type Conv = Node & { op: 'conv' };
type Norm = Node & { op: 'batch-norm' };

/** The graph with every upsampling that has this form replaced. Nodes in `targets` keep the shape they are known by. */
export function withoutUpsampling(nodes: readonly Node[], targets: readonly string[]): Node[] {
  let out = [...nodes];
  for (const node of nodes) if (node.op === 'upsample') out = replace(out, node, targets) ?? out;
  return out;
}

function replace(nodes: readonly Node[], up: Node, targets: readonly string[]): Node[] | undefined {
  const consumers = (name: string) => nodes.filter((n) => n.inputs.includes(name));
  const only = (name: string) => {
    const all = consumers(name);
    return all.length === 1 && !targets.includes(name) ? all[0] : undefined;
  };
  const [a, b, ...others] = consumers(up.name);
  const along = [a, b].find((n): n is Conv => isConv(n, 1, 3));
  const side = [a, b].find((n): n is Conv => isConv(n, 1, 1));
  if (!along || !side || others.length > 0 || targets.includes(up.name)) return undefined;

  const alongEnd = normAfter(along, only(along.name)) ?? along;
  const across = only(alongEnd.name);
  const sideEnd = normAfter(side, only(side.name)) ?? side;
  const add = only(sideEnd.name);
  if (!isConv(across, 3, 1) || add?.op !== 'add') return undefined;

  const [t, f] = up.shape as readonly [number, number, number];
  const channels = (n: Node) => n.shape[n.shape.length - 1]!;
  const half = (n: Node) => [t / 2, f, channels(n)] as const;
  const quarter = (n: Node) => [t / 2, f / 2, channels(n)] as const;
  const copy: Node = {
    ...up,
    name: `${sideEnd.name}.upsampled`,
    inputs: [sideEnd.name],
    shape: [t, f, channels(sideEnd)],
  };
  const replaced = new Map<Node, Node[]>([
    [up, []],
    [along, [{ ...along, inputs: up.inputs, shape: half(along), upsampled: 'bands' }]],
    [across, [{ ...across, upsampled: 'frames' }]],
    [side, [{ ...side, inputs: up.inputs, shape: quarter(side) }, ...(sideEnd === side ? [copy] : [])]],
    [add, [{ ...add, inputs: add.inputs.map((name) => (name === sideEnd.name ? copy.name : name)) }]],
  ]);
  if (alongEnd !== along) replaced.set(alongEnd, [{ ...(alongEnd as Norm), shape: half(alongEnd), copies: 2 }]);
  if (sideEnd !== side) replaced.set(sideEnd, [{ ...(sideEnd as Norm), shape: quarter(sideEnd), copies: 4 }, copy]);
  return nodes.flatMap((n) => replaced.get(n) ?? [n]);
}

function isConv(node: Node | undefined, kt: number, kf: number): node is Conv {
  return node?.op === 'conv' && node.kernel[0] === kt && node.kernel[1] === kf;
}

function normAfter(conv: Conv, consumer: Node | undefined): Norm | undefined {
  return consumer?.op === 'batch-norm' && !conv.bias ? consumer : undefined;
}
