import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { rate, timeCalls } from '../lib/bench/case.js';
import { caseName, chooseCases, type Result, resultsTable, runLines } from '../lib/bench/index.js';
import { describeMachine, OthersMeter } from '../lib/bench/machine.js';
import { explained, explanations, sentences } from '../lib/bench/sentences.js';
import { forwardFlops, noise, trainingFlops } from '../lib/bench/workload.js';
import { Graph } from '../lib/graph/graph.js';
import { defaultEncoder, encoder } from '../lib/models/blocks.js';
import { chooseTasks } from '../lib/systems/audio2vec/tasks/index.js';
import { trainingGraph } from '../lib/systems/audio2vec/training-graph.js';
import { processorName } from '../lib/util/processor-name.js';
import { quantile } from '../lib/util/quantile.js';

describe('operations counted', () => {
  it('of a slice through the encoder are 2 × 9,256,960', () => {
    const graph = new Graph();
    encoder(graph, graph.input('slices', [96, 64, 1]), defaultEncoder);
    expect(forwardFlops(graph.nodes)).toBe(2 * 9_256_960);
  });

  // What the reference model counts for one clip, forward and backward.
  it.each([
    ['cbow', 278_396_928],
    ['skip-gram', 114_720_768],
    ['temporal-gap', 110_395_776],
  ])('of a %s training step', (task, flops) => {
    const { graph } = trainingGraph(defaultEncoder, chooseTasks(task, defaultEncoder.frames));
    expect(trainingFlops(graph.nodes)).toBe(flops);
  });
});

describe('timing', () => {
  it('calls at least five times after warming up, waits for promises, sorts', async () => {
    let calls = 0;
    const times = await timeCalls(() => {
      calls++;
      return new Promise((resolve) => setTimeout(resolve, 6));
    }, 0.001);
    expect(times.length).toBe(5);
    expect(calls).toBeGreaterThan(5);
    expect(times[0]).toBeGreaterThan(0.004);
    expect([...times]).toEqual([...times].sort((a, b) => a - b));
  });

  it('goes on for as long as it was asked to', async () => {
    const times = await timeCalls(() => new Promise((resolve) => setTimeout(resolve, 2)), 0.1);
    expect(times.reduce((a, b) => a + b)).toBeGreaterThan(0.095);
  });

  it('takes rates from the median, best and worst from the ends', () => {
    const times = Float64Array.from([0.1, 0.2, 0.4]);
    expect(quantile(times, 0.5)).toBe(0.2);
    expect(quantile(times, 0.75)).toBeCloseTo(0.3);
    expect(rate('clips_per_s', 8, times)).toMatchObject({ value: 40, best: 80, worst: 20, samples: 3 });
  });
});

