// The decoder without copies. Nearest upsampling fills four places with one value, and convolutions then multiply each
// of them. The same results come from less work:
//   - a 1×1 convolution (and its norm) commutes with upsampling: do it before;
//   - after upsampling, two of the three taps of a 1×3 or 3×1 convolution meet the same value: add their weights
//     instead, and let the convolution do the upsampling along its own axis (ConvShape in native/engine/step.h).
// So u = up(x), conv3x1(norm(conv1x3(u))) + norm(conv1x1(u)) becomes
//   convFrames(norm(convBands(x))) + up(norm(conv1x1(x))),
// 2.35 times fewer multiplications in the decoder. Batch statistics are those of the upsampled maps, because every
// value counts equally often; only the unbiased variance must know how many there are (`copies`).
import type { ConvNode, EngineNode, NormNode } from '../engine-graph.js';
import type { Rewrite, RewriteContext } from './rewrite.js';

/** Nodes that are read afterwards keep the shape they are known by. */
export const upsampling: Rewrite = {
  name: 'upsampling',
  mode: 'both',
  apply(nodes, context) {
    let out = [...nodes];
    for (const node of nodes) if (node.op === 'upsample') out = replace(out, node, context) ?? out;
    return out;
  },
};

function replace(
  nodes: readonly EngineNode[],
  up: EngineNode & { op: 'upsample' },
  context: RewriteContext,
): EngineNode[] | undefined {
  const { targets } = context;
  if (up.factors.some((k) => k !== 2)) return undefined;
  const consumers = (name: string) => nodes.filter((n) => n.inputs.includes(name));
  const only = (name: string) => {
    const all = consumers(name);
    return all.length === 1 && !targets.has(name) ? all[0] : undefined;
  };
  const [a, b, ...others] = consumers(up.name);
  const along = [a, b].find((n): n is ConvNode => isConv(n, 1, 3));
  const side = [a, b].find((n): n is ConvNode => isConv(n, 1, 1));
  if (!along || !side || others.length > 0 || targets.has(up.name)) return undefined;

  const alongEnd = normAfter(along, only(along.name)) ?? along;
  const across = only(alongEnd.name);
  const sideEnd = normAfter(side, only(side.name)) ?? side;
  const add = only(sideEnd.name);
  if (!isConv(across, 3, 1) || add?.op !== 'add') return undefined;

  const [t, f] = up.shape as readonly [number, number, number];
  const channels = (n: EngineNode) => n.shape[n.shape.length - 1]!;
  const half = (n: EngineNode) => [t / 2, f, channels(n)] as const;
  const quarter = (n: EngineNode) => [t / 2, f / 2, channels(n)] as const;
  const copy: EngineNode = {
    ...up,
    name: context.freeName(`${sideEnd.name}.upsampled`),
    inputs: [sideEnd.name],
    shape: [t, f, channels(sideEnd)],
  };
  const replaced = new Map<EngineNode, EngineNode[]>([
    [up, []],
    [along, [{ ...along, inputs: up.inputs, shape: half(along), upsampled: 'bands' }]],
    [across, [{ ...across, upsampled: 'frames' }]],
    [side, [{ ...side, inputs: up.inputs, shape: quarter(side) }, ...(sideEnd === side ? [copy] : [])]],
    [add, [{ ...add, inputs: add.inputs.map((name) => (name === sideEnd.name ? copy.name : name)) }]],
  ]);
  if (alongEnd !== along) replaced.set(alongEnd, [{ ...(alongEnd as NormNode), shape: half(alongEnd), copies: 2 }]);
  if (sideEnd !== side) replaced.set(sideEnd, [{ ...(sideEnd as NormNode), shape: quarter(sideEnd), copies: 4 }, copy]);
  return nodes.flatMap((n) => replaced.get(n) ?? [n]);
}

function isConv(node: EngineNode | undefined, kt: number, kf: number): node is ConvNode {
  return node?.op === 'conv' && !node.window && node.kernel[0] === kt && node.kernel[1] === kf;
}

function normAfter(conv: ConvNode, consumer: EngineNode | undefined): NormNode | undefined {
  return consumer?.op === 'batch-norm' && !conv.bias ? (consumer as NormNode) : undefined;
}
