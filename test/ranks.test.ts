// Training shared by several ranks, which are calls in this process here; test/mpirun.test.ts has real ones.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Batch, Network } from '../lib/engine/network.js';
import { Graph } from '../lib/graph/graph.js';
import { initialParameters } from '../lib/graph/initial-parameters.js';
import { AveragingNetwork, Common } from '../lib/parallel/averaging-network.js';
import { checkSame, FailedElsewhere, inTurn, onFirst, type Ranks } from '../lib/parallel/ranks.js';
import { sharedTraining, shareOf } from '../lib/parallel/share.js';
import type { Training } from '../lib/systems/system.js';
import { loadCheckpoint } from '../lib/train/checkpoint.js';
import type { Step } from '../lib/train/loop.js';
import { pretrain, resumePretraining } from '../lib/train/pretrain.js';
import { readRunLog } from '../lib/train/run-log.js';
import { Random } from '../lib/util/random.js';
import { localRanks } from './helpers/local-ranks.js';
import { memoryStore } from './helpers/memory-store.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-ranks-'));
});
afterAll(() => rm(folder, { recursive: true }));

const bands = 6;

/** Rebuilds its input, with or without a batch norm on the way. */
function graphOf(norm: boolean): Graph {
  const graph = new Graph();
  const x = graph.input('x', [4, bands, 1]);
  const map = graph.conv('conv', x, [3, 3], 3, true);
  const on = norm ? graph.batchNorm('norm', map, true) : map;
  const rebuilt = graph.dense('rebuilt', graph.reshape('flat', on, [on.shape.reduce((a, b) => a * b)], 1), 4 * bands);
  graph.loss('error', 'mse', [graph.reshape('again', rebuilt, [4, bands, 1], 1), x]);
  return graph;
}

function batchOf(examples: number, seed: number): Batch & { inputs: { x: { values: Float32Array } } } {
  const random = new Random(seed);
  return {
    examples,
    inputs: { x: { values: Float32Array.from({ length: examples * 4 * bands }, () => random.normal()) } },
  };
}

const part = (batch: ReturnType<typeof batchOf>, from: number, to: number): Batch => ({
  examples: to - from,
  inputs: { x: { values: batch.inputs.x.values.slice(from * 4 * bands, to * 4 * bands) } },
});

const optimiser = { learningRate: 0.01 };

it('does without batch norm what one process does with the whole batch, also where it is not shared evenly', async () => {
  const graph = graphOf(false);
  const whole = new Network(graph, { maxExamples: 5, isa: 'float64' });
  const start = initialParameters(graph, 1);
  whole.setParameters(start);
  const ranks = localRanks(2);
  const own = ranks.map(() => new Network(graph, { maxExamples: 3, isa: 'float64' }));
  for (const network of own) network.setParameters(start);
  const networks = own.map((network, i) => {
    const examples = shareOf(5, ranks[i]!);
    return new AveragingNetwork(network, new Common({ ranks: ranks[i]!, examples, total: 5 }));
  });
  for (let step = 0; step < 4; step++) {
    const batch = batchOf(5, step);
    const expected = await whole.step(batch, optimiser);
    const shares = [part(batch, 0, 3), part(batch, 3, 5)];
    const losses = await Promise.all(networks.map((network, i) => network.step(shares[i]!, optimiser)));
    for (const { loss } of losses) expect(loss).toBeCloseTo(expected.loss, 12);
  }
  const wanted = whole.getParameters();
  for (const network of own) {
    for (const [name, values] of network.getParameters()) {
      values.forEach((value, i) => {
        expect(value).toBeCloseTo(wanted.get(name)![i]!, 10);
      });
    }
  }
});

it('averages running statistics, and leaves all ranks alike to the bit', async () => {
  const graph = graphOf(true);
  const ranks = localRanks(3);
  const own = ranks.map(() => new Network(graph, { maxExamples: 4 }));
  const before = initialParameters(graph, 1);
  for (const network of own) network.setParameters(before);
  const alone = new Network(graph, { maxExamples: 4 });
  const means: number[] = [];
  const moved = await Promise.all(
    own.map(async (network, i) => {
      const batch = batchOf(4, i);
      const together = new AveragingNetwork(network, new Common({ ranks: ranks[i]!, examples: 4, total: 12 }));
      await together.step(batch, optimiser);
      return network.getParameters();
    }),
  );
  for (let i = 0; i < 3; i++) {
    alone.setParameters(before);
    await alone.step(batchOf(4, i), optimiser);
    means.push(alone.getStatistics()[0]!);
  }
  expect(moved[1]).toEqual(moved[0]);
  expect(moved[2]).toEqual(moved[0]);
  expect(own[0]!.getStatistics()[0]).toBeCloseTo(means.reduce((a, b) => a + b) / 3, 6);
});

it('draws batches that nobody else draws', () => {
  const training = { batch: (step: number, steps?: number) => [step, steps] } as unknown as Training;
  const drawn = [0, 1, 2].map((rank) => sharedTraining(training, { rank, size: 3 }).batch(7, 10));
  expect(drawn).toEqual([
    [21, 30],
    [22, 30],
    [23, 30],
  ]);
  expect([0, 1, 2].map((rank) => shareOf(64, { rank, size: 3 }))).toEqual([22, 21, 21]);
  expect(() => shareOf(2, { rank: 0, size: 3 })).toThrow(/batchSize must be at least 3/);
});

