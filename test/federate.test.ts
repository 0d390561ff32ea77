// Updates, rules of averaging, and a client's round.
import { describe, expect, it } from 'vitest';
import { FederatedClient } from '../lib/federate/client.js';
import { flatten, isHead, type Layout, layoutOf, unflatten } from '../lib/federate/layout.js';
import { chooseRule, nextWeights } from '../lib/federate/rules.js';
import { pooledStatistics } from '../lib/federate/statistics.js';
import { checkUpdate, clip, meanOf, normOf, sumOf } from '../lib/federate/update.js';
import { initialParameters } from '../lib/graph/initial-parameters.js';
import { pretrainingConfig } from '../lib/systems/audio2vec/config.js';
import { audio2vec } from '../lib/systems/audio2vec/system.js';
import { Random } from '../lib/util/random.js';
import { memoryStore } from './helpers/memory-store.js';

const parameters = [
  { name: 'encoder.a', shape: [2, 2], init: { constant: 0 }, trainable: true },
  { name: 'encoder.a.running_var', shape: [2], init: { constant: 1 }, trainable: false },
  { name: 'head', shape: [3], init: { constant: 0 }, trainable: true },
] as const;
const layout = layoutOf(parameters);
const update = (values: number[], examples = 1) => ({ delta: Float32Array.from(values), examples });

describe('a layout', () => {
  it('lays arrays one after the other and back', () => {
    const flat = Float32Array.from({ length: 9 }, (_, i) => i);
    expect(flatten(unflatten(flat, layout), layout)).toEqual(flat);
    expect([...layoutOf(parameters, isHead).arrays.map((a) => a.name)]).toEqual(['encoder.a', 'encoder.a.running_var']);
  });

  it('names an array that is missing or of another size', () => {
    const wrong = unflatten(new Float32Array(9), layout).set('head', new Float32Array(2));
    expect(() => flatten(wrong, layout)).toThrow(/head of 3 values has 2/);
    wrong.delete('head');
    expect(() => flatten(wrong, layout)).toThrow(expect.objectContaining({ code: 'ERR_UPDATE_SHAPE' }));
  });
});

describe('an update', () => {
  const good = [1, 1, 1, 1, 0, 0, 0, 0, 0];
  const limits = { maxNorm: 2, maxExamples: 10 };
  it('within its limits is taken', () => checkUpdate(update(good, 10), layout, limits));

  it.each([
    ['ERR_UPDATE_SHAPE', update(good.slice(1))],
    ['ERR_UPDATE_SHAPE', { delta: Float64Array.from(good) as unknown as Float32Array, examples: 1 }],
    ['ERR_UPDATE_NOT_FINITE', update([...good.slice(0, 8), Number.NaN])],
    ['ERR_UPDATE_NOT_FINITE', update([Number.NEGATIVE_INFINITY, ...good.slice(1)])],
    ['ERR_UPDATE_BOUNDS', update(good.map((v) => 1.01 * v))],
    ['ERR_UPDATE_BOUNDS', update(good, 11)],
    ['ERR_UPDATE_BOUNDS', update(good, 0)],
    ['ERR_UPDATE_BOUNDS', update(good, 1.5)],
  ])('that does not fit is refused: %s', (code, bad) => {
    expect(() => checkUpdate(bad, layout, limits)).toThrow(expect.objectContaining({ code }));
  });

  it('is clipped to a norm, and not stretched', () => {
    const rng = new Random(1);
    const values = Float32Array.from({ length: 1000 }, () => rng.normal());
    const before = normOf(values);
    expect(clip(values, 100)).toBe(before);
    expect(normOf(values)).toBe(before);
    expect(clip(values, 2)).toBe(before);
    expect(normOf(values)).toBeCloseTo(2, 5);
  });
});

describe('rules', () => {
  const weights = Float32Array.of(1, 2, 3, 4, 1, 1, 0, 0, 0);
  const mean = meanOf(
    sumOf([update([1, 0, 0, 0, -2, 0.5, 1, 1, 1], 3), update([0, 4, 0, 0, -2, 0.5, 1, 1, 1], 1)], layout.size),
  );

  it('fedavg and fedprox take the mean, weighed by examples; a variance stays one', () => {
    for (const name of ['fedavg', 'fedprox']) {
      const next = nextWeights(chooseRule(name), weights, mean, layout, new Map());
      expect([...next]).toEqual([1.75, 3, 3, 4, 0, 1.5, 1, 1, 1]);
    }
    expect([chooseRule('fedprox').proximal, chooseRule('fedavg').proximal]).toEqual([0.01, 0]);
  });

  it('fedadam moves trained weights as algorithm 2 says, statistics by their mean', () => {
    const state = new Map();
    const rule = chooseRule('fedadam', { serverRate: 0.1 });
    const first = nextWeights(rule, weights, mean, layout, state);
    const d = mean[0]!;
    expect(first[0]).toBeCloseTo(1 + (0.1 * 0.1 * d) / (Math.sqrt(0.01 * d * d) + 1e-3), 6);
    expect([first[4], first[5]]).toEqual([0, 1.5]);
    const second = nextWeights(rule, first, mean, layout, state);
    const [m, v] = [0.1 * d * 1.9, 0.01 * d * d * 1.99];
    expect(second[0]! - first[0]!).toBeCloseTo((0.1 * m) / (Math.sqrt(v) + 1e-3), 6);
  });

  it('have names', () => {
    expect(() => chooseRule('fedsgd')).toThrow(/fedavg, fedprox, fedadam/);
    expect(() => chooseRule('toString')).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });
});

