// Nodes that no method of Graph has checked: of a class that extends it, of a rewrite, of an operator that was added. Whatever
// they say, they are computed rightly or refused by name.
import { describe, expect, it } from 'vitest';
import type { EngineNode } from '../../lib/engine/engine-graph.js';
import { Graph, initialParameters, Network, type Node, type Ref, type Shape } from '../../lib/engine/index.js';
import type { Rewrite } from '../../lib/engine/rewrites/rewrite.js';
import type { OwnOperator } from '../../lib/graph/operator.js';
import { addOperator } from '../../lib/graph/operators/index.js';

/** Makes nodes as they are given. */
class Free extends Graph {
  free(node: Partial<Record<string, unknown>>): Ref {
    return this.push(node as never);
  }
}

const wide: Shape = [8, 8, 64];
const lies: Record<string, (x: Node, w: Node) => Record<string, unknown>> = {
  'a ReLU larger than what it reads': () => ({ op: 'relu', shape: wide }),
  'more rows than there are': () => ({ op: 'relu', rows: 9 }),
  'a sum of unlike maps': () => ({ op: 'add', inputs: ['x', 'w'] }),
  'a sum of one': () => ({ op: 'add' }),
  'a pool of too much': () => ({ op: 'max-pool', shape: [4, 4, 3] }),
  'a kernel that is none': (_, c) => ({ ...c, kernel: null }),
  'a kernel of another size': (_, c) => ({ ...c, kernel: [3, 3] }),
  'other weights': (_, c) => ({ ...c, params: c.params.map((p) => ({ ...p, shape: [2] })) }),
  'no weights': (_, c) => ({ ...c, params: [] }),
  'no parameters at all': (_, c) => ({ ...c, params: undefined }),
  'a window beyond the map': () => ({
    op: 'pool',
    mode: 'max',
    kernel: [2, 2],
    window: { stride: [1, 1], dilation: [1, 1], padding: [50, 0] },
    shape: [104, 3, 3],
  }),
  'channels that are not there': () => ({ op: 'channels', first: 2, shape: [4, 4, 3] }),
  'a group that does not divide': () => ({ op: 'one-hot', group: 2 }),
  'an unknown loss': () => ({ op: 'loss', loss: 'guess', weight: 1, shape: [1] }),
  'an unknown operator': () => ({ op: 'magic' }),
  'no shape': () => ({ op: 'relu', shape: undefined }),
  'no inputs': () => ({ op: 'relu', inputs: [] }),
  'inputs that are not there': () => ({ op: 'relu', inputs: ['nobody'] }),
  'inputs that are none': () => ({ op: 'relu', inputs: null }),
};

function graphOf(lie?: (x: Node, conv: Node) => Record<string, unknown>): Free {
  const g = new Free();
  const x = g.input('x', [4, 4, 3]);
  g.input('w', [4, 4, 40]);
  const conv = g.conv('c', x, [3, 1], 3, true);
  const base = { name: 'y', inputs: ['x'], shape: [4, 4, 3], rows: 1, params: [] };
  if (lie) g.free({ ...base, ...lie(x as Node, { ...(conv as Node), name: 'y' }) });
  return g;
}

describe('a class that extends Graph', () => {
  it.each(Object.keys(lies))('cannot give the engine %s', (what) => {
    const make = () => new Network(graphOf(lies[what]), { maxExamples: 1, threads: 1 });
    expect(make).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_(ARGUMENT|GRAPH)$/) }));
  });

  it('may make what the builder makes', async () => {
    using network = new Network(
      graphOf(() => ({ op: 'relu' })),
      { maxExamples: 1, threads: 1 },
    );
    const inputs = { x: { values: Float32Array.from({ length: 48 }, (_, i) => i - 24) } };
    const y = await network.forward({ examples: 1, inputs }, 'y');
    expect([...y]).toEqual([...inputs.x.values].map((v) => Math.max(0, v)));
  });
});

