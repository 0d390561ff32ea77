// Networks over time are stored along bands (lib/engine/rewrites/along-bands.ts), which must not be seen from outside.
import { describe, expect, it } from 'vitest';
import { Network } from '../../lib/engine/network.js';
import { schedule } from '../../lib/engine/schedule.js';
import { Graph, type Ref, sizeOf } from '../../lib/graph/graph.js';
import { capabilities } from '../../lib/native/addon.js';
import { uniform } from '../helpers/golden.js';
import { type RandomGraph, randomGraph } from '../helpers/random-graph.js';

const isas = capabilities().available;

const floats = (name: string, count: number) => Float32Array.from(uniform(name, count));

/** Every value, loss and gradient, inputs' gradients included. */
async function allOf({ graph, batch, weights, differentiable }: RandomGraph, isa: string, without: string[]) {
  const network = new Network(graph, { maxExamples: batch.examples, threads: 2, isa, without });
  network.setParameters(weights);
  const values = graph.nodes.filter((n) => n.op !== 'loss' && n.op !== 'input').map((n) => n.name);
  const outputs = await network.outputs(batch, values);
  const { loss, gradients } = await network.lossAndGradients(batch);
  const found = new Map<string, ArrayLike<number>>([...Object.entries(outputs), ['loss', [loss]]]);
  for (const [name, gradient] of gradients) found.set(`d ${name}`, gradient);
  for (const name of differentiable) {
    const { inputGradients } = await network
      .lossAndGradients(batch, [name])
      .catch(() => ({ inputGradients: new Map() }));
    if (inputGradients.has(name)) found.set(`d ${name}`, inputGradients.get(name)!);
  }
  network.close();
  return found;
}

function expectClose(
  got: Map<string, ArrayLike<number>>,
  want: Map<string, ArrayLike<number>>,
  limit: number,
  what: string,
) {
  expect([...got.keys()]).toEqual([...want.keys()]);
  for (const [name, values] of want) {
    const size = Math.sqrt(Array.from(values).reduce((sum, v) => sum + v * v, 0));
    const off = Math.sqrt(Array.from(values, (v, i) => (v - got.get(name)![i]!) ** 2).reduce((a, b) => a + b, 0));
    expect(off / (1e-3 + size), `${what}: ${name}`).toBeLessThan(limit);
  }
}

const shapes = [
  [9, 1, 4],
  [12, 1, 16],
  [7, 1, 3],
  [32, 1, 1],
  [5, 1, 33],
  [64, 1, 2],
  [1, 1, 6],
] as const;

it.each(Array.from({ length: 60 }, (_, seed) => seed))(
  'random graph %i has the same values and gradients',
  async (seed) => {
    const drawn = randomGraph(seed, { shapes });
    const plain = await allOf(drawn, 'float64', ['along-bands', 'layer-relu']);
    expectClose(await allOf(drawn, 'float64', []), plain, 1e-6, 'float64');
  },
);

/** A network over time with all that may stand between maps over time and others. */
function mixed(): Graph {
  const g = new Graph();
  const x = g.input('x', [24, 8, 2]);
  const folded = g.globalPool('over bands', 'mean', g.conv('first', x, [3, 3], 20, true), 'bands');
  const a = g.relu('a', g.conv('conv a', folded, [5, 1], 20, true, { dilation: [2, 1], padding: 'causal' }));
  const b = g.batchNorm('b', g.conv('conv b', a, [3, 1], 20, false), true);
  const sum = g.add('sum', g.conv('wide', b, [3, 3], 20, true), folded); // two-dimensional where there is one dimension
  const picked = g.gather('picked', sum, g.input('at', [6, 1, 1]));
  const last = g.conv('last', picked, [3, 1], 5, true, { stride: [2, 1] });
  const up = g.upsample('up', last, [4, 1]);
  g.loss('error', 'mse', [up, g.input('target', up.shape)]);
  const rest = g.pool('pooled', 'max', b, [3, 1]);
  g.loss('class', 'softmax', [rest, g.input('labels', [...rest.shape.slice(0, 2), 1] as unknown as Ref['shape'])]);
  return g;
}

function filled(graph: Graph): RandomGraph {
  const examples = 3;
  const inputs = Object.fromEntries(
    graph.nodes
      .filter((n) => n.op === 'input')
      .map(({ name, shape }) => {
        const values = floats(name, examples * sizeOf(shape));
        const indices = name === 'at' || name === 'labels';
        return [name, { values: indices ? values.map((v) => Math.floor(3 * Math.abs(v))) : values }];
      }),
  );
  const weights = new Map(
    graph.params.map((p) => [p.name, Float64Array.from(uniform(p.name, sizeOf(p.shape)), Math.abs)]),
  );
  return { graph, batch: { examples, inputs }, weights, differentiable: ['x'], operators: new Set() };
}

describe('maps over time beside others', () => {
  it.each(isas)('give the same values and gradients on %s', async (isa) => {
    const drawn = filled(mixed());
    const plain = await allOf(drawn, 'float64', ['along-bands']);
    expectClose(await allOf(drawn, isa, []), plain, isa === 'float64' ? 1e-6 : 1e-3, isa);
  });

  it('are copied only where an operator tells frames from bands', () => {
    const { tensors, phases } = schedule(mixed().nodes, 'infer', ['error', 'class'], 16);
    const copies = phases.flatMap((p) => p.passes.flatMap((pass) => pass.steps)).filter((s) => s.kind === 'reshape');
    // What the bands' mean is read by, and what the wide convolution and the gather read and write.
    expect(copies.map(({ x, y }) => [tensors[x]!.t, tensors[y]!.t])).toEqual([
      [24, 1],
      [1, 24],
      [6, 1],
    ]);
  });
});

it('frames of one band are gathered as such', async () => {
  const g = new Graph();
  const x = g.input('x', [20, 1, 1]);
  g.loss('error', 'mse', [g.conv('y', x, [5, 1], 3, true), g.input('target', [20, 1, 3])]);
  const data = floats('signal', 100);
  const store = { frames: 100, bands: 1, native: data };
  const [mean, std] = [Float32Array.of(0.2), Float32Array.of(0.5)];
  const starts = Float64Array.of(0, 33, 80);
  const values = Float32Array.from(
    { length: 60 },
    (_, i) => (data[starts[Math.floor(i / 20)]! + (i % 20)]! - 0.2) / 0.5,
  );
  const target = { values: floats('target', 180) };
  const network = new Network(g, { maxExamples: 3, threads: 1, store, mean, std });
  network.setParameters(new Map(g.params.map((p) => [p.name, floats(p.name, sizeOf(p.shape))])));
  const got = await network.forward({ examples: 3, inputs: { x: { frames: starts }, target } }, 'y');
  const want = await network.forward({ examples: 3, inputs: { x: { values }, target } }, 'y');
  for (const [i, v] of got.entries()) expect(v).toBeCloseTo(want[i]!, 5);
});
