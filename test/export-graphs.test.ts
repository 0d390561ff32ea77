// Graphs of all operators, drawn from seeds, exported to ONNX and to LiteRT: every output beside the native engine's.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Network } from '../lib/engine/network.js';
import { exportModel } from '../lib/export/export-model.js';
import { openTflite } from '../lib/export/litert-runtime.js';
import { buildModelOnnx } from '../lib/export/onnx.js';
import { onnxBytes } from '../lib/export/onnx-builder.js';
import { openOnnx } from '../lib/export/onnx-runtime.js';
import { type ModelCase, type ModelRunner, measureOutputs } from '../lib/export/output-parity.js';
import { buildModelTflite } from '../lib/export/tflite.js';
import { Graph, sizeOf } from '../lib/graph/graph.js';
import { factsOf, operators } from '../lib/graph/operators/index.js';
import type { DeployedModel } from '../lib/models/deployed-model.js';
import { Random } from '../lib/util/random.js';
import { operatorNames, type RandomGraph, randomGraph } from './helpers/random-graph.js';

/** The graph without its losses' share: what losses read, and some values on the way, are the outputs. */
async function deploy(drawn: RandomGraph): Promise<{ deployed: DeployedModel; proof: ModelCase; examples: number }> {
  const { graph, batch } = drawn;
  const values = graph.nodes.filter((n) => n.op !== 'input' && n.op !== 'loss');
  const read = new Set(graph.nodes.filter((n) => n.op === 'loss').flatMap((n) => n.inputs));
  const outputs = values.filter((n, i) => read.has(n.name) || i % 3 === 0);
  const network = new Network(graph, { maxExamples: batch.examples, threads: 1 });
  network.setParameters(new Map([...drawn.weights].map(([name, v]) => [name, Float32Array.from(v)])));
  const names = outputs.map((n) => n.name);
  const wanted = await network.outputs(batch, names);
  network.close();
  // Half of the outputs have names of their own, half those of their nodes.
  const named = outputs.map((n, i) => ({ name: i % 2 ? n.name : `out_${i}`, node: n.name }));
  const inputs = graph.nodes.filter((n) => n.op === 'input');
  const tensor = (node: (typeof inputs)[number]) => {
    const { shape, rows, name } = node;
    const sizes = shape.length === 3 ? [shape[0], shape[1] * shape[2]] : shape;
    const dims = [batch.examples, ...(rows > 1 ? [rows] : []), ...sizes];
    return [name, { values: (batch.inputs[name] as { values: Float32Array }).values, shape: dims }] as const;
  };
  return {
    examples: batch.examples,
    deployed: {
      kind: 'drawn',
      graph,
      weights: new Map([...drawn.weights].map(([name, v]) => [name, Float32Array.from(v)])),
      inputs: inputs.map((n) => ({ node: n.name })),
      outputs: named,
      metadata: {},
    },
    proof: {
      inputs: Object.fromEntries(inputs.map(tensor)),
      expected: Object.fromEntries(named.map(({ name, node }) => [name, wanted[node]!])),
    },
  };
}

/** Only the inputs that the outputs need are in the file. */
function fed(runner: ModelRunner, { inputs, expected }: ModelCase): ModelCase {
  return { inputs: Object.fromEntries(runner.inputs.map((name) => [name, inputs[name]!])), expected };
}

async function check(seed: number, format: 'onnx' | 'tflite', drawn = randomGraph(seed)): Promise<void> {
  const { deployed, proof, examples } = await deploy(drawn);
  const runner =
    format === 'onnx'
      ? await openOnnx(onnxBytes(buildModelOnnx(deployed).model))
      : await openTflite((await buildModelTflite(deployed, { batch: examples })).build());
  const { outputs } = await measureOutputs(runner, [fed(runner, proof)]);
  const wrong = Object.entries(outputs).filter(([, o]) => !(o.maxAbsError <= 1e-4 * Math.max(1, o.largest)));
  const ops = deployed.outputs.map(({ name, node }) => [name, deployed.graph.nodes.find((n) => n.name === node)!.op]);
  expect([seed, wrong.map(([name, o]) => [name, new Map(ops as [string, string][]).get(name), o])]).toEqual([seed, []]);
}

const graphs = Number(process.env.EXPORTED_GRAPHS ?? 40);