describe('statistics of several stores', () => {
  it('are those of all frames', () => {
    const whole = memoryStore([30, 50, 20], 4);
    const part = (from: number, to: number) => {
      const [frames, values] = [to - from, whole.read(from, to - from)];
      const over = (of: (x: number, f: number) => number) =>
        Float32Array.from({ length: 4 }, (_, f) => {
          let sum = 0;
          for (let t = 0; t < frames; t++) sum += of(values[4 * t + f]!, f) / frames;
          return sum;
        });
      const mean = over((x) => x);
      const std = over((x, f) => (x - mean[f]!) ** 2).map(Math.sqrt);
      return { frames, mean, std };
    };
    const pooled = pooledStatistics([part(0, 30), part(30, 100)]);
    expect(pooled.frames).toBe(100);
    pooled.mean.forEach((mean, f) => {
      expect(mean).toBeCloseTo(whole.mean[f]!, 4);
      expect(pooled.std[f]).toBeCloseTo(whole.std[f]!, 4);
    });
  });
});

const shape = { frames: 16, bands: 8, channels: [4], embedding: 6 };
const store = memoryStore(Array(8).fill(150), 8);

function curriculum(task = 'temporal-gap', proximal = 0, localSteps = 3) {
  const config = pretrainingConfig({
    task,
    encoder: shape,
    batchSize: 4,
    steps: 2 * localSteps,
    warmUp: 0,
    threads: 1,
    heldOut: 0.3,
  });
  const { mean, std } = store;
  return { system: audio2vec(), config, localSteps, proximal, mean, std };
}

async function prepared(...how: Parameters<typeof curriculum>) {
  const client = await FederatedClient.prepare(store, curriculum(...how), { seed: 1 });
  const { graph } = await curriculum(...how).system.prepare(curriculum(...how).config, { store });
  return { client, weights: flatten(initialParameters(graph, 1), client.layout) };
}

describe("a client's round", () => {
  it.each(['contrastive', 'cbow', 'temporal-gap+cbow:0.5'])('trains on %s', async (task) => {
    const { client, weights } = await prepared(task);
    const { update, loss, heldOut } = await client.train(weights, 0);
    checkUpdate(update, client.layout);
    expect(update.examples).toBe(1200);
    expect(loss).toBeGreaterThan(0);
    expect(heldOut).toEqual(await client.evaluate(weights));
    const statistics = client.layout.arrays.filter((a) => a.statistics);
    expect(statistics.length).toBeGreaterThan(0);
    for (const { offset, size } of client.layout.arrays)
      expect(normOf(update.delta.subarray(offset, offset + size))).toBeGreaterThan(0);
    client.close();
  });

  it('depends on the weights and the round alone', async () => {
    const { client, weights } = await prepared();
    const first = await client.train(weights, 1);
    const other = await client.train(
      first.update.delta.map((d, i) => weights[i]! + d),
      0,
    );
    expect(other.update.delta).not.toEqual(first.update.delta);
    expect(await client.train(weights, 1)).toEqual(first);
  });

  it('is what the engine does with the same batches', async () => {
    // Two rounds of one client whose moments are dropped in between are two short runs.
    const { client, weights } = await prepared();
    const { system, config } = curriculum();
    const training = await system.prepare({ ...config, seed: 1 }, { store });
    const { Network } = await import('../lib/engine/network.js');
    using network = new Network(training.graph, { ...training.network, maxExamples: 4, threads: 1 });
    network.setParameters(unflatten(weights, client.layout));
    const { learningRate } = await import('../lib/systems/learning-rate.js');
    for (let step = 0; step < 3; step++) {
      await network.step(await training.batch(step, 6), {
        learningRate: learningRate(config.schedule, step, 6),
        weightDecay: 0,
      });
    }
    const after = flatten(network.getParameters(), client.layout);
    const { update } = await client.train(weights, 0);
    expect(update.delta).toEqual(after.map((w, i) => w - weights[i]!));
  });

  it('is held back by μ of FedProx', async () => {
    const distance = async (mu: number) => {
      const { client, weights } = await prepared('temporal-gap', mu, 40);
      const { delta } = (await client.train(weights, 0)).update;
      const trained = client.layout.arrays.filter((a) => !a.statistics);
      return normOf(trained.map(({ offset, size }) => normOf(delta.subarray(offset, offset + size))));
    };
    const free = await distance(0);
    expect(Math.abs((await distance(1e-7)) - free)).toBeLessThan(1e-2 * free);
    expect(await distance(100)).toBeLessThan(0.5 * free);
  });

  it('keeps heads to itself if asked', async () => {
    const given = { ...curriculum(), isLocal: isHead };
    const client = await FederatedClient.prepare(store, given, { seed: 1 });
    expect(client.layout.arrays.every(({ name }) => name.startsWith('encoder.'))).toBe(true);
    const before = new Map(client.local);
    expect(before.size).toBeGreaterThan(0);
    await client.train(new Float32Array((client.layout as Layout).size).fill(0.1), 0);
    for (const [name, values] of client.local) expect(values).not.toEqual(before.get(name));
  });
});
