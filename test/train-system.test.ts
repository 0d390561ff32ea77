// A system of one's own: everything around it (run folder, resume, rounds, warnings, results, report) comes from the
// package.
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeWav } from '../lib/audio/write-wav.js';
import type { Batch } from '../lib/engine/network.js';
import { Graph } from '../lib/graph/graph.js';
import { renderReport } from '../lib/report/report.js';
import { runReport } from '../lib/report/run-report.js';
import { type RunConfig, type RunOptions, runConfig } from '../lib/systems/run-config.js';
import type { System } from '../lib/systems/system.js';
import { loadCheckpoint } from '../lib/train/checkpoint.js';
import { readRunLog } from '../lib/train/run-log.js';
import { resumeTraining, train } from '../lib/train/train.js';
import { Random } from '../lib/util/random.js';
import { readSafetensors, writeSafetensors } from '../lib/util/safetensors.js';
import { memoryStore } from './helpers/memory-store.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-system-'));
});
afterAll(() => rm(folder, { recursive: true }));

interface Config extends RunConfig {
  width: number;
}

/** Rebuilds frames through a narrow layer; every round makes new noise from what the network is then. */
const squeeze: System<RunOptions & { width?: number }, Config> = {
  name: 'squeeze',
  summary: 'a narrow network that rebuilds frames',
  options: { width: { kind: 'integer', summary: 'width of the narrow layer (default: 3)' } },
  configure: (o) => ({ ...runConfig(o, { batchSize: 8, steps: 12 }), width: o.width ?? 3 }),
  features: () => ({ frontEnd: {} }),
  prepare({ batchSize, seed, width }, { store }) {
    const { bands, mean, std } = store;
    const graph = new Graph();
    const x = graph.input('x', [1, bands, 1]);
    const noise = graph.input('noise', [1, bands, 1]);
    const flat = graph.reshape('flat', graph.add('noisy', x, noise), [bands], 1);
    const rebuilt = graph.dense('rebuilt', graph.dense('narrow', flat, width), bands);
    graph.loss('error', 'mse', [graph.reshape('map', rebuilt, [1, bands, 1], 1), x]);
    let pool = new Float32Array(bands);
    const rounds: number[] = [];
    const batch = (step: number, _?: number): Batch => {
      const rng = new Random(seed).fork(step);
      const frames = Float64Array.from({ length: batchSize }, () => rng.int(store.frames));
      const values = Float32Array.from({ length: batchSize * bands }, (_, i) => pool[i % bands]! * rng.normal());
      return { examples: batchSize, inputs: { x: { frames }, noise: { values } } };
    };
    return {
      graph,
      network: { store, mean, std },
      batch,
      heldOut: [],
      measure: async (network) => ({
        size: Math.hypot(...network.getState().params.get('narrow.bias')!),
        ...{ found: 0.25, chance: 0.1 },
      }),
      captions: {
        losses: { error: 'what is wrong with what was rebuilt' },
        measures: {
          found: { title: 'Frames found', axis: '% of frames', share: true, beside: { chance: 'by guessing' } },
        },
      },
      warnings: ({ size }, step) => (step > 5 ? [{ code: 'TOO_LATE', message: `size ${size}` }] : []),
      rounds: {
        steps: 5,
        begin: async (network, round) => {
          rounds.push(round);
          const weights = network.getState().params.get('narrow.weight')!;
          pool = pool.map((p, i) => 0.5 * p + Math.abs(weights[i]!));
        },
      },
      getState: () => new Map([['pool', pool.slice()]]),
      setState: (state) => {
        pool = Float32Array.from(state.get('pool')!);
      },
      finish: async (network, { out, provenance }) => {
        const data = Float32Array.from(network.getState().params.get('narrow.weight')!);
        const shape = [width, bands];
        const tensors = new Map([
          ['weight', { shape, data }],
          ['twice', { shape, data: data.map((v) => 2 * v) }],
        ]);
        await writeSafetensors(join(out, 'squeeze.safetensors'), tensors, { provenance: JSON.stringify(provenance) });
        return {
          model: 'squeeze.safetensors',
          results: {
            headline: `It has <${width}> numbers in the middle.`,
            tables: [
              { title: 'widths', columns: [{ title: 'layer' }, { title: 'width' }], rows: [['narrow', `${width}`]] },
            ],
            charts: [
              {
                title: 'nothing',
                x: 'x',
                y: 'y',
                series: [
                  {
                    name: 'zero',
                    points: [
                      [0, 0],
                      [1, 0],
                    ],
                  },
                ],
              },
            ],
            pictures: [
              { title: 'weights', file: 'squeeze.safetensors', array: 'weight' },
              { title: 'twice', file: 'squeeze.safetensors', array: 'twice', like: 'weight' },
            ],
          },
        };
      },
    };
  },
};

