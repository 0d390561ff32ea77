// A value that is no number must be seen in what is computed from it, wherever it stands: a network that has diverged must
// not look well.
import { describe, expect, it } from 'vitest';
import { Graph, initialParameters, Network, type Ref } from '../../lib/engine/index.js';
import { sizeOf } from '../../lib/graph/node.js';
import { native } from '../../lib/native/addon.js';

const pools: Record<string, (g: Graph, x: Ref) => Ref> = {
  'global max-pool': (g, x) => g.globalMaxPool('y', x),
  'max-pool 2×2': (g, x) => g.maxPool('y', x),
  'max-pool 3×2': (g, x) => g.pool('y', 'max', x, [3, 2], { stride: 1, padding: 'same' }),
  'max over frames': (g, x) => g.globalPool('y', 'max', x, 'frames'),
  'mean over all': (g, x) => g.globalPool('y', 'mean', x),
  'deviation over all': (g, x) => g.globalPool('y', 'std', x),
};
// Channels that fill no vector, bands that share one, maps too small for vectors of 2×2 windows.
const shapes = [
  [2, 2, 3],
  [4, 2, 1],
  [4, 6, 5],
  [2, 32, 8],
  [4, 4, 20],
] as const;

describe.each(native.capabilities().available)('on %s', (isa) => {
  it.each(Object.keys(pools))('%s', async (pool) => {
    for (const shape of shapes) {
      const g = new Graph();
      pools[pool]!(g, g.input('x', shape));
      using network = new Network(g, { maxExamples: 1, threads: 1, isa });
      for (let at = 0; at < sizeOf(shape); at++) {
        const values = Float32Array.from({ length: sizeOf(shape) }, (_, i) => (i % 7) - 3);
        values[at] = Number.NaN;
        const y = await network.forward({ examples: 1, inputs: { x: { values } } }, 'y');
        expect([...y].some(Number.isNaN), `${shape.join('×')}, value ${at}`).toBe(true);
      }
    }
  });
});

describe('training', () => {
  const g = new Graph();
  const y = g.batchNorm('b', g.dense('d', g.input('x', [2]), 1), false);
  g.loss('l', 'mse', [y, g.input('t', [1])]);
  const batch = (value: number) => ({
    examples: 2,
    inputs: { x: { values: Float32Array.of(1, 2, 3, value) }, t: { values: new Float32Array(2) } },
  });
  const started = () => {
    const network = new Network(g, { maxExamples: 2, threads: 1 });
    network.setParameters(initialParameters(g, 1));
    return network;
  };

  it('moves nothing by the gradients of a loss that is not a number', async () => {
    using network = started();
    const before = network.getState();
    await network.lossAndGradients(batch(Number.NaN));
    await expect(network.update({ learningRate: 1 })).rejects.toMatchObject({ code: 'ERR_DIVERGED' });
    expect(network.getState()).toEqual(before);
    expect((await network.step(batch(Number.NaN), { learningRate: 1 })).loss).toBeNaN();
    expect(network.getState()).toEqual(before);
    await network.lossAndGradients(batch(1));
    await network.update({ learningRate: 1 });
    expect(network.getState().params).not.toEqual(before.params);
  });

  it('takes no parameters or moments that are not numbers', () => {
    using network = started();
    const before = network.getState();
    const changed = (part: 'params' | 'm' | 'v', name: string, value: number) => ({
      ...before,
      [part]: new Map(before[part]).set(
        name,
        before[part].get(name)!.map(() => value),
      ),
    });
    for (const [part, name, value] of [
      ['params', 'd.weight', Number.NaN],
      ['params', 'b.running_var', -1],
      ['params', 'b.running_mean', Number.POSITIVE_INFINITY],
      ['m', 'd.weight', Number.NaN],
      ['v', 'd.weight', -1],
    ] as const) {
      const wrong = expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringContaining(part) });
      expect(() => network.setState(changed(part, name, value))).toThrow(wrong);
      if (part === 'params') expect(() => network.setParameters(changed(part, name, value).params)).toThrow(wrong);
    }
    expect(network.getState()).toEqual(before);
  });

  it('needs a loss', async () => {
    const g = new Graph();
    g.dense('d', g.input('x', [2]), 1);
    using network = new Network(g, { maxExamples: 2, threads: 1 });
    const inputs = { x: { values: new Float32Array(4) } };
    for (const call of [
      () => network.step({ examples: 2, inputs }, { learningRate: 1 }),
      () => network.lossAndGradients({ examples: 2, inputs }),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'ERR_GRAPH', message: expect.stringContaining('no loss') });
    }
  });
});
