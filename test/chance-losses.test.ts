// What a report draws as chance is what the engine computes where all vectors are alike.
import { expect, test } from 'vitest';
import { Network } from '../lib/engine/network.js';
import { Graph } from '../lib/graph/graph.js';
import { initialParameters } from '../lib/graph/initial-parameters.js';
import { chanceLosses } from '../lib/graph/losses.js';

const examples = 5;
const size = 4;

test('losses that compare vectors, weights included; others and changing weights have none', async () => {
  const g = new Graph();
  const one = g.dense('one', g.input('x', [3]), size);
  const two = g.dense('two', g.input('pair', [3], 2), size);
  const three = g.dense('three', g.input('triple', [3], 3), size);
  const map = g.conv('map', g.input('frames', [6, 1, 1]), [1, 1], size, true);
  g.loss('cola', 'contrastive', [one, one], 0.5);
  g.loss('simclr', 'nt-xent', [two], 2);
  g.loss('margin', 'triplet', [three], 1, 0.7);
  g.loss('masked', 'contrastive-index', [map, map, g.input('candidates', [6, 1, 3])], 3, 2);
  g.loss('error', 'mse', [one, g.input('target', [size])]);
  g.loss('scheduled', 'nt-xent', [two], g.scalar('weight', 1));
  const expected = {
    ...{ cola: 0.5 * Math.log(5), simclr: 2 * Math.log(9), margin: 0.7, masked: 3 * Math.log(3) },
  };
  const chance = chanceLosses(g.nodes, examples);
  for (const [name, value] of Object.entries(expected)) expect(chance[name], name).toBeCloseTo(value, 12);
  expect(Object.keys(chance).sort()).toEqual(Object.keys(expected).sort());

  const network = new Network(g, { maxExamples: examples, threads: 1 });
  network.setState({ ...network.getState(), params: initialParameters(g, 1) });
  const same = (count: number) => ({ values: new Float32Array(examples * count).fill(0.5) });
  const candidates = Float32Array.from({ length: examples * 18 }, (_, i) => [0, 2, 4][i % 3]!);
  const { parts } = await network.evaluate({
    examples,
    inputs: {
      ...{ x: same(3), pair: same(6), triple: same(9), frames: same(6), target: same(size) },
      candidates: { values: candidates },
    },
  });
  for (const [name, value] of Object.entries(expected)) expect(parts[name], name).toBeCloseTo(value, 5);
});