const corpus = memoryStore(Array(6).fill(40), 8);
const start = (out: string, options = {}) =>
  train({ system: squeeze, corpus, out: join(folder, out), checkpointSeconds: 0, options: { threads: 1, ...options } });

test('interrupted in the middle of a round and continued, a run has the bits of an undisturbed one', async () => {
  const whole = [];
  for await (const step of start('whole')) whole.push(step);
  expect(whole.length).toBe(12);
  expect(whole.flatMap((s) => s.warnings ?? []).map((w) => w.code)).toEqual(['TOO_LATE']);
  for (const stopAt of [1, 4, 5, 7, 10, 11]) {
    const out = `stopped-${stopAt}`;
    for await (const { step } of start(out)) if (step === stopAt) break;
    const again = { system: squeeze, corpus, out: join(folder, out), checkpointSeconds: 0 };
    for await (const _ of resumeTraining(again)) void _;
    for (const file of ['squeeze.safetensors', 'checkpoint.safetensors']) {
      const [a, b] = await Promise.all(['whole', out].map((o) => readFile(join(folder, o, file))));
      expect(a!.equals(b!), `${file} after a stop at ${stopAt}`).toBe(true);
    }
  }
});

test('warnings are asked for with the steps that are planned, also where nothing is measured', async () => {
  const asked: [measured: object, step: number, steps?: number][] = [];
  const system: System = {
    ...squeeze,
    prepare: async (config, given) => ({
      ...(await squeeze.prepare(config as never, given)),
      measure: undefined,
      warnings: (...of) => {
        asked.push(of);
        return [];
      },
    }),
  };
  const run = async (out: string, options: object) => {
    asked.length = 0;
    const around = { corpus, out: join(folder, out), checkpointSeconds: 0 };
    let last = 0;
    for await (const { step } of train({ system, ...around, options: { threads: 1, ...options } })) last = step;
    return last;
  };
  await run('asked', { steps: 12, evaluateEvery: 4 });
  expect(asked).toEqual([4, 8, 12].map((step) => [{}, step, 12]));
  const last = await run('asked-in-time', { minutes: 0.002, evaluateEvery: 10 });
  expect(asked[0]).toEqual([{}, 10, undefined]);
  expect(asked.at(-1)).toEqual([{}, last, last]);
});

test('its state, results and measurements are in the run folder, and its report shows them', async () => {
  const out = join(folder, 'whole');
  expect((await loadCheckpoint(join(out, 'checkpoint.safetensors'))).extra!.get('pool')!.length).toBe(8);
  const log = await readRunLog(out);
  expect([log.system, log.status, log.model]).toEqual(['squeeze', 'finished', 'squeeze.safetensors']);
  expect(log.heldOut.at(-1)!.measured!.size).toBeGreaterThan(0);
  const { metadata } = await readSafetensors(join(out, 'squeeze.safetensors'));
  expect(JSON.parse(metadata.provenance!)).toMatchObject({ system: 'squeeze', width: 3, steps: 12 });
  const report = await runReport(out);
  const [size, found, ...others] = report.results!.charts!;
  expect(size).toMatchObject({ title: 'size, along the run', y: 'size', series: [{ name: 'size' }] });
  expect(found).toMatchObject({
    ...{ title: 'Frames found, along the run', x: 'training step', y: '% of frames' },
    series: [{ name: 'measured' }, { name: 'by guessing', reference: true }],
  });
  expect(found!.series.map((s) => s.points.at(-1))).toEqual([
    [12, 25],
    [12, 10],
  ]);
  expect(others.map((c) => c.title)).toEqual(['nothing']);
  expect(report.losses!.map((c) => c.title)).toEqual(['what is wrong with what was rebuilt']);
  const [weights, twice] = report.pictures!;
  expect(twice!.values).toEqual(weights!.values.map((v) => 2 * v));
  expect(twice!.range).toEqual(weights!.range);
  const page = renderReport(report);
  expect(page).toContain('It has &#60;3&#62; numbers in the middle.');
  for (const part of ['<figcaption>widths', 'size, along the run', 'class="picture"']) expect(page).toContain(part);
});

