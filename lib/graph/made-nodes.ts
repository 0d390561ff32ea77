// Nodes are what a Graph made: they stay as they were checked then, and so do the nodes that they read.

import { checkObject } from '../util/arguments.js';
import { argumentError } from '../util/errors.js';
import type { Node } from './node.js';
import { factsOf } from './operators/index.js';

const operandsOf = new WeakMap<Node, readonly Node[]>();

/** A copy that nobody changes any more: what is asked of its shapes once stays true. */
export function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  const copy = Array.isArray(value)
    ? value.map(frozen)
    : Object.fromEntries(Object.entries(value).map(([key, member]) => [key, frozen(member)]));
  return Object.freeze(copy) as T;
}

/** Notes that a graph has made a node of these. */
export function remember(node: Node, operands: readonly Node[]): void {
  operandsOf.set(node, operands);
}

/** A copy of a list of nodes. Throws `ERR_ARGUMENT` unless a Graph made each of them and what it reads stands before it,
 * once. */
export function checkedNodes(nodes: readonly Node[]): Node[] {
  if (!Array.isArray(nodes)) throw argumentError('graph', 'a Graph, or its nodes', nodes);
  if (nodes.length === 0) throw argumentError('graph', 'of at least one node', 'none');
  const before = new Set<Node>();
  const names = new Set<string>();
  for (const node of nodes) {
    checkObject('node of the graph', node);
    const operands = operandsOf.get(node);
    if (!operands) throw argumentError('graph', 'of nodes that a Graph made', node.name);
    const missing = operands.find((operand) => !before.has(operand));
    if (missing) throw argumentError(`graph with ${node.name}`, `given with ${missing.name}, before it`, 'without');
    if (names.has(node.name)) throw argumentError('graph', 'of nodes with a name each', node.name);
    before.add(node);
    names.add(node.name);
  }
  return [...nodes];
}

/** The inputs that the values of a node are taken from, which are checked when a batch gives them; undefined where any are
 * computed. */
export function inputsPicked(nodes: readonly Node[], name: string): string[] | undefined {
  const inputs: string[] = [];
  const wanted = new Set([name]);
  for (const one of wanted) {
    const node = nodes.find((n) => n.name === one)!;
    if (node.op === 'input') inputs.push(one);
    else {
      const { moves } = factsOf(node) ?? {};
      if (!moves) return undefined;
      for (const input of moves === 'all' ? node.inputs : node.inputs.slice(0, 1)) wanted.add(input);
    }
  }
  return inputs;
}

/** Throws unless indices come from inputs, where they can be checked. */
export function checkIndices(what: string, nodes: readonly Node[], name: string): void {
  if (inputsPicked(nodes, name)) return;
  throw argumentError(what, 'an input, or rows or channels of inputs: computed ones cannot be checked', name);
}
