// Which maps have their bands innermost ("planar": a channel's bands lie side by side), and in which others the bands of
// few channels share vectors ("folded").
import { MOST_COLUMNS } from '../native/constants.js';
import { type EngineNode, type Mode, usesOf } from './engine-graph.js';
import { plannerOf } from './planners/index.js';

/** Planar maps (Tensor in native/engine/step.h says what they are good for): single-channel inputs, what convolutions make
 * of them and what follows, as long as a vector's lanes outnumber channels and bands fill them. Training ends it at the
 * first max-pool and has fewer channels, because planar weight gradients are added up in as many lanes as a vector has,
 * which more weights would not find room for in the cache. */
export function planarMaps(
  nodes: readonly EngineNode[],
  mode: Mode,
  lanes: number,
  wantedGradients: ReadonlySet<string>,
): ReadonlySet<string> {
  const uses = usesOf(nodes);
  const maps = new Set<string>();
  const channels = (node: EngineNode) => node.shape.at(-1)!;
  const fits = (node: EngineNode) => {
    const bands = node.shape[1]!;
    const most = mode === 'infer' ? lanes : lanes - 1;
    if (node.shape.length < 3 || bands % (2 * lanes) !== 0 || bands > MOST_COLUMNS * lanes) return false;
    if (node.op === 'input') return channels(node) === 1 && !wantedGradients.has(node.name);
    if (channels(node) < 2 || channels(node) > most || !node.inputs.every((name) => maps.has(name))) return false;
    return plannerOf(node).planar?.(node, mode) ?? false;
  };
  for (const node of nodes) if (fits(node)) maps.add(node.name);
  // A map that something else reads is left as it is, and so is then all that it is made of and all that is made of it.
  const read = (node: EngineNode) => {
    const reads = (c: EngineNode) => maps.has(c.name) || (plannerOf(c).endsPlanar && node.op !== 'input');
    return (uses.get(node.name) ?? []).every((use) => reads(use.node));
  };
  for (let before = -1; before !== maps.size; ) {
    before = maps.size;
    for (const node of nodes) {
      if (maps.has(node.name) && !(read(node) && node.inputs.every((name) => maps.has(name)))) maps.delete(node.name);
    }
  }
  return maps;
}

/** Maps in which a band has vectors of its own however few its channels: those that an operator reads or writes which
 * knows no other, and all that these are combined with. */
export function unfoldedMaps(nodes: readonly EngineNode[], wantedGradients: ReadonlySet<string>): ReadonlySet<string> {
  const byName = new Map(nodes.map((n) => [n.name, n]));
  const isMap = (name: string) => byName.get(name)!.shape.length === 3;
  const groups = new Map<string, Set<string>>();
  const general = new Set<string>();
  const join = (a: string, b: string) => {
    const [into, from] = [groups.get(a)!, groups.get(b)!];
    if (into === from) return;
    for (const name of from) {
      into.add(name);
      groups.set(name, into);
    }
  };
  // An input that needs no gradient is only read, value by value: it may keep its channels close together.
  const isReadAsItIs = (node: EngineNode, name: string) =>
    plannerOf(node).readsAnyLayout?.(node) && byName.get(name)!.op === 'input' && !wantedGradients.has(name);
  for (const node of nodes) {
    groups.set(node.name, new Set([node.name]));
    const maps = [node.name, ...node.inputs.filter((name) => !isReadAsItIs(node, name))].filter(isMap);
    if (!plannerOf(node).folded?.(node)) for (const name of maps) general.add(name);
    for (const name of maps.slice(1)) join(maps[0]!, name);
  }
  return new Set([...general].flatMap((name) => [...groups.get(name)!]));
}