describe('a rewrite from outside', () => {
  const built = graphOf();
  const nodeOf = (name: string) => built.nodes.find((n) => n.name === name)!;
  it.each(Object.keys(lies))('cannot leave %s', async (what) => {
    const g = new Graph();
    const x = g.input('x', [4, 4, 3]);
    g.input('w', [4, 4, 40]);
    g.conv('c', x, [3, 1], 3, true);
    g.relu('y', x);
    const base = { name: 'y', inputs: ['x'], shape: [4, 4, 3], rows: 1, params: [] };
    const lie = { ...base, ...lies[what]!(nodeOf('x'), { ...nodeOf('c'), name: 'y' }) };
    const apply: Rewrite['apply'] = (nodes) => nodes.map((n) => (n.name === 'y' ? (lie as never) : n));
    // In inference only what `y` needs is there, so what else a node reads is missing, which is refused as well.
    using network = new Network(g, { maxExamples: 1, threads: 1, rewrites: [{ name: 'mine', mode: 'both', apply }] });
    network.setParameters(initialParameters(g, 1));
    const inputs = { x: { values: new Float32Array(48) }, w: { values: new Float32Array(640) } };
    await expect(network.forward({ examples: 1, inputs }, 'y')).rejects.toMatchObject({
      code: 'ERR_GRAPH',
      message: expect.stringContaining('mine'),
    });
  });

  it('may do what it likes with its list and its sets', async () => {
    const broken: Rewrite['apply'][] = [
      (nodes) => {
        const list = nodes as EngineNode[];
        const i = list.findIndex((n) => n.name === 'c');
        list[i] = { ...list[i], kernel: [15, 15] } as never;
        return list;
      },
      (nodes) => {
        (nodes as EngineNode[]).length--;
        return [...nodes];
      },
      (nodes, { targets }) => {
        (targets as Set<string>).clear();
        (targets as Set<string>).add('c');
        return [...nodes];
      },
    ];
    const inputs = { x: { values: new Float32Array(48).fill(1) } };
    const results: unknown[] = [];
    for (const apply of broken) {
      const g = graphOf(() => ({ op: 'relu' }));
      using network = new Network(g, { maxExamples: 1, threads: 1, rewrites: [{ name: 'mine', mode: 'both', apply }] });
      network.setParameters(initialParameters(g, 1));
      results.push(await network.outputs({ examples: 1, inputs }, ['y', 'c']).catch((error) => error.code));
      expect(network.nodes).toEqual(g.nodes);
    }
    expect(results.slice(0, 2)).toEqual(['ERR_GRAPH', 'ERR_GRAPH']);
    expect(results[2]).toMatchObject({ y: inputs.x.values });
  });

  it('says when it applies', () => {
    for (const mode of [undefined, 'always']) {
      const rewrites = [{ name: 'mine', mode, apply: (nodes: EngineNode[]) => nodes } as never];
      expect(() => new Network(graphOf(), { maxExamples: 1, rewrites })).toThrow(/rewrites/);
    }
  });

  it('cannot take other indices or make inputs and losses', async () => {
    const g = new Graph();
    const x = g.input('x', [4, 1, 2]);
    const index = g.input('i', [2, 1, 1]);
    const y = g.gather('y', x, index);
    g.loss('l', 'mse', [g.layerNorm('n', y), g.input('t', [2, 1, 2])]);
    const made = { name: 'new', inputs: [], shape: [4], rows: 1, params: [] };
    const changes: Rewrite['apply'][] = [
      (nodes) => nodes.map((n) => (n.name === 'y' ? { ...n, inputs: ['x', 'x'] } : n) as never),
      (nodes) => [...nodes, { ...made, op: 'input' } as never],
      (nodes) => [...nodes, { ...made, op: 'loss', loss: 'mse', weight: 1, inputs: ['n', 't'], shape: [1] } as never],
    ];
    for (const apply of changes) {
      using network = new Network(g, { maxExamples: 1, threads: 1, rewrites: [{ name: 'mine', mode: 'both', apply }] });
      const inputs = {
        x: { values: new Float32Array(8) },
        i: { values: new Float32Array(2) },
        t: { values: new Float32Array(4) },
      };
      await expect(network.lossAndGradients({ examples: 1, inputs })).rejects.toMatchObject({ code: 'ERR_GRAPH' });
    }
  });
});