describe.each(['onnx', 'tflite'] as const)('graphs in %s', (format) => {
  it(`${graphs} of any operators`, async () => {
    for (let seed = 1; seed <= graphs; seed++) await check(seed, format);
  }, 3_000_000);

  // What a draw of a few graphs may leave out, and what no drawn graph has.
  it.each(operatorNames.map((name) => [name]))('%s', async (name) => {
    for (let seed = 1, made = 0; made < 2; seed++) {
      const drawn = randomGraph(seed, { operators: [name, 'flatten', 'toMap', 'conv', 'dense'] });
      if (!drawn.operators.has(name)) continue;
      await check(seed, format, drawn);
      made++;
    }
  });

  it('choices, and pools whose windows begin outside the map', async () => {
    const graph = new Graph();
    const x = graph.input('x', [7, 5, 6], 2);
    graph.oneHot('choice', x, 3);
    graph.oneHot('one', graph.globalPool('mean', 'mean', x));
    for (const mode of ['max', 'mean', 'std'] as const) {
      graph.pool(`causal_${mode}`, mode, x, [4, 3], { stride: [1, 2], padding: 'causal' });
      graph.pool(`mixed_${mode}`, mode, x, [3, 2], { stride: 2, padding: ['same', 'none'] });
    }
    graph.globalPool('bands', 'std', x, 'bands');
    const rng = new Random(3);
    const values = Float32Array.from({ length: 3 * 2 * sizeOf([7, 5, 6]) }, () => rng.uniform(-1, 1));
    const batch = { examples: 3, inputs: { x: { values } } };
    await check(0, format, { graph, batch, weights: new Map(), differentiable: [], operators: new Set() });
  });
});

it.each(['onnx', 'tflite'] as const)(
  'a branch with the weights of one that is not in the file (%s)',
  async (format) => {
    const graph = new Graph();
    const [x, m] = [graph.input('x', [3]), graph.input('m', [4, 5, 2])];
    graph.dense('a', x, 2);
    graph.dense('b', x, 2, true, { share: 'a' });
    graph.conv('c', m, [3, 3], 3, true);
    graph.conv('d', m, [3, 3], 3, true, { share: 'c', stride: [2, 1] });
    const rng = new Random(5);
    const drawn = (count: number) => Float32Array.from({ length: count }, () => rng.uniform(-1, 1));
    const weights = new Map(graph.params.map(({ name, shape }) => [name, drawn(shape.reduce((n, d) => n * d, 1))]));
    const batch = { examples: 2, inputs: { x: { values: drawn(6) }, m: { values: drawn(80) } } };
    using network = new Network(graph, { maxExamples: 2, threads: 1 });
    network.setParameters(weights);
    const expected = await network.outputs(batch, ['b', 'd']);
    const needed = graph.nodes.filter(({ name }) => name !== 'a' && name !== 'c');
    using part = new Network(needed, { maxExamples: 2, threads: 1 });
    part.setParameters(weights);
    expect(await part.outputs(batch, ['b', 'd'])).toEqual(expected);

    const clip = { x: drawn(3), m: drawn(40) };
    const file = join(await mkdtemp(join(tmpdir(), 'audio2vec-shared-')), `model.${format}`);
    const outputs = ['b', 'd'].map((name) => ({ name, node: name }));
    const inputs = ['x', 'm'].map((node) => ({ node }));
    const { parity } = await exportModel(
      file,
      { kind: 'toy', graph, weights, inputs, outputs, metadata: {} },
      { inputs: [clip] },
    );
    expect(Object.keys(parity.outputs)).toEqual(['b', 'd']);
    await rm(dirname(file), { recursive: true });
  },
);

it('has an export for every operator, and refuses a loss by name', () => {
  const ops = new Set(operators.map((o) => o.op));
  for (const op of ops) expect(factsOf({ op })).toBeDefined();
  for (const op of ['conv', 'dense', 'batch-norm', 'add', 'max-pool', 'global-max-pool', 'reshape', 'select']) {
    expect(factsOf({ op })).toBeDefined();
  }
  const graph = new Graph();
  const x = graph.input('x', [2]);
  graph.loss('error', 'mse', [x, graph.input('y', [2])]);
  const inputs = [{ node: 'x' }, { node: 'y' }];
  const outputs = [{ name: 'out', node: 'error' }];
  const deployed = { kind: 'toy', graph, weights: new Map(), inputs, outputs, metadata: {} };
  expect(() => buildModelOnnx(deployed)).toThrow(
    /^graph must be one of inference operators only, got "a loss \(error\)"/,
  );
});
