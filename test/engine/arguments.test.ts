// Whatever is given to the engine, a call works or says what was wrong with which argument: no error of JavaScript's own,
// no crash, nothing that is not a number.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Audio2VecError, clipGradients, Graph, initialParameters, Network, type Ref } from '../../lib/engine/index.js';
import { losses } from '../../lib/graph/losses.js';
import { NodeList } from '../../lib/graph/node-list.js';
import { pointwiseFunctions } from '../../lib/graph/pointwise-functions.js';

// biome-ignore lint/suspicious/noExplicitAny: what callers without types may pass
type Any = any;

const values = (count: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i + 1));
const batch = { examples: 2, inputs: { x: { values: values(8) }, y: { values: values(2) } } };

/** What is no argument at all, beside what might be one. */
const junk = fc.oneof(
  fc.constantFrom<unknown[]>(...[undefined, null, Number.NaN, -1, 0, 0.5, 1.5, 1e300, Number.POSITIVE_INFINITY, -0]),
  fc.constantFrom<unknown[]>('', 'x', 'toString', '__proto__', true, Symbol('s'), 3n, () => 1, {}, [], [1], [[1]]),
  fc.constantFrom<unknown[]>(new Map(), new Float64Array(4), new Float32Array(8), new Date(0), /x/),
);
const number = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 4 }) }, junk);
const pair = fc.oneof({ weight: 4, arbitrary: fc.tuple(number, number) }, junk);
const oneOf = (...names: string[]) => fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...names) }, junk);
const mostly = (arbitrary: fc.Arbitrary<unknown>) => fc.oneof({ weight: 8, arbitrary }, junk);
const boolean = mostly(fc.boolean());
const ref = mostly(fc.nat(11).map((i) => ({ operand: i })));
const refs = mostly(fc.array(ref, { maxLength: 3 }));
const scalar = mostly(fc.constant({ scalarOf: 'graph' }));
const padding = oneOf('same', 'causal', 'none');
const windowOptions = { stride: fc.oneof(number, pair), padding: fc.oneof(padding, fc.tuple(padding, padding)) };
const options = (members: Record<string, fc.Arbitrary<unknown>>) =>
  mostly(fc.record({ ...members, misspelt: junk }, { requiredKeys: [] }));
const kinds = Object.keys(losses);
/** Operands of `graphWithOperands` that some loss can compare. */
const fitting = fc
  .constantFrom([0, 0], [1, 1, 1], [1, 2], [1, 1, 2], [5], [6], [7, 7], [8, 9], [7, 4], [9])
  .map((of) => of.map((operand) => ({ operand })));

/** The arguments of each method after its name. */
const methods: Record<string, fc.Arbitrary<unknown>[]> = {
  input: [mostly(fc.array(number, { maxLength: 4 })), number],
  conv: [
    ref,
    pair,
    number,
    boolean,
    options({ ...windowOptions, dilation: number, depthwise: boolean, share: oneOf('c', 'v') }),
  ],
  dense: [ref, number, boolean, options({ share: oneOf('d', 'c') })],
  batchNorm: [ref, boolean],
  relu: [ref],
  pointwise: [oneOf(...Object.keys(pointwiseFunctions)), ref, number],
  scale: [ref, fc.oneof(number, scalar)],
  add: [ref, ref],
  sub: [ref, ref],
  mul: [ref, ref],
  div: [ref, ref],
  gate: [ref, ref],
  dot: [ref, ref],
  stopGradient: [ref],
  straightThrough: [ref, ref],
  dropout: [ref, mostly(fc.double({ min: 0, max: 1 })), scalar],
  softmax: [ref],
  oneHot: [ref, number],
  layerNorm: [ref, oneOf('channels', 'unit')],
  l2Normalize: [ref, number],
  maxPool: [ref],
  pool: [oneOf('max', 'mean', 'std'), ref, pair, options(windowOptions)],
  globalPool: [oneOf('max', 'mean', 'std'), ref, oneOf('frames', 'bands', 'all')],
  globalMaxPool: [ref],
  upsample: [ref, pair],
  reshape: [ref, mostly(fc.array(number, { maxLength: 4 })), number],
  select: [ref, number, number],
  concat: [refs],
  channels: [ref, number, number],
  gather: [ref, ref],
  loss: [oneOf(...kinds), fc.oneof(refs, fitting), fc.oneof(number, scalar), fc.oneof(fc.constant(undefined), number)],
  scalar: [number],
};