it('has rank 0 work for all, and its error told once', async () => {
  const all = <T>(work: (ranks: Ranks) => Promise<T>) => Promise.allSettled(localRanks(3).map(work));
  const values = await all((ranks) => onFirst(ranks, async () => ({ by: ranks.rank })));
  expect(values.map((v) => v.status === 'fulfilled' && v.value)).toEqual([{ by: 0 }, { by: 0 }, { by: 0 }]);
  const broken = new TypeError('broken');
  const failed = await all((ranks) => onFirst(ranks, () => Promise.reject(broken)));
  const reasons = failed.map((f) => f.status === 'rejected' && f.reason);
  expect(reasons[0]).toBe(broken);
  expect(reasons[1]).toBeInstanceOf(FailedElsewhere);
  const order: number[] = [];
  await all((ranks) =>
    inTurn({ ...ranks, localRank: ranks.rank === 2 ? 0 : ranks.rank }, async () => order.push(ranks.rank)),
  );
  expect(order).toEqual([0, 2, 1]);
  const unlike = await all((ranks) => checkSame(ranks, { steps: ranks.rank === 1 ? 5 : 4 }, {}));
  expect(unlike.map((u) => u.status === 'rejected' && [u.reason.code, u.reason.message])).toEqual([
    ['ERR_RANKS', 'Another rank failed.'],
    ['ERR_RANKS', 'Rank 1 has steps 5, rank 0 4. All must be given the same.'],
    ['ERR_RANKS', 'Another rank failed.'],
  ]);
});

const corpus = memoryStore([60, 60, 60, 60, 60, 60]);
const options = { steps: 6, batchSize: 8, threads: 1, encoder: { frames: 16, channels: [4], embedding: 6 } };

async function steps(run: AsyncIterable<Step>): Promise<Step[]> {
  const found: Step[] = [];
  for await (const step of run) found.push(step);
  return found;
}

const trained = (out: string, size: number, more = {}) =>
  Promise.all(localRanks(size).map((ranks) => steps(pretrain({ ...options, corpus, out, ranks, ...more }))));

const bytesOf = (out: string, file: string) => readFile(join(out, file));

it('trains, stops on all ranks after the same step and goes on with the same bits', async () => {
  const [once, cut] = [join(folder, 'once'), join(folder, 'cut')];
  const [first, second] = await trained(once, 2);
  expect(second).toHaveLength(6);
  expect(first!.map(({ loss }) => loss)).toEqual(second!.map(({ loss }) => loss));
  expect((await readRunLog(once)).ranks).toBe(2);

  const stop = new AbortController();
  const ends = await Promise.allSettled(
    localRanks(2).map(async (ranks) => {
      const run = pretrain({ ...options, corpus, out: cut, ranks, signal: ranks.rank === 1 ? stop.signal : undefined });
      for await (const { step } of run) if (step === 3 && ranks.rank === 1) stop.abort();
    }),
  );
  expect(ends.map((end) => end.status === 'rejected' && end.reason.name)).toEqual(['AbortError', 'AbortError']);
  const at = (await loadCheckpoint(join(cut, 'checkpoint.safetensors'))).step;
  expect(at).toBeLessThan(6);
  const [rest] = await Promise.all(localRanks(2).map((ranks) => steps(resumePretraining({ corpus, out: cut, ranks }))));
  expect(rest![0]!.step).toBe(at + 1);
  expect(rest![0]!.warnings).toBeUndefined();
  for (const file of ['encoder.safetensors', 'checkpoint.safetensors']) {
    expect((await bytesOf(cut, file)).equals(await bytesOf(once, file))).toBe(true);
  }
  expect(await readdir(cut)).not.toContain('run.lock');
});

it('goes on with another number of ranks, and says so', async () => {
  const out = join(folder, 'once');
  const [one] = await steps(resumePretraining({ corpus, out, steps: 7 }));
  expect(one!.warnings).toMatchObject([{ code: 'RANKS_CHANGED', message: expect.stringMatching('1 × 8 .* 2 × 4') }]);
  expect((await readRunLog(out)).ranks).toBeUndefined();
  const [three] = await Promise.all(
    localRanks(3).map((ranks) => steps(resumePretraining({ corpus, out, steps: 9, ranks }))),
  );
  expect(three!.map(({ step, warnings }) => [step, warnings?.[0]?.code])).toEqual([
    [8, 'RANKS_CHANGED'],
    [9, undefined],
  ]);
});

it('decides by the clock of rank 0 how long to train', async () => {
  const runs = await trained(join(folder, 'minutes'), 2, { steps: undefined, minutes: 0.005 });
  expect(runs[0]!.length).toBeGreaterThan(1);
  expect(runs[1]!.length).toBe(runs[0]!.length);
});

it('refuses ranks that were given different things', async () => {
  const ends = await Promise.allSettled(
    localRanks(2).map((ranks) =>
      steps(pretrain({ ...options, corpus, out: join(folder, 'unlike'), ranks, seed: ranks.rank + 1 })),
    ),
  );
  expect(ends.map((end) => end.status === 'rejected' && end.reason.code)).toEqual(['ERR_RANKS', 'ERR_RANKS']);
});