test('what is wrong is told by name', async () => {
  const out = join(folder, 'wrong');
  const run = (options: object) => train({ corpus, out, ...options } as Parameters<typeof train>[0]).next();
  await expect(run({ system: 'nothing' })).rejects.toThrow(/system must be one of/);
  await expect(run({ system: squeeze, options: { steps: 0 } })).rejects.toThrow(/steps must be an integer/);
  await expect(run({ system: squeeze, out: join(folder, 'whole') })).rejects.toThrow(/a folder without a run in it/);
  const change = (other: object): System => ({
    ...squeeze,
    prepare: async (config, given) => ({ ...(await squeeze.prepare(config as never, given)), ...other }),
  });
  const whole = async (other: object, name: string) => {
    const options = { threads: 1, steps: 1 };
    for await (const _ of train({ system: change(other), corpus, out: join(folder, name), options })) void _;
  };
  await expect(whole({ measures: 1 }, 'misspelt')).rejects.toThrow(
    /squeeze gives must be an object of .*measure.*measures/,
  );
  const finish = async () => ({ model: 'nothing.safetensors', results: { headline: '' } });
  await expect(whole({ finish }, 'unwritten')).rejects.toThrow(/a file that it wrote into .*nothing\.safetensors/);
  const resume = resumeTraining({ corpus, out: join(folder, 'whole') }).next();
  await expect(resume).rejects.toThrow(/system must be/);
  for (const system of ['pitch', { ...squeeze, name: 'mine' }]) {
    const other = resumeTraining({ system, corpus, out: join(folder, 'whole'), steps: 20 }).next();
    await expect(other).rejects.toThrow(/system must be squeeze, as that of the run in .*, got "(pitch|mine)"/);
  }
  for (const checkpointSeconds of [Number.NaN, 'x', -1] as number[]) {
    await expect(run({ system: squeeze, checkpointSeconds })).rejects.toThrow(
      /checkpointSeconds must be a number from 0/,
    );
  }
  await expect(run({ system: { ...squeeze, configure: () => undefined } })).rejects.toThrow(
    /configure of the system squeeze/,
  );
  const gives = (name: string, value: unknown) => whole({ [name]: async () => value }, `${name}-${String(value)}`);
  await expect(gives('finish', undefined)).rejects.toThrow(/what finish of the system squeeze gives must be an object/);
  await expect(gives('step', undefined)).rejects.toThrow(/loss of what step of the training gives must be a number/);
  await expect(gives('step', { loss: 1 })).rejects.toThrow(/parts of what step/);
  const results = { headline: 'all' };
  for (const [wrong, name] of [
    [
      { results, details: { heldOut: 'mine' } },
      /details of what finish .* fields that the log of a run has not, got "heldOut"/,
    ],
    [{ results: {} }, /results of what finish .*headline/],
    [{ results: { ...results, tables: [{ a: 1 }] } }, /results of what finish .*tables\[0\]/],
  ] as const) {
    const finish = async (_: unknown, { out }: { out: string }) => {
      await writeSafetensors(join(out, 'm.safetensors'), new Map(), {});
      return { model: 'm.safetensors', ...wrong };
    };
    await expect(whole({ finish }, String(name))).rejects.toThrow(name);
  }
  await expect(gives('measure', { acc: '0.5' })).rejects.toThrow(
    /acc of what measure of the training gives must be a number/,
  );
  await expect(whole({ captions: { losses: 'x' } }, 'captions')).rejects.toThrow(
    /captions of what prepare .* gives must be right .*losses/,
  );
  await expect(whole({ setState: undefined }, 'half')).rejects.toThrow(/getState and setState .* both or neither/);
  await expect(whole({ getState: () => 5 }, 'stateless')).rejects.toThrow(
    /what getState of the training gives must be a Map/,
  );
});

test('stopped before its first step there is nothing to continue, and it can be begun anew', async () => {
  const recordings = join(folder, 'recordings');
  await mkdir(recordings);
  const rng = new Random(1);
  const noise = Float32Array.from({ length: 16_000 }, () => 0.1 * rng.normal());
  for (const name of ['a.wav', 'b.wav']) await writeWav(join(recordings, name), noise, 16_000);
  const stop = new AbortController();
  const around = { corpus: recordings, out: join(folder, 'early') };
  const begin = (more: object) => train({ system: squeeze, options: { threads: 1, steps: 3 }, ...around, ...more });
  const stopped = begin({ signal: stop.signal, onFile: () => stop.abort(new Error('enough')) }).next();
  await expect(stopped).rejects.toThrow('enough');
  await expect(resumeTraining({ system: squeeze, ...around }).next()).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: expect.stringContaining(`no run to continue in ${around.out}`),
  });
  const steps = [];
  for await (const { step } of begin({})) steps.push(step);
  expect(steps).toEqual([1, 2, 3]);
});