/** A graph to draw operands from, and those. */
function graphWithOperands() {
  const graph = new Graph();
  const x = graph.input('v', [4]);
  const m = graph.input('m', [4, 2, 3]);
  const operands: Ref[] = [
    ...[x, m, graph.input('index', [4, 2, 1]), graph.input('frames', [3, 1, 1]), graph.input('class', [1])],
    ...[graph.input('three', [4], 3), graph.input('two', [4], 2), graph.dense('d', x, 4)],
    ...[graph.conv('c', m, [3, 1], 3, true), graph.batchNorm('n', m, true)],
    graph.loss('l', 'mse', [x, graph.input('t', [4])]),
    new Graph().input('v', [400]),
  ];
  return { graph, operands, factor: graph.scalar('factor', 0.5) };
}

/** Puts operands and scalars in the places that stand for them. */
function resolved(given: unknown, { operands, factor }: ReturnType<typeof graphWithOperands>): unknown {
  if (Array.isArray(given)) return given.map((one) => resolved(one, { operands, factor } as never));
  if (typeof given !== 'object' || given === null) return given;
  if ('operand' in given) return operands[given.operand as number];
  return 'scalarOf' in given ? factor : given;
}

/** Whether the call worked; throws unless it did or said what was wrong. */
async function works(call: () => unknown): Promise<boolean> {
  try {
    await call();
    return true;
  } catch (error) {
    if (!(error instanceof Audio2VecError)) throw error;
    expect(['ERR_ARGUMENT', 'ERR_GRAPH', 'ERR_ISA', 'ERR_DIVERGED']).toContain(error.code);
    return false;
  }
}

/** Runs all of a graph, every input filled with zeros and ones, which any index may be. */
async function run(graph: Graph): Promise<void> {
  using network = new Network(graph, { maxExamples: 2, threads: 1 });
  network.setParameters(initialParameters(graph, 1));
  const inputs = graph.nodes.filter((n) => n.op === 'input');
  const filled = inputs.map((n) => {
    const length = 2 * n.rows * n.shape.reduce((a, b) => a * b, 1);
    return [n.name, { values: Float32Array.from({ length }, (_, i) => (i % 3 === 1 ? 1 : 0)) }];
  });
  const fed = { examples: 2, inputs: Object.fromEntries(filled) };
  const last = graph.nodes.at(-1)!;
  const numbers = [];
  if (await works(() => network.lossAndGradients(fed))) {
    const { loss, gradients } = await network.lossAndGradients(fed);
    numbers.push(loss, ...[...gradients.values()].flatMap((g) => [...g]));
  }
  if (last.op !== 'loss') numbers.push(...(await network.forward(fed, last.name)));
  // Without weights of 1e30, and with div only by what is not zero, all is finite; overflow is not what is looked for.
  expect(numbers.filter(Number.isNaN)).toEqual([]);
}