describe('an operator that was added', () => {
  const emit: OwnOperator['emit'] = (_, __, [x]) => x!;
  const operator = (op: string, entry: Partial<OwnOperator>): OwnOperator => ({
    ...{ op, summary: op, emit, forward: () => [{ step: 'scale', x: 0 }], backward: () => undefined },
    ...entry,
  });
  const wrong: Record<string, [entry: Partial<OwnOperator>, shape?: Shape]> = {
    'larger-than-read': [{}, wide],
    'unknown-step': [{ forward: () => [{ step: 'fly', x: 0 }] }],
    'step-of-layers': [{ forward: () => [{ step: 'conv', x: 0 }] }],
    'missing-operand': [{ forward: () => [{ step: 'mul', x: 0 }] }],
    'operand-that-is-not-there': [{ forward: () => [{ step: 'mul', x: 0, b: 1 }] }],
    'field-of-plans': [{ forward: () => [{ step: 'scale', x: 0, fields: { conv: 7 } }] }],
    'constant-that-is-none': [{ forward: () => [{ step: 'scale', x: 0, fields: { number: Number.NaN } }] }],
    'constants-misspelt': [{ forward: () => [{ step: 'scale', x: 0, field: { number: 2 } } as never] }],
    'channels-beyond': [{ forward: () => [{ step: 'channels', x: 0, fields: { first: 2, count: 3 } }] }],
    'negative-channel': [{ forward: () => [{ step: 'channels', x: 0, fields: { first: -1, count: 3 } }] }],
    'no-window': [{ forward: () => [{ step: 'window_max', x: 0, fields: { kt: 0, kf: 1 } }] }],
    'upsampled-too-little': [{ forward: () => [{ step: 'upsample', x: 0 }] }],
    'planar-where-its-step-is-not': [{ planar: true, forward: () => [{ step: 'window_max', x: 0 }] }],
    'no-steps': [{ forward: () => [] }],
    'steps-that-are-none': [{ forward: () => 5 as never }],
    'its-own-value': [{ forward: () => [{ step: 'square', x: 'result' }] }],
    'pooled-to-another-size': [
      { forward: () => [{ step: 'window_mean', x: 0, fields: { kt: 2, kf: 1, strideT: 2 } }] },
      [40, 4, 3],
    ],
    'half-a-concat': [{ forward: () => [] as never }, [4, 4, 6]],
    'wrong-gradient': [{ backward: () => ({ step: 'gate', x: 'gradient', b: 0 }) }],
  };

  it.each(Object.keys(wrong))('is refused by name where it lies: %s', async (op) => {
    const [entry, shape = [4, 4, 3]] = wrong[op]!;
    addOperator(operator(op, entry));
    const g = new Free();
    const x = g.conv('c', g.input('x', [4, 4, 3]), [1, 1], 3, true);
    const y = g.free({ op, name: 'y', inputs: [x.name], shape, rows: 1, params: [] });
    g.loss('l', 'mse', [y, g.input('t', shape)]);
    using network = new Network(g, { maxExamples: 1, threads: 1 });
    network.setParameters(initialParameters(g, 1));
    const size = shape.reduce((a, b) => a * b, 1);
    const inputs = { x: { values: new Float32Array(48) }, t: { values: new Float32Array(size) } };
    await expect(network.lossAndGradients({ examples: 1, inputs })).rejects.toMatchObject({
      code: 'ERR_GRAPH',
      message: expect.stringContaining(op),
    });
  });

  it('cannot change the parameters of another layer', () => {
    addOperator(operator('borrows', {}));
    for (const change of [{ shape: [1] }, { trainable: false }, { init: { constant: 1 } }]) {
      const g = new Free();
      const c = g.conv('c', g.input('x', [4, 4, 3]), [3, 1], 3, true) as Node;
      const params = [{ ...c.params[0], ...change }];
      g.free({ op: 'borrows', name: 'y', inputs: ['c'], shape: [4, 4, 3], rows: 1, params });
      expect(() => new Network(g, { maxExamples: 1 })).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    }
  });

  it('stays what it is to others where frames and bands change places', async () => {
    const lies = ['name', 'inputs', 'params', 'op'].map((key) => ({ [key]: key === 'params' ? undefined : 'c' }));
    for (const [i, lie] of lies.entries()) {
      const op = `turned-${i}`;
      const entry = { backward: () => ({ step: 'scale', x: 'gradient' }) as const };
      addOperator(operator(op, { ...entry, transposed: (node) => ({ ...node, ...lie }) as never }));
      const g = new Free();
      const c = g.conv('c', g.input('x', [12, 1, 4]), [3, 1], 4, true);
      g.free({ op, name: 'y', inputs: [c.name], shape: [12, 1, 4], rows: 1, params: [] });
      using network = new Network(g, { maxExamples: 1, threads: 1 });
      network.setParameters(initialParameters(g, 1));
      const inputs = { x: { values: new Float32Array(48).fill(1) } };
      const { c: read, y } = await network.outputs({ examples: 1, inputs }, ['c', 'y']);
      expect([...y].map(Math.abs)).toEqual([...read].map(() => 0)); // a scale by a number that is not given
    }
  });

  it('has all that an entry must have', () => {
    for (const entry of [
      {},
      null,
      5,
      { op: '' },
      operator('x1', { forward: 5 as never }),
      operator('x2', { emit: undefined }),
      operator('x3', { planer: true } as never),
      operator('x4', { trainingOnly: 'a' } as never),
      operator('x5', { moves: 'z' } as never),
      operator('x6', { indices: 5 } as never),
      operator('x7', { indices: { operand: 0, what: 'frames', range: 5 } } as never),
      operator('x8', { indices: { operand: -1, what: 'frames', range: () => [0, 1] } } as never),
      operator('x9', { folded: true } as never),
    ])
      expect(() => addOperator(entry as never)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });
});
