// A value that is no number must be seen in what is computed from it, wherever it stands: a network that has diverged must
// not look well.
import { describe, expect, it } from 'vitest';
import { Graph, Network, type Ref } from '../../lib/engine/index.js';
import { sizeOf } from '../../lib/graph/node.js';
import { native } from '../../lib/native/addon.js';

const pools: Record<string, (g: Graph, x: Ref) => Ref> = {
  'global max-pool': (g, x) => g.globalMaxPool('y', x),
  'max-pool 2×2': (g, x) => g.maxPool('y', x),
  'max-pool 3×2': (g, x) => g.pool('y', 'max', x, [3, 2], { stride: 1, padding: 'same' }),
  'max over frames': (g, x) => g.globalPool('y', 'max', x, 'frames'),
  'mean over all': (g, x) => g.globalPool('y', 'mean', x),
  'deviation over all': (g, x) => g.globalPool('y', 'std', x),
};
// Channels that fill no vector, bands that share one, maps too small for vectors of 2×2 windows.
const shapes = [
  [2, 2, 3],
  [4, 2, 1],
  [4, 6, 5],
  [2, 32, 8],
  [4, 4, 20],
] as const;

describe.each(native.capabilities().available)('on %s', (isa) => {
  it.each(Object.keys(pools))('%s', async (pool) => {
    for (const shape of shapes) {
      const g = new Graph();
      pools[pool]!(g, g.input('x', shape));
      using network = new Network(g, { maxExamples: 1, threads: 1, isa });
      for (let at = 0; at < sizeOf(shape); at++) {
        const values = Float32Array.from({ length: sizeOf(shape) }, (_, i) => (i % 7) - 3);
        values[at] = Number.NaN;
        const y = await network.forward({ examples: 1, inputs: { x: { values } } }, 'y');
        expect([...y].some(Number.isNaN), `${shape.join('×')}, value ${at}`).toBe(true);
      }
    }
  });
});
