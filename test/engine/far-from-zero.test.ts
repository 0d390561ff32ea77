// Statistics of values far from zero: the squares of temperatures in Kelvin leave float32 no digits for their deviation.
import { describe, expect, it } from 'vitest';
import { Graph, initialParameters, Network, type Ref } from '../../lib/engine/index.js';
import { sizeOf } from '../../lib/graph/node.js';
import { native } from '../../lib/native/addon.js';
import { Random } from '../../lib/util/random.js';

const examples = 16;
const graphs: Record<string, (g: Graph) => Ref> = {
  'batch norm of vectors': (g) => g.batchNorm('y', g.input('x', [24]), false),
  'batch norm of maps': (g) => g.batchNorm('y', g.input('x', [8, 12, 20]), false),
  'batch norm of maps whose bands share vectors': (g) => g.batchNorm('y', g.input('x', [8, 12, 3]), false),
  'batch norm of what a convolution makes': (g) => {
    const x = g.conv('c', g.input('x', [8, 32, 2]), [1, 1], 8, false);
    return g.batchNorm('y', x, false);
  },
  'batch norm of what a convolution makes of one channel': (g) => {
    const x = g.conv('c', g.input('x', [8, 64, 1]), [1, 1], 8, false);
    return g.batchNorm('y', x, false);
  },
  'layer norm': (g) => g.layerNorm('y', g.input('x', [8, 12, 20])),
};

describe.each(native.capabilities().available)('on %s', (isa) => {
  it.each(Object.keys(graphs))('%s', async (name) => {
    for (const [mean, deviation] of [
      [293.15, 0.1],
      [1000, 0.5],
      [-300, 0.5],
      [1e-3, 1],
    ] as const) {
      const g = new Graph();
      const y = graphs[name]!(g);
      const squares = g.pointwise('squares', 'square', y);
      // The gradient of the loss by the target is minus twice the difference over the count: what y² is, on average.
      g.loss('l', 'l1', [squares, g.input('zero', y.shape)]);
      using network = new Network(g, { maxExamples: examples, threads: 2, isa });
      const params = initialParameters(g, 1);
      params.get('c.weight')?.fill(1); // so that epsilon stays small beside the variance
      network.setParameters(params);
      const rng = new Random(1);
      const size = sizeOf(g.nodes[0]!.shape);
      const values = Float32Array.from({ length: examples * size }, () => mean + deviation * rng.normal());
      const inputs = { x: { values }, zero: { values: new Float32Array(examples * sizeOf(y.shape)) } };
      const { loss } = await network.lossAndGradients({ examples, inputs });
      // Float32 itself is this far from normal values: they were rounded to steps of mean · 2⁻²⁴.
      expect(Math.abs(loss - 1), `${mean} ± ${deviation}: ${loss}`).toBeLessThan(0.02);
    }
  });
});
