// One-dimensional networks over time. A map [T, 1, C] is stored as [1, T, C]: one row of T positions instead of T rows of
// one, which is what kernels are fast at. Positions keep their order, so arrays given and returned are the same.
//
// Maps that an operator reads and writes change together. Where one of them cannot (the operator tells frames from
// bands, or has a map of several bands, too), a copy goes between: a reshape.
import { factsOf } from '../../graph/operators/index.js';
import { type EngineNode, isLine } from '../engine-graph.js';
import type { Rewrite } from './rewrite.js';

export const alongBands: Rewrite = {
  name: 'along-bands',
  mode: 'both',
  apply(nodes, context) {
    const byName = new Map(nodes.map((n) => [n.name, n]));
    const turned = turnedMaps(nodes, byName);
    if (turned.size === 0) return [...nodes];
    const out = new Map<string, EngineNode>();
    /** The input as a reader wants it, after a copy where need be. */
    const laid = (input: string, asBands: boolean): string => {
      const node = byName.get(input)!;
      if (!isLine(node) || node.shape[0] === 1 || turned.has(input) === asBands) return input;
      const name = context.freeName(`${input} as ${asBands ? 'bands' : 'frames'}`);
      const shape = asBands ? turnedShape(node) : node.shape;
      out.set(name, { op: 'reshape', name, inputs: [input], shape, rows: node.rows, params: [] });
      return name;
    };
    for (const node of nodes) {
      const asBands = together(node, byName).some((name) => turned.has(name));
      const inputs = node.op === 'reshape' ? node.inputs : node.inputs.map((name) => laid(name, asBands));
      out.set(node.name, { ...(turned.has(node.name) || asBands ? turn(node) : node), inputs } as EngineNode);
    }
    return [...out.values()];
  },
};

/** Maps to be turned: those of groups in which there is a convolution. */
function turnedMaps(nodes: readonly EngineNode[], byName: ReadonlyMap<string, EngineNode>): ReadonlySet<string> {
  const groups = new Map<string, Set<string>>();
  for (const node of nodes) {
    const all = new Set(together(node, byName).flatMap((name) => [name, ...(groups.get(name) ?? [])]));
    for (const name of all) groups.set(name, all);
  }
  const worthwhile = nodes.filter((n) => n.op === 'conv' && groups.has(n.name));
  return new Set(worthwhile.flatMap((n) => [...groups.get(n.name)!]));
}

/** The maps of a node, itself and what it reads, that must lie alike; none if the node cannot be turned. */
function together(node: EngineNode, byName: ReadonlyMap<string, EngineNode>): string[] {
  if (!canTurn(node, byName)) return [];
  const inputs = node.op === 'reshape' ? [] : node.inputs.filter((name) => canTurn(byName.get(name)!, byName));
  return [node.name, ...inputs].filter((name) => isLine(byName.get(name)!));
}

function canTurn(node: EngineNode, byName: ReadonlyMap<string, EngineNode>): boolean {
  const maps = [node, ...(node.op === 'reshape' ? [] : node.inputs.map((name) => byName.get(name)!))];
  return transposed(node) !== undefined && maps.every((map) => map.shape.length === 1 || isLine(map));
}

/** The node for maps whose frames and bands have changed places, its shape aside. */
function transposed(node: EngineNode): EngineNode | undefined {
  const facts = factsOf(node);
  if (!facts?.transposed) return node;
  const other: Partial<EngineNode> | undefined = facts.transposed(node as never);
  // Its attributes are the operator's; what a node is to others stays.
  const { op, name, inputs, shape, rows, params } = node;
  return other && ({ ...other, op, name, inputs, shape, rows, params } as EngineNode);
}

function turn(node: EngineNode): EngineNode {
  return { ...transposed(node)!, shape: isLine(node) ? turnedShape(node) : node.shape } as EngineNode;
}

function turnedShape(node: EngineNode): readonly [number, number, number] {
  const [frames, bands, channels] = node.shape as readonly [number, number, number];
  return [bands, frames, channels];
}
