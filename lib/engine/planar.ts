// Which maps have their bands innermost.
import type { Node } from '../graph/graph.js';

/** kMostColumns in native/engine/step.h: vectors that a channel's bands may fill. */
const MOST_COLUMNS = 64;

/** Maps whose bands are innermost (Tensor in native/engine/step.h says what it is good for): single-channel inputs, what
 * convolutions make of them and what follows, as long as a vector's lanes outnumber channels and bands fill them.
 * Training ends it at the first max-pool and has fewer channels, because weight gradients planar are added up in as
 * many lanes as a vector has, which more weights would not find room for in the cache. */
export function planarMaps(
  nodes: readonly Node[],
  consumers: ReadonlyMap<string, readonly Node[]>,
  mode: 'train' | 'infer',
  lanes: number,
): ReadonlySet<string> {
  const maps = new Set<string>();
  const channels = (node: Node) => node.shape.at(-1)!;
  const fits = (node: Node) => {
    const bands = node.shape[1]!;
    const most = mode === 'infer' ? lanes : lanes - 1;
    if (node.shape.length < 3 || bands % (2 * lanes) !== 0 || bands > MOST_COLUMNS * lanes) return false;
    if (node.op === 'input') return channels(node) === 1;
    if (channels(node) < 2 || channels(node) > most || !node.inputs.every((name) => maps.has(name))) return false;
    if (node.op === 'conv') return !node.upsampled;
    return ['batch-norm', 'relu', 'add'].includes(node.op) || (node.op === 'max-pool' && mode === 'infer');
  };
  for (const node of nodes) if (fits(node)) maps.add(node.name);
  // A map that something else reads is left as it is, and so is then all that it is made of and all that is made of it.
  const read = (node: Node) => {
    const reads = (c: Node) => maps.has(c.name) || (c.op === 'max-pool' && node.op !== 'input');
    return (consumers.get(node.name) ?? []).every(reads);
  };
  for (let before = -1; before !== maps.size; ) {
    before = maps.size;
    for (const node of nodes) {
      if (maps.has(node.name) && !(read(node) && node.inputs.every((name) => maps.has(name)))) maps.delete(node.name);
    }
  }
  return maps;
}
