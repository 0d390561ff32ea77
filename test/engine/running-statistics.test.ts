// Gradients through a trained network: norms go by their running statistics, as in inference, and leave them alone.
import { describe, expect, it } from 'vitest';
import { Network } from '../../lib/engine/network.js';
import { Graph, type Ref, sizeOf } from '../../lib/graph/graph.js';
import { capabilities } from '../../lib/native/addon.js';
import { uniform } from '../helpers/golden.js';

const isas = capabilities().available.filter((isa) => isa !== 'float64');
const running = { statistics: 'running' } as const;

const graphs: Record<string, (g: Graph) => Ref> = {
  'residual block of one channel': (g) => {
    const x = g.input('x', [6, 64, 1], 2);
    const norm = (name: string, y: Ref) => g.batchNorm(`${name} norm`, y, true);
    const a = norm('b', g.conv('b', norm('a', g.conv('a', x, [3, 1], 8, false)), [1, 3], 8, false));
    const r = norm('r', g.conv('r', x, [1, 1], 8, false));
    return g.maxPool('pool', g.add('sum', a, r));
  },
  'norm of an input, of a sum and of a vector': (g) => {
    const x = g.batchNorm('first', g.input('x', [5, 3, 4]), false);
    const y = g.conv('y', x, [3, 3], 4, true);
    const z = g.batchNorm('second', g.add('sum', x, y), true);
    return g.batchNorm('third', g.dense('dense', g.globalPool('mean', 'mean', z), 7), false);
  },
  'wide convolutions over time': (g) => {
    const x = g.input('x', [12, 1, 3]);
    const a = g.batchNorm('a norm', g.conv('a', x, [3, 1], 33, false), true);
    return g.batchNorm('b norm', g.conv('b', a, [5, 1], 20, false, { dilation: [2, 1] }), true);
  },
};

function drawn(build: (g: Graph) => Ref) {
  const graph = new Graph();
  const y = build(graph);
  graph.loss('loss', 'mse', [y, graph.input('target', y.shape, y.rows)]);
  const inputs = Object.fromEntries(
    graph.nodes
      .filter((n) => n.op === 'input')
      .map((n) => [n.name, { values: Float32Array.from(uniform(n.name, 3 * n.rows * sizeOf(n.shape))) }]),
  );
  const weights = new Map(
    graph.params.map((p) => {
      const positive = p.name.endsWith('running_var');
      const values = Float64Array.from(uniform(p.name, sizeOf(p.shape)), (v) =>
        Math.fround(positive ? 0.3 + Math.abs(v) : v),
      );
      return [p.name, values];
    }),
  );
  const networkOn = (isa: string, without: string[] = []) => {
    const network = new Network(graph, { maxExamples: 3, threads: 2, isa, without });
    network.setParameters(weights);
    return network;
  };
  return { batch: { examples: 3, inputs }, weights, networkOn };
}

const norm = (values: ArrayLike<number>) => Math.hypot(...Array.from(values));

describe.each(Object.entries(graphs))('%s', (_, build) => {
  const { batch, weights, networkOn } = drawn(build);

  it('has the loss of inference, and the gradients that its differences show', async () => {
    const network = networkOn('float64');
    const { loss, gradients, inputGradients } = await network.lossAndGradients(batch, ['x'], running);
    expect(loss / (await network.evaluate(batch)).loss).toBeCloseTo(1, 12);
    for (const [name, gradient] of gradients) {
      const direction = uniform(`${name} direction`, gradient.length);
      const at = async (h: number) => {
        network.setParameters(
          new Map(weights).set(
            name,
            weights.get(name)!.map((v, i) => v + h * direction[i]!),
          ),
        );
        return (await network.evaluate(batch)).loss;
      };
      const slope = Array.from(gradient).reduce((sum, g, i) => sum + g * direction[i]!, 0);
      const difference = ((await at(1e-6)) - (await at(-1e-6))) / 2e-6;
      expect(Math.abs(difference - slope) / (norm(gradient) + 1e-6), name).toBeLessThan(1e-5);
    }
    network.setParameters(weights);
    const { values } = batch.inputs.x!;
    const kept = values.slice();
    const gradient = inputGradients.get('x')!;
    const direction = kept.map((_, i) => (i % 3) - 1);
    const at = async (h: number) => {
      values.set(kept.map((v, i) => v + h * direction[i]!));
      return (await network.evaluate(batch)).loss;
    };
    const h = 2 ** -16;
    const moved = [await at(h), await at(-h)] as const;
    const slope = gradient.reduce((sum, g, i) => sum + g * direction[i]!, 0);
    values.set(kept);
    expect(Math.abs((moved[0] - moved[1]) / (2 * h) - slope) / norm(gradient), 'x').toBeLessThan(2e-3);
    network.close();
  });

  it.each(isas)('agrees with double precision on %s, with and without rewrites', async (isa) => {
    const want = await networkOn('float64').lossAndGradients(batch, ['x'], running);
    for (const without of [[], ['along-bands', 'layer-relu', 'planar']]) {
      const got = await networkOn(isa, without).lossAndGradients(batch, ['x'], running);
      const all = new Map([...want.gradients, ...want.inputGradients]);
      const largest = Math.max(...[...all.values()].map(norm));
      for (const [name, gradient] of all) {
        const other = got.gradients.get(name) ?? got.inputGradients.get(name)!;
        const off = norm(Array.from(gradient, (g, i) => g - other[i]!));
        expect(off / (norm(gradient) + 0.1 * largest), name).toBeLessThan(1e-4);
      }
    }
  });

  it('leaves running statistics as they are, also in an update', async () => {
    const network = networkOn('');
    await network.lossAndGradients(batch, [], running);
    await network.update({ learningRate: 0.1 });
    const after = network.getParameters();
    for (const [name, values] of weights) {
      const same = values.every((v, i) => after.get(name)![i] === v);
      expect(same, name).toBe(/running_(mean|var)$/.test(name));
    }
    // A training step in between, by statistics of the batch, does not disturb it.
    network.setParameters(weights);
    const before = await network.lossAndGradients(batch, [], running);
    await network.lossAndGradients(batch);
    expect((await network.lossAndGradients(batch, [], running)).gradients).toEqual(before.gradients);
  });
});

it('refuses other statistics by name', async () => {
  const { batch, networkOn } = drawn(graphs['wide convolutions over time']!);
  const wrong = { statistics: 'frozen' as 'running' };
  await expect(networkOn('').lossAndGradients(batch, [], wrong)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
});