describe('Graph', () => {
  test('has all its methods tested here', () => {
    const own = [Graph, NodeList].flatMap((list) => Object.getOwnPropertyNames(list.prototype));
    const hidden = ['constructor', 'params', 'push', 'same', 'weights', 'operands', 'constant'];
    expect(own.filter((name) => !hidden.includes(name)).sort()).toEqual(Object.keys(methods).sort());
  });

  test.each(Object.keys(methods))('%s', { timeout: 60_000 }, async (method) => {
    let worked = 0;
    const name = fc.oneof({ weight: 20, arbitrary: fc.constant('new') }, junk);
    await fc.assert(
      fc.asyncProperty(name, fc.tuple(...methods[method]!), async (label, args) => {
        const drawn = graphWithOperands();
        const given = args.map((arg) => resolved(arg, drawn));
        if (!(await works(() => (drawn.graph as Any)[method](label, ...given)))) return;
        worked++;
        if (method !== 'div' && worked <= 20) await run(drawn.graph);
      }),
      { numRuns: 1000, seed: 1 },
    );
    expect(worked).toBeGreaterThan(2);
  });

  test('options are objects with names, a range is of whole numbers, a scalar has a name', () => {
    const g = new Graph();
    const x = g.input('x', [4]);
    for (const wrong of [[], new Map(), new Date(0), new Float32Array(1)] as Any[]) {
      expect(() => g.dense('d', x, 1, true, wrong)).toThrow(/^options of d must be an object with options by name/);
    }
    const strange = Object.create(null);
    expect(() => g.channels('c', x, strange, 1)).toThrow(Audio2VecError);
    expect(() => g.scalar('', 1)).toThrow(/^scalar must be a name/);
  });

  test('says which node and which argument', () => {
    const g = new Graph();
    const x = g.input('x', [4, 4, 1]);
    expect(() => g.conv('c', x, [3, 1], 2, true, { Stride: 2 } as Any)).toThrow(/options of c .*"Stride"/);
    expect(() => g.conv('c', undefined as Any, [3, 1], 2, true)).toThrow(/input of c .*undefined/);
    expect(() => g.loss('l', 'mse', [x])).toThrow(/operands of l \(mse\)/);
    expect(() => g.loss('l', 'mse', [x, g.input('y', [1])])).toThrow(/operand of l \(mse\) must be 1 × 4×4×1/);
    expect(() => g.loss('l', 'huber', [x, x], 1, 0)).toThrow(/number of l \(huber\)/);
    expect(() => new Graph().relu('r', x)).toThrow(/a node of this graph/);
    const l = g.loss('l', 'mse', [x, x]);
    expect(() => g.relu('r', l)).toThrow(/a value, not a loss/);
  });

  test('keeps what it was told: arrays that change later change nothing', () => {
    const g = new Graph();
    const shape = [4, 4, 1] as [number, number, number];
    const x = g.input('x', shape);
    shape[0] = 1e9;
    expect(x.shape).toEqual([4, 4, 1]);
    expect(() => ((x as Any).shape = [1])).toThrow(TypeError);
  });

  test('takes indices from inputs alone, and checks them in whatever place', async () => {
    const g = new Graph();
    const x = g.input('x', [4, 1, 1]);
    expect(() => g.gather('g', x, g.scale('s', x, 1))).toThrow(/index of g/);
    g.gather('itself', x, x);
    using network = new Network(g, { maxExamples: 1, threads: 1 });
    const fed = (...list: number[]) => ({ examples: 1, inputs: { x: { values: Float32Array.from(list) } } });
    expect([...(await network.forward(fed(3, 2, 1, 0), 'itself'))]).toEqual([0, 1, 2, 3]);
    await expect(network.forward(fed(9, 2, 1, 0), 'itself')).rejects.toThrow(/from 0 to 3, got 9/);
  });

  test('takes indices as values, which are checked, not as frames of a store', async () => {
    const g = new Graph();
    g.gather('g', g.input('x', [4, 1, 1]), g.input('index', [2, 1, 1]));
    const [mean, std] = [new Float32Array(1), new Float32Array([1])];
    using network = new Network(g, { maxExamples: 1, threads: 1, mean, std });
    const store = { frames: 3, native: Float32Array.of(1e9, -77, 0) };
    const inputs = { x: { values: new Float32Array(4) }, index: { frames: new Float64Array(1), store } };
    await expect(network.forward({ examples: 1, inputs }, 'g')).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining('batch.inputs.index'),
    });
  });

  test('checks rewrites of your own', () => {
    const g = new Graph();
    g.scale('s', g.input('x', [4]), 2);
    for (const rewrites of [5, [5], [{ name: 'x' }], {}] as never[]) {
      expect(() => new Network(g, { maxExamples: 1, rewrites })).toThrow(
        expect.objectContaining({ code: 'ERR_ARGUMENT' }),
      );
    }
  });
});

