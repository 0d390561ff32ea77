// "Where to add" of docs/architecture.md: the files that it names are there, and what can be added without changing a file is
// added here: an operator, a rewrite, an export format. Others: test/cli.test.ts (a command), test/front-ends.test.ts,
// test/own-task.test.ts, test/train-system.test.ts.
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Network } from '../lib/engine/network.js';
import { type Rewrite, replaced } from '../lib/engine/rewrites/rewrite.js';
import { schedule } from '../lib/engine/schedule.js';
import { emitLayers } from '../lib/export/emit-layers.js';
import { exportModel } from '../lib/export/export-model.js';
import type { ExportFormat } from '../lib/export/formats.js';
import type { ModelRunner } from '../lib/export/output-parity.js';
import { prepareModel } from '../lib/export/prepared.js';
import type { Emitted, GraphWriter } from '../lib/graph/emission.js';
import { Graph, type Ref } from '../lib/graph/graph.js';
import { initialParameters } from '../lib/graph/initial-parameters.js';
import { layerTable } from '../lib/graph/layer-table.js';
import type { OwnOperator } from '../lib/graph/operator.js';
import { addOperator } from '../lib/graph/operators/index.js';
import type { DeployedModel } from '../lib/models/deployed-model.js';
import { Random } from '../lib/util/random.js';