describe('machine', () => {
  it('is described', () => {
    const machine = describeMachine();
    expect(machine.cores).toBeGreaterThan(0);
    expect(machine.node).toBe(process.version);
  });

  it('has the name of its board where the processor has none', () => {
    const folder = mkdtempSync(join(tmpdir(), 'audio2vec-board-'));
    try {
      const file = join(folder, 'model');
      writeFileSync(file, 'Raspberry Pi 4 Model B Rev 1.4\0');
      expect(processorName(' AMD EPYC ', file)).toBe('AMD EPYC');
      for (const none of ['unknown', '']) expect(processorName(none, file)).toBe('Raspberry Pi 4 Model B Rev 1.4');
      expect(processorName('unknown', join(folder, 'none'))).toBe(process.arch);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.skipIf(process.platform !== 'linux')('does not count its own work as that of others', async () => {
    const meter = new OthersMeter();
    const before = process.cpuUsage();
    const until = performance.now() + 300;
    while (performance.now() < until);
    const own = process.cpuUsage(before);
    const others = meter.read()!;
    // All cores together did no more than there is; what we did is left out.
    expect(others).toBeLessThanOrEqual(describeMachine().cores - (own.user + own.system) / 1e6 / 0.3 + 0.5);
  });
});

describe('cases', () => {
  it('take no more threads than are wished for', () => {
    const threads = chooseCases({ threads: 1 }).map((bench) => bench.threads ?? 1);
    expect(new Set(threads)).toEqual(new Set([1]));
    expect(threads.length).toBeGreaterThan(10);
  });

  it('have names of their own', () => {
    const names = chooseCases({}).map(caseName);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain('train_cbow b64 t1');
  });

  it('are chosen by part of a name', () => {
    expect(chooseCases({ cases: ['encoder_forward b8 t1'] }).map(caseName)).toEqual(['encoder_forward b8 t1']);
    expect(chooseCases({ quick: true }).every((bench) => bench.quick)).toBe(true);
    expect(() => chooseCases({ cases: ['nothing of that name'] })).toThrow(/cases must be part of a name/);
  });

  it('run as commands whose JSON lines are read and whose failures are told', async () => {
    const line: Result = { peer: 'x', task: 'y', metric: 'z', value: 1 };
    const print = `console.log('# a remark'); console.log(${JSON.stringify(JSON.stringify(line))})`;
    expect(await runLines(process.execPath, ['-e', print])).toEqual([line]);
    await expect(runLines(process.execPath, ['-e', 'console.error("why"); process.exit(3)'])).rejects.toThrow(
      /ended with 3: why/,
    );
    await expect(runLines('/nowhere/no-program', [])).rejects.toThrow(/ENOENT/);
    const abort = AbortSignal.timeout(50);
    await expect(
      runLines(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'], { signal: abort }),
    ).rejects.toThrow();
  });
});

describe('table', () => {
  const line: Result = { peer: 'audio2vec', task: 'train_cbow', metric: 'clips_per_s', value: 1234.56, threads: 1 };
  it('shows speed, share of the peak, and what is not there as a dash', () => {
    const text = resultsTable([{ ...line, gflops: 150.4, peak_share: 0.613, others: 0.02 }], 'text');
    expect(text).toContain('1,235');
    expect(text).toContain('clips/s');
    expect(text).toContain('61 %');
    expect(text).not.toContain('†');
  });

  it('marks figures from a busy machine', () => {
    expect(resultsTable([{ ...line, others: 0.9 }], 'markdown')).toContain('†1,235');
  });
});

describe('sentences', () => {
  const result = (task: string, metric: string, value: number, threads: number): Result => ({
    ...{ peer: 'audio2vec', task, metric, value, threads },
  });
  const all = [
    result('wav_to_embeddings', 'audio_s_per_s', 720, 2),
    result('wav_to_embeddings', 'audio_s_per_s', 400, 1),
    result('streams hop 0.48 s', 'streams_per_core', 3330.7, 1),
    result('streams hop 0.48 s', 'latency_p50_us', 110, 1),
    result('train_default', 'steps_per_s', 9, 1),
    result('train_default', 'steps_per_s', 17.5, 2),
  ];

  it('say what the figures mean to the owner of the machine', () => {
    expect(sentences(all)).toEqual([
      'Embedding recordings: 400 × real time on one core: an hour of WAV files in 9 s, 720 × on 2 (5 s).',
      'Live sound: one core keeps up with 3,330 streams, each embedded every 0.48 s; an embedding takes 0.11 ms.',
      'Training: pretrain with its default recipe takes 31,500 steps in 30 minutes on 2 cores.',
    ]);
    expect(sentences([all[4]!])).toEqual([
      'Training: pretrain with its default recipe takes 16,200 steps in 30 minutes on one core.',
    ]);
    expect(sentences([{ ...all[1]!, others: 1 }]).at(-1)).toMatch(/^Other programs were busy/);
    expect(sentences([result('fma_peak', 'gflops', 1, 1)])).toEqual([]);
  });

  it('are of cases that exist, and every case is explained', () => {
    const names = chooseCases({}).map((bench) => bench.task);
    for (const { task } of all) expect(names).toContain(task);
    expect(new Set(names.map((name) => name.split(' ')[0]))).toEqual(new Set(Object.keys(explanations)));
    expect(explained(all).split('\n')).toHaveLength(3);
  });
});

it('noise is within ±1 and the same every time', () => {
  const a = noise(1000);
  expect(a).toEqual(noise(1000));
  expect(Math.max(...a.map(Math.abs))).toBeLessThanOrEqual(1);
  expect(Math.abs(a.reduce((s, v) => s + v) / 1000)).toBeLessThan(0.1);
});
