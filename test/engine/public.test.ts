// What `audio2vec/engine` gives is enough to build, train, save and load a network.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { clipGradients, Graph, initialParameters, Network, readWeights, writeWeights } from '../../lib/engine/index.js';

function graph(): Graph {
  const g = new Graph();
  const hidden = g.relu('relu', g.dense('hidden', g.input('x', [3]), 5));
  g.loss('error', 'mse', [g.dense('y', hidden, 2), g.input('target', [2])]);
  return g;
}

const batch = {
  examples: 2,
  inputs: { x: { values: Float32Array.of(1, 2, 3, -1, 0, 1) }, target: { values: Float32Array.of(1, 0, 0, 1) } },
};

test('a network made of nodes alone does not drop their run-time scalars', async () => {
  const g = new Graph();
  const y = g.scale('y', g.input('x', [1]), g.scalar('factor', 3));
  const one = { examples: 1, inputs: { x: { values: Float32Array.of(2) } } };
  using whole = new Network(g, { maxExamples: 1, threads: 1 });
  expect([...(await whole.forward(one, y.name))]).toEqual([6]);
  using bare = new Network(g.nodes, { maxExamples: 1, threads: 1 });
  await expect(bare.forward(one, y.name)).rejects.toThrow(expect.objectContaining({ code: 'ERR_GRAPH' }));
});

test.each(['', 'float64'])('two calls with clipping lower the loss (isa %j)', async (isa) => {
  const g = graph();
  using network = new Network(g, { maxExamples: 2, threads: 1, isa });
  network.setParameters(initialParameters(g, 1));
  const before = await network.evaluate(batch);
  for (let i = 0; i < 30; i++) {
    const { gradients } = await network.lossAndGradients(batch);
    clipGradients(gradients, 0.5);
    await network.update({ rule: 'sgd', learningRate: 0.05 }, gradients);
  }
  expect((await network.evaluate(batch)).loss).toBeLessThan(before.loss / 2);

  const folder = await mkdtemp(join(tmpdir(), 'audio2vec-engine-'));
  try {
    const file = join(folder, 'weights.safetensors');
    await writeWeights(file, network.getParameters(), g.params);
    const { weights } = await readWeights(file);
    // Doubles are stored in single precision.
    for (const [name, values] of network.getParameters()) {
      expect(weights.get(name)).toEqual(Float32Array.from(values));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
