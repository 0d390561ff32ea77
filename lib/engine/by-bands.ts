// Which maps have their bands innermost.
import type { Node } from '../model/graph.js';

/** Maps whose bands are innermost (Tensor in native/engine/step.h says what it is good for): what convolutions make of
 * single-channel inputs and what follows, as long as a vector's lanes outnumber channels and bands fill them.
 * Training ends it at the first max-pool and has fewer channels, because weight gradients by bands are added up in as
 * many lanes as a vector has, which more weights would not find room for in the cache. */
export function mapsByBands(
  nodes: readonly Node[],
  consumers: ReadonlyMap<string, readonly Node[]>,
  byName: ReadonlyMap<string, Node>,
  mode: 'train' | 'infer',
  lanes: number,
): ReadonlySet<string> {
  const maps = new Set<string>();
  const channels = (node: Node) => node.shape.at(-1)!;
  const single = (name: string) => channels(byName.get(name)!) === 1;
  const fits = (node: Node) => {
    const bands = node.shape[1]!;
    const most = mode === 'infer' ? lanes : lanes - 1;
    if (node.shape.length < 3 || channels(node) < 2 || channels(node) > most || bands % (2 * lanes) !== 0) return false;
    if (node.op === 'conv') return !node.upsampled && (single(node.inputs[0]!) || maps.has(node.inputs[0]!));
    const goesOn = ['batch-norm', 'relu', 'add'].includes(node.op) || (node.op === 'max-pool' && mode === 'infer');
    return goesOn && node.inputs.every((name) => maps.has(name));
  };
  for (const node of nodes) if (fits(node)) maps.add(node.name);
  // A map that something else reads is left as it is, and so is then all that it is made of and all that is made of it.
  const read = (node: Node) => (consumers.get(node.name) ?? []).every((c) => maps.has(c.name) || c.op === 'max-pool');
  for (let before = -1; before !== maps.size; ) {
    before = maps.size;
    for (const node of nodes) {
      const whole = node.inputs.every((name) => maps.has(name) || single(name));
      if (maps.has(node.name) && !(read(node) && whole)) maps.delete(node.name);
    }
  }
  return maps;
}