const root = join(import.meta.dirname, '..');
const page = await readFile(join(root, 'docs', 'architecture.md'), 'utf8');
const [, section] = /^## Where to add …\n(.*?)^(?:## |Formats: )/ms.exec(page)!;
/** What is added, and the files that its row names. */
const rows = section!
  .split('\n')
  .filter((line) => line.startsWith('| **'))
  .map((line) => {
    const what = /^\| \*\*(.*?)\*\*/.exec(line)![1]!;
    const paths = [...line.matchAll(/`((?:lib|native|docs|test)\/[^`]*)`/g)].map(([, path]) => path!);
    return [what, paths] as const;
  });

describe('the page', () => {
  it('says where to add everything that can be', () => {
    expect(rows.map(([what]) => what)).toEqual([
      ...['operator', 'loss', 'rewrite', 'front end', 'pretext task', 'system'],
      ...['model to export', 'export format', 'audio format', 'command'],
    ]);
  });

  it.each(rows)('%s: the files that it names are there, and a test among them', (_, paths) => {
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
    expect(paths.some((path) => path.startsWith('test/'))).toBe(true);
  });
});

const triple: OwnOperator = {
  op: 'triple',
  summary: '3 x',
  title: () => 'three times',
  forward: () => [{ step: 'scale', x: 0, fields: { number: 3 } }],
  backward: () => ({ step: 'scale', x: 'gradient', fields: { number: 3 } }),
  emit: (w, { name }, [x]) => w.binary('Mul', name, x!, 3),
};

class ToyGraph extends Graph {
  triple(name: string, x: Ref): Ref {
    return this.same({ op: 'triple' }, name, this.operands(name, x));
  }
}

/** x → dense → 3 · → 2 · → ½ · → y, and its distance from a target. */
function toyGraph() {
  const graph = new ToyGraph();
  const tripled = graph.triple('tripled', graph.dense('dense', graph.input('x', [6]), 4));
  const y = graph.scale('y', graph.scale('doubled', tripled, 2), 0.5);
  graph.loss('loss', 'mse', [y, graph.input('target', [4])]);
  return graph;
}

const rng = new Random(5);
const random = (length: number) => Float32Array.from({ length }, () => rng.uniform(-1, 1));
const [x, target] = [random(12), random(8)];
const batch = { examples: 2, inputs: { x: { values: x }, target: { values: target } } };

beforeAll(() => addOperator(triple));

describe('an operator', () => {
  it('is one entry: planned, differentiated, described', async () => {
    const graph = toyGraph();
    const params = initialParameters(graph, 1);
    using network = new Network(graph, { maxExamples: 2, threads: 1 });
    network.setParameters(params);
    const { y, dense } = await network.outputs(batch, ['y', 'dense']);
    expect(y).toEqual(dense.map((v) => 3 * v));
    const { gradients } = await network.lossAndGradients(batch);
    // d/db of Σ (y - target)² / 8, y = 3 (W x + b).
    const expected = [0, 1, 2, 3].map((c) =>
      [0, 1].reduce((sum, n) => sum + (6 / 8) * (y[4 * n + c]! - target[4 * n + c]!), 0),
    );
    gradients.get('dense.bias')!.forEach((g, c) => {
      expect(g).toBeCloseTo(expected[c]!, 5);
    });
    expect(layerTable(graph.nodes, 'node').layers.map((l) => l.op)).toContain('three times');
  });

  it('has a name of its own', () => {
    const again = { ...triple, op: 'relu' };
    expect(() => addOperator(again)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });
});

describe('a rewrite', () => {
  /** A scale of a scale is one scale. */
  const oneScale: Rewrite = {
    name: 'one-scale',
    mode: 'both',
    apply(nodes, context) {
      const removed = new Set<(typeof nodes)[number]>();
      const instead = new Map<(typeof nodes)[number], (typeof nodes)[number]>();
      for (const node of nodes) {
        if (node.op !== 'scale') continue;
        const before = context.input(node);
        if (before.op !== 'scale' || context.onlyReader(before) !== node || before.scalar || node.scalar) continue;
        removed.add(before);
        instead.set(node, { ...node, inputs: before.inputs, factor: node.factor * before.factor });
      }
      return replaced(nodes, removed, instead);
    },
  };

  it('is one object: fewer steps, the same values', async () => {
    const graph = toyGraph();
    const scales = (rewrites: readonly Rewrite[]) =>
      schedule(graph.nodes, 'infer', ['y'], 16, { rewrites })
        .phases.flatMap(({ passes }) => passes.flatMap(({ steps }) => steps))
        .filter(({ kind }) => kind === 'scale').length;
    expect([scales([]), scales([oneScale])]).toEqual([3, 2]);
    const values = [[], [oneScale]].map(async (rewrites) => {
      using network = new Network(graph, { maxExamples: 2, threads: 1, rewrites });
      network.setParameters(initialParameters(graph, 1));
      return await network.forward(batch, 'y');
    });
    expect(await values[1]).toEqual(await values[0]);
  });
});

describe('an export format', () => {
  interface Line {
    name: string;
    x: string;
    weight?: number[];
    bias?: number[];
    times?: number;
  }
  interface Program {
    lines: Line[];
    outputs: [name: string, value: string][];
  }

  /** Runs a program of dense layers and multiplications. */
  const runner = ({ lines, outputs }: Program): ModelRunner => ({
    runtime: 'toy 1',
    inputs: ['x'],
    outputs: new Map(outputs.map(([name]) => [name, 4])),
    async run({ x }) {
      const values = new Map<string, number[]>([['x', [...x!.values]]]);
      for (const { name, x, weight, bias, times } of lines) {
        const from = values.get(x)!;
        if (times !== undefined)
          values.set(
            name,
            from.map((v) => v * times),
          );
        else {
          const width = weight!.length / bias!.length;
          const dense = (row: number) =>
            bias!.map((b, c) =>
              from.slice(row * width, (row + 1) * width).reduce((sum, v, i) => sum + v * weight![c * width + i]!, b),
            );
          values.set(name, Array.from({ length: from.length / width }, (_, row) => dense(row)).flat());
        }
      }
      return Object.fromEntries(outputs.map(([name, value]) => [name, Float32Array.from(values.get(value)!)]));
    },
    close: async () => {},
  });

  const toy = (wrong = 1): ExportFormat => ({
    endings: ['.json'],
    requireRuntime: async () => {},
    async write(model, { input }, measure) {
      const { inputs, outputs, layers } = prepareModel(model, input);
      const lines: Line[] = [];
      const add = (line: Line, like: Emitted): Emitted => {
        lines.push(line);
        return { ...like, name: line.name };
      };
      const writer = {
        dense: (name, x, { weight, bias }) => add({ name, x: x.name, weight: [...weight], bias: [...bias] }, x),
        binary: (fn, name, x, by) => {
          expect(fn).toBe('Mul');
          return add({ name, x: x.name, times: wrong * (by as number) }, x);
        },
      } as Partial<GraphWriter> as GraphWriter;
      const values = emitLayers(writer, layers, new Map(inputs.map((i) => [i.node, { ...i, name: i.name }])));
      const program: Program = { lines, outputs: outputs.map(({ name, node }) => [name, values.get(node)!.name]) };
      const bytes = Buffer.from(JSON.stringify(program));
      return { bytes, parity: await measure.run(runner(JSON.parse(bytes.toString()))) };
    },
  });

  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'audio2vec-toy-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const graph = toyGraph;
  const model = (): DeployedModel => {
    const made = graph();
    const weights = initialParameters(made, 1) as ReadonlyMap<string, Float32Array>;
    return {
      kind: 'toy',
      graph: made,
      weights,
      inputs: [{ node: 'x' }],
      outputs: [{ name: 'y', node: 'y' }],
      metadata: {},
    };
  };
  const inputs = [0, 1].map((n) => ({ x: x.slice(6 * n, 6 * n + 6) }));

  it('is one entry: written, run, compared with the engine', async () => {
    const file = join(folder, 'model.json');
    const { parity } = await exportModel(file, model(), { inputs, formats: [toy()] });
    expect(parity).toMatchObject({ runtime: 'toy 1', outputs: { y: { agreement: 1 } } });
    expect(parity.outputs.y!.maxAbsError).toBeLessThan(1e-5);
    expect(JSON.parse(await readFile(file, 'utf8')).lines).toHaveLength(4);
  });

  it('that gives other values is refused', async () => {
    const file = join(folder, 'wrong.json');
    await expect(exportModel(file, model(), { inputs, formats: [toy(1.01)] })).rejects.toMatchObject({
      code: 'ERR_PARITY',
    });
    expect(existsSync(file)).toBe(false);
  });

  it('without an entry is no format, and the operator goes into those that there are', async () => {
    await expect(exportModel(join(folder, 'model.json'), model(), { inputs })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
    });
    const { parity } = await exportModel(join(folder, 'model.onnx'), model(), { inputs });
    expect(parity.outputs.y!.maxAbsError).toBeLessThan(1e-5);
  });
});