describe('Network', () => {
  const graph = () => {
    const g = new Graph();
    const d = g.dense('d', g.input('x', [4]), 1);
    g.loss('l', 'mse', [g.scale('s', d, g.scalar('toString', 2)), g.input('y', [1])]);
    return g;
  };
  const network = (maxExamples = 2) => {
    const g = graph();
    const made = new Network(g, { maxExamples, threads: 1 });
    made.setParameters(initialParameters(g, 1));
    return made;
  };
  const x = mostly(fc.record({ values: mostly(fc.constant(values(8))) }));
  const y = mostly(fc.record({ values: mostly(fc.constant(values(2))) }));
  const batches = mostly(
    fc.record({
      examples: mostly(fc.constant(2)),
      inputs: mostly(fc.record({ x, y })),
      scalars: fc.oneof(fc.constant({}), junk, fc.record({ toString: number })),
    }),
  );
  const node = oneOf('d', 's', 'l', 'x');
  const optimisers = mostly(
    fc.record(
      { rule: oneOf('adam', 'sgd'), learningRate: mostly(fc.constant(0.1)), weightDecay: number, misspelt: junk },
      { requiredKeys: ['learningRate'] },
    ),
  );
  const momenta = fc.record(
    {
      learningRate: fc.constant(0.1),
      ...{ beta1: number, beta2: number, epsilon: number, weightDecay: number },
    },
    { requiredKeys: ['learningRate'] },
  );
  const arrays = mostly(fc.constant(initialParameters(graph(), 2)));
  const squares = mostly(
    fc.constant(new Map([...initialParameters(graph(), 2)].map(([name, w]) => [name, w.map((x) => x * x)]))),
  );
  const calls: Record<string, fc.Arbitrary<unknown>[]> = {
    step: [batches, fc.oneof(optimisers, momenta)],
    lossAndGradients: [batches, mostly(fc.array(oneOf('x', 'y'), { maxLength: 2 })), options({ statistics: junk })],
    update: [optimisers, arrays],
    forward: [batches, node, fc.oneof(fc.constant(undefined), junk)],
    outputs: [batches, mostly(fc.array(node, { maxLength: 3 })), mostly(fc.record({ d: junk }))],
    bindForward: [batches, node, mostly(fc.constant(values(2))), number],
    evaluate: [batches],
    setParameters: [arrays],
    setState: [mostly(fc.record({ params: arrays, m: arrays, v: squares, steps: number }))],
  };

  test.each(Object.keys(calls))('%s', { timeout: 60_000 }, async (method) => {
    using made = network();
    const parameters = made.getParameters();
    let worked = 0;
    await fc.assert(
      fc.asyncProperty(fc.tuple(...calls[method]!), async (args) => {
        made.setParameters(parameters);
        if (method === 'update') await made.lossAndGradients(batch);
        if (!(await works(() => (made as Any)[method](...args)))) return;
        worked++;
        for (const array of made.getParameters().values()) expect([...array].filter(Number.isNaN)).toEqual([]);
      }),
      { numRuns: 300, seed: 2 },
    );
    expect(worked).toBeGreaterThan(0);
  });

  test('its options', async () => {
    const given = fc.record(
      {
        maxExamples: mostly(fc.constant(2)),
        ...{ threads: number, isa: oneOf('portable', 'float64'), without: mostly(fc.array(oneOf('planar'))) },
        ...{ store: junk, mean: junk, std: junk, inputs: junk, misspelt: junk },
      },
      { requiredKeys: ['maxExamples'] },
    );
    const graphs = mostly(fc.constantFrom<unknown[]>(graph(), graph().nodes, graph().nodes.slice(1), [{ name: 'x' }]));
    await fc.assert(
      fc.asyncProperty(graphs, mostly(given), async (of, options) => {
        await works(() => new Network(of as Any, options as Any).close());
      }),
      { numRuns: 500, seed: 3 },
    );
  });

  test('clipGradients and initialParameters', async () => {
    await fc.assert(
      fc.asyncProperty(arrays, number, junk, async (gradients, most, seed) => {
        await works(() => clipGradients(gradients as Any, most as Any));
        await works(() => initialParameters(graph(), seed as Any));
      }),
      { numRuns: 300, seed: 4 },
    );
  });

  test('members that are undefined mean their defaults', async () => {
    const moved = async (optimiser: Any) => {
      using made = network();
      await made.step(batch, optimiser);
      return made.getParameters();
    };
    const usual = await moved({ learningRate: 0.1 });
    expect(await moved({ learningRate: 0.1, beta1: undefined, epsilon: undefined, rule: undefined })).toEqual(usual);
    const sgd = await moved({ rule: 'sgd', learningRate: 0.1 });
    expect(await moved({ rule: 'sgd', learningRate: 0.1, momentum: undefined, weightDecay: undefined })).toEqual(sgd);
  });

  test('outputs have memory of their own', async () => {
    const g = new Graph();
    const x = g.input('x', [4]);
    for (const name of ['a', 'b']) g.dense(name, x, 1);
    const out = new Float32Array(3);
    const shared = { a: out.subarray(0, 2), b: out.subarray(1, 3) };
    using two = new Network(g, { maxExamples: 2, threads: 1 });
    const message = { code: 'ERR_ARGUMENT', message: expect.stringContaining('must not share memory') };
    const fed = { examples: 2, inputs: { x: { values: values(8) } } };
    await expect(two.outputs(fed, ['a', 'b'], shared)).rejects.toMatchObject(message);
    expect(() => two.bindForward(fed, ['a', 'b'], Object.values(shared))).toThrow(expect.objectContaining(message));
    await two.outputs(fed, ['a', 'b'], { ...shared, b: new Float32Array(2) });
  });

  test('takes no gradient, moment or statistic that would spoil it', async () => {
    const g = new Graph();
    g.loss('l', 'mse', [g.dense('d', g.batchNorm('n', g.input('x', [2]), false), 1), g.input('y', [1])]);
    using made = new Network(g, { maxExamples: 2, threads: 1 });
    made.setParameters(initialParameters(g, 1));
    const fed = { examples: 2, inputs: { x: { values: values(4) }, y: { values: values(2) } } };
    const { gradients } = await made.lossAndGradients(fed);
    const before = made.getState();
    const update = (more: [string, Float32Array][]) =>
      made.update({ learningRate: 0.1 }, new Map<string, Float32Array | Float64Array>([...gradients, ...more]));
    await expect(update([['e.weight', new Float32Array(2)]])).rejects.toThrow(/gradients .* got "e.weight"/);
    await expect(update([['n.running_var', new Float32Array(2)]])).rejects.toThrow(/got "n.running_var"/);
    await expect(update([['d.bias', Float32Array.of(Number.NaN)]])).rejects.toMatchObject({
      code: 'ERR_DIVERGED',
      message: expect.stringContaining('d.bias'),
    });
    const v = new Map([...before.v, ['d.bias', Float32Array.of(-1)] as const]);
    expect(() => made.setState({ ...before, v })).toThrow(/state\.v\[\d+\] must be finite and not negative/);
    const statistics = made.getStatistics(); // means, then variances
    expect(statistics).toHaveLength(4);
    for (const [at, value] of [
      [0, Number.NaN],
      [2, -1],
      [3, Number.NaN],
    ] as const) {
      const wrong = statistics.slice();
      wrong[at] = value;
      expect(() => made.setStatistics(wrong)).toThrow(/^n\.running_(mean|var)\[[01]\] must be finite/);
    }
    for (const wrong of [null, [], 'x', new Float64Array(3)] as Any[]) {
      expect(() => made.setStatistics(wrong)).toThrow(/^statistics must be/);
    }
    expect(made.getState()).toEqual(before);
    await update([]);
  });

  test('does not crash after close', async () => {
    const made = network();
    const bound = made.bindForward(batch, 'd', new Float32Array(2));
    made.close();
    for (const call of [() => made.bytes, bound, () => made.getState(), () => made.forward(batch, 'd')]) {
      expect(await works(call)).toBe(false);
    }
  });

  test('inputs and scalars may have names that every object knows', async () => {
    const g = new Graph();
    g.scale('y', g.add('sum', g.input('__proto__', [1]), g.input('toString', [1])), g.scalar('valueOf', 2));
    using made = new Network(g, { maxExamples: 1, threads: 1 });
    const one = { values: Float32Array.of(1) };
    await expect(made.forward({ examples: 1, inputs: {} }, 'y')).rejects.toThrow(/given for __proto__/);
    const inputs = Object.fromEntries(['__proto__', 'toString'].map((name) => [name, one]));
    expect([...(await made.forward({ examples: 1, inputs }, 'y'))]).toEqual([4]);
  });

  test('stays as its graph was', async () => {
    const g = graph();
    using made = new Network(g, { maxExamples: 2, threads: 1 });
    made.setParameters(initialParameters(g, 1));
    const before = await made.evaluate(batch);
    g.loss('more', 'mse', [g.dense('e', g.nodes[0]!, 1), g.input('z', [1])]);
    expect(await made.evaluate(batch)).toEqual(before);
  });

  test('a few plans are kept, and one that a bound call runs as long as the network is there', async () => {
    const g = new Graph();
    const m = g.input('m', [16, 16, 1]);
    for (let i = 0; i < 24; i++) g.conv(`c${i}`, m, [3, 1], 8, true);
    using made = new Network(g, { maxExamples: 4, threads: 1 });
    made.setParameters(initialParameters(g, 1));
    const fed = { examples: 1, inputs: { m: { values: values(256) } } };
    const out = new Float32Array(16 * 16 * 8);
    const bound = made.bindForward(fed, 'c0', out);
    const bytes: number[] = [];
    const first = await made.forward(fed, 'c1');
    for (let i = 1; i < 24; i++) {
      await made.forward(fed, `c${i}`);
      bytes.push(made.bytes);
    }
    expect(bytes.at(-1)).toBe(bytes[6]);
    bound();
    expect(out).toEqual(await made.forward(fed, 'c0'));
    expect(await made.forward(fed, 'c1')).toEqual(first);
  });
});
