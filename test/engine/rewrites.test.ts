// What rewrites may not do: depend on how nodes are called, or leave something that is no graph.
import { describe, expect, it } from 'vitest';
import { Graph, initialParameters, Network } from '../../lib/engine/index.js';
import type { Rewrite } from '../../lib/engine/rewrites/rewrite.js';
import { uniform } from '../helpers/golden.js';

const floats = (name: string, count: number) => Float32Array.from(uniform(name, count));

/** Loss and gradients by the place of their parameters, whatever their names. */
async function lossOf(g: Graph, sizes: Record<string, number>) {
  using network = new Network(g, { maxExamples: 2, threads: 1 });
  const { params } = g;
  network.setParameters(
    new Map(
      params.map((p, i) => [
        p.name,
        floats(
          `parameter ${i}`,
          p.shape.reduce((a, b) => a * b, 1),
        ),
      ]),
    ),
  );
  const inputs = Object.fromEntries(
    Object.entries(sizes).map(([name, size], i) => [name, { values: floats(`input ${i}`, 2 * size) }]),
  );
  const { loss, gradients } = await network.lossAndGradients({ examples: 2, inputs });
  return { loss, gradients: [...gradients.values()] };
}

describe('names that rewrites would give', () => {
  it('of maps over time', async () => {
    const graph = (name: string) => {
      const g = new Graph();
      const x = g.conv('m', g.input('x', [12, 1, 4]), [3, 1], 4, true);
      const other = g.relu(name, x);
      g.loss('l', 'mse', [g.add('sum', g.layerNorm('n', x), g.softmax('s', other)), g.input('t', [12, 1, 4])]);
      return lossOf(g, { x: 48, t: 48 });
    };
    const usual = await graph('other');
    for (const name of ['m as frames', 'm as bands', 'x as bands', 'x as frames'])
      expect(await graph(name)).toEqual(usual);
  });

  it('of losses between two trained values', async () => {
    const graph = (name: string) => {
      const g = new Graph();
      const x = g.input('x', [6]);
      const [a, b] = [g.dense('a', x, 3), g.dense('b', x, 3)];
      g.loss('L', 'mse', [a, b]);
      g.loss('M', 'mse', [g.pointwise(name, 'tanh', a), g.input('t', [3])]);
      return lossOf(g, { x: 6, t: 3 });
    };
    expect(await graph('L difference')).toEqual(await graph('other'));
  });

  it('of upsampled maps', async () => {
    const graph = (name: (side: string) => string) => {
      const g = new Graph();
      const up = g.upsample('up', g.input('x', [4, 4, 4]), [2, 2]);
      const along = g.batchNorm('along.norm', g.conv('along', up, [1, 3], 4, false), true);
      const side = g.batchNorm('side.norm', g.conv('side', up, [1, 1], 4, false), false);
      const sum = g.add('sum', g.batchNorm('across.norm', g.conv('across', along, [3, 1], 4, false), false), side);
      g.loss('l', 'mse', [g.relu(name('side.norm'), sum), g.input('t', [8, 8, 4])]);
      return lossOf(g, { x: 64, t: 256 });
    };
    expect(await graph((side) => `${side}.upsampled`)).toEqual(await graph(() => 'other'));
  });
});

describe('a rewrite from outside that leaves no graph is refused by its name', () => {
  const wrong: Record<string, Rewrite['apply']> = {
    'nothing at all': () => null as never,
    'an empty list': () => [],
    'a node that is read': (nodes) => nodes.filter((n) => n.name !== 'b'),
    'a loss': (nodes) => nodes.filter((n) => n.op !== 'loss'),
    'another shape': (nodes) => nodes.map((n) => (n.name === 'b' ? { ...n, shape: [5] } : n) as never),
    'a node twice': (nodes) => [...nodes, nodes[0]!],
    'another order': (nodes) => [...nodes].reverse(),
  };
  it.each(Object.keys(wrong))('%s', async (what) => {
    const g = new Graph();
    const b = g.pointwise('b', 'tanh', g.dense('a', g.input('x', [4]), 3));
    g.loss('l', 'mse', [b, g.input('t', [3])]);
    const rewrites = [{ name: 'of-mine', mode: 'both' as const, apply: wrong[what]! }];
    using network = new Network(g, { maxExamples: 1, threads: 1, rewrites });
    network.setParameters(initialParameters(g, 1));
    const inputs = { x: { values: new Float32Array(4) }, t: { values: new Float32Array(3) } };
    await expect(network.step({ examples: 1, inputs }, { learningRate: 0.1 })).rejects.toMatchObject({
      code: 'ERR_GRAPH',
      message: expect.stringMatching(/of-mine/),
    });
  });
});

it('a graph that is too deep is refused', async () => {
  const g = new Graph();
  let x = g.input('x', [2]);
  for (let i = 0; i < 20_000; i++) x = g.pointwise(`t${i}`, 'tanh', x);
  using network = new Network(g, { maxExamples: 1, threads: 1 });
  const inputs = { x: { values: new Float32Array(2) } };
  await expect(network.forward({ examples: 1, inputs }, x.name)).rejects.toMatchObject({ code: 'ERR_GRAPH' });
});
