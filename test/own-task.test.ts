// Pretext tasks of the user's own, from an object or a module to an encoder.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadEncoderModel } from '../lib/models/encoder-model.js';
import { lossAndGradients } from '../lib/systems/audio2vec/gradients.js';
import { chooseTasks, formatTasks, loadTasks, parseTasks } from '../lib/systems/audio2vec/tasks/index.js';
import type { Task } from '../lib/systems/audio2vec/tasks/task.js';
import { trainingGraph } from '../lib/systems/audio2vec/training-graph.js';
import { initialWeights } from '../lib/train/index.js';
import type { Step } from '../lib/train/loop.js';
import { type PretrainOptions, pretrain, resumePretraining } from '../lib/train/pretrain.js';
import { readRunLog } from '../lib/train/run-log.js';
import type { Random } from '../lib/util/random.js';
import { memoryStore } from './helpers/memory-store.js';

const module = join(import.meta.dirname, '..', 'examples', 'own-task.mjs');
const sliceOrder: Task = (await import(module)).default;
const encoder = { frames: 16, bands: 8, channels: [3, 4], embedding: 6 };
const corpus = memoryStore(
  Array.from({ length: 20 }, (_, i) => 60 + 7 * i),
  8,
);

let folder: string;
let runs = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-own-task-'));
});
afterAll(() => rm(folder, { recursive: true }));

function options(more: Partial<PretrainOptions>): PretrainOptions {
  const out = join(folder, `run-${runs++}`);
  return { corpus, out, encoder, batchSize: 8, steps: 12, warmUp: 2, heldOut: 0.3, threads: 1, ...more };
}

async function collect(steps: AsyncIterable<Step>): Promise<Step[]> {
  const all: Step[] = [];
  for await (const step of steps) all.push(step);
  return all;
}

/** Takes `steps` steps and leaves. */
async function begin(o: PretrainOptions, steps: number): Promise<void> {
  for await (const { step } of pretrain(o)) if (step === steps) break;
}

const argument = (message: string | RegExp) =>
  expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringMatching(message) });

describe('pretraining', () => {
  test('with an object: trains, is measured, and resumes with the same bits when the task is given again', async () => {
    const whole = options({ task: sliceOrder });
    const steps = await collect(pretrain(whole));
    expect(steps).toHaveLength(12);
    for (const { loss } of steps) expect(loss).toBeGreaterThan(0);
    const { config, tasks } = await readRunLog(whole.out);
    expect(config.task).toBe('slice-order(gap=4,hidden=64)');
    expect(config.taskModules).toBeUndefined();
    expect(tasks).toEqual([expect.objectContaining({ task: 'slice-order', constant: Math.LN2 })]);
    const { provenance } = await loadEncoderModel(join(whole.out, 'encoder.safetensors'));
    expect(provenance.task).toBe('slice-order(gap=4,hidden=64)');

    const parts = options({ task: sliceOrder });
    await begin(parts, 5);
    const { corpus: same, out } = parts;
    await expect(collect(resumePretraining({ corpus: same, out }))).rejects.toThrow(
      argument(/task "slice-order".*resumePretraining\(\{ task/),
    );
    await expect(collect(resumePretraining({ corpus: same, out, task: 'cbow' }))).rejects.toThrow(/slice-order/);
    expect(await collect(resumePretraining({ corpus: same, out, task: sliceOrder }))).toHaveLength(7);
    const encoders = [whole, parts].map(({ out }) => readFile(join(out, 'encoder.safetensors')));
    const [a, b] = await Promise.all(encoders);
    expect(a!.equals(b!)).toBe(true);
  });

  test('with a module, together with a task of the package', async () => {
    const path = relative(process.cwd(), module);
    const o = options({ task: `contrastive+./${path}(hidden=8):0.5` });
    await begin(o, 3);
    const { config, losses } = await readRunLog(o.out);
    expect(config.task).toBe('contrastive+slice-order(gap=4,hidden=8):0.5');
    expect(config.taskModules).toEqual({ 'slice-order': module });
    expect(Object.keys(losses)).toEqual(expect.arrayContaining(['contrastive', 'slice-order']));
    const { out } = o;
    await expect(collect(resumePretraining({ corpus, out }))).rejects.toThrow(argument(`--task '${module}'`));
    // Weights and options are those that the run began with; others are refused.
    const go = (task: PretrainOptions['task']) => expect(collect(resumePretraining({ corpus, out, task }))).rejects;
    const kept = 'keeps the tasks that it began with \\(contrastive\\+slice-order\\(gap=4,hidden=8\\):0\\.5\\)';
    for (const [task, what] of [
      [`contrastive:9+${module}`, 'the weight 9 of contrastive'],
      [`${module}:2`, 'the weight 2 of slice-order'],
      [`${module}(gap=5)`, 'gap = 5 of slice-order'],
      [`${module}+cbow`, 'the task "cbow"'],
    ] as const) {
      await go(task).toThrow(argument(new RegExp(`${kept}, but is given ${what}: leave that out`)));
    }
    await go([{ task: sliceOrder, options: { hidden: -1 } }]).toThrow(argument('hidden = -1 of slice-order'));
    expect(await collect(resumePretraining({ corpus, out, task: module }))).toHaveLength(9);
    const { provenance } = await loadEncoderModel(join(out, 'encoder.safetensors'));
    expect(JSON.stringify(provenance)).not.toContain('own-task.mjs');
  });

  test('a task that draws too few slices or targets is told so', async () => {
    const draws = (example: object): Task => ({ ...sliceOrder, sample: () => example as ReturnType<Task['sample']> });
    for (const [example, what] of [
      [{ slices: [0], target: [1] }, 'slices that sample\\(\\) of the task slice-order draws must be 2, got 1'],
      [{ slices: [0, 1] }, 'targets that sample\\(\\) of the task slice-order draws must be 1, got 0'],
      [{ slices: [0, 1], target: [1, 0] }, 'targets .* got 2'],
      [undefined, 'slices .* got undefined'],
    ] as const) {
      await expect(collect(pretrain(options({ task: draws(example as object) })))).rejects.toThrow(argument(what));
    }
    // What lies in the next clip might be held out.
    for (const beyond of [1e9, -1, 0.5, Number.NaN]) {
      const task: Task = {
        ...sliceOrder,
        sample: (_, { start }) => ({ slices: [start, start + beyond], target: [1] }),
      };
      const where =
        /slices that sample\(\) of the task slice-order draws must be first frames of slices within the clip, from/;
      await expect(collect(pretrain(options({ task })))).rejects.toThrow(argument(where));
    }
    const next: Task = {
      ...sliceOrder,
      sample: (_, { start, frames }) => ({ slices: [start, start + frames - 15], target: [1] }),
    };
    await expect(collect(pretrain(options({ task: next })))).rejects.toThrow(argument('within the clip'));
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, '1', undefined]) {
      const task: Task = {
        ...sliceOrder,
        sample: (_, { start: s }) => ({ slices: [s, s + 16], target: [value as number] }),
      };
      const which = /target\[0\] that sample\(\) of the task slice-order draws must be a finite number/;
      await expect(collect(pretrain(options({ task })))).rejects.toThrow(argument(which));
    }
  });

  test('a task that fails on the way leaves a checkpoint from before, and the run goes on with a mended one', async () => {
    let examples = 0;
    const failing: Task = {
      ...sliceOrder,
      sample(...args) {
        if (examples++ === 5 * 8 + 3) throw new Error('out of luck');
        return sliceOrder.sample(...args);
      },
    };
    const o = options({ task: failing, heldOut: 0 });
    await expect(collect(pretrain(o))).rejects.toThrow('out of luck');
    expect((await readRunLog(o.out)).step).toBe(5);
    const rest = await collect(resumePretraining({ corpus, out: o.out, task: sliceOrder }));
    const undisturbed = await collect(pretrain(options({ task: sliceOrder, heldOut: 0 })));
    expect(rest.map((s) => s.loss)).toEqual(undisturbed.slice(5).map((s) => s.loss));
  });

  test('of several tasks that are not there all are asked for', async () => {
    const two = ['one', 'two'].map((name) => join(folder, `${name}.mjs`));
    const source = await readFile(module, 'utf8');
    for (const [i, file] of two.entries()) await writeFile(file, source.replace("'slice-order'", `'order-${i}'`));
    const { out, ...o } = options({ task: two.join('+'), steps: 1 });
    await collect(pretrain({ ...o, out }));
    const go = (task?: string) => collect(resumePretraining({ corpus, out, task, steps: 2 }));
    for (const given of [undefined, ...two])
      await expect(go(given)).rejects.toThrow(argument(`--task '${two.join('\\+')}'`));
    expect(await go(two.join('+'))).toHaveLength(1);
  });

  test('values that are not one probability get no references that suit only one', async () => {
    const twoValues: Task = {
      ...sliceOrder,
      head(g, z, { prefix, loss, weight }) {
        const answer = g.dense(`${prefix}answer`, g.reshape(`${prefix}both`, z, [12], 1), 2);
        g.loss(loss, 'mse', [answer, g.input(`${prefix}target`, [2])], weight);
        return answer;
      },
      sample: (...args) => ({ ...sliceOrder.sample(...args), target: [0.5, 1] }),
    };
    const o = options({ task: twoValues, steps: 2 });
    await collect(pretrain(o));
    const [report] = (await readRunLog(o.out)).tasks!;
    expect(report!.loss).toBeGreaterThan(0);
    expect(report).not.toHaveProperty('constant');
    expect(report).not.toHaveProperty('spearman');
  });
});

test('run-time scalars of a head are set for each step, by name, in the joint graph too', async () => {
  const steps: number[] = [];
  const task: Task = {
    ...sliceOrder,
    head(g, z, { prefix, loss }) {
      const seen = g.dropout(`${prefix}seen`, z, 0.5, g.scalar(`${prefix}seed`, 1));
      const logit = g.dense(`${prefix}logit`, g.reshape(`${prefix}both`, seen, [12], 1), 1);
      g.loss(loss, 'bce', [logit, g.input(`${prefix}target`, [1])], g.scalar(`${prefix}factor`, 1));
      return logit;
    },
  };
  const seeds = (rng: Random) => ({ seed: rng.int(1e6) });
  const lossesOf = async (scalars: Task['scalars'], more: object = {}) =>
    (await collect(pretrain(options({ task: { ...task, scalars }, steps: 4, ...more })))).map(({ loss }) => loss);
  const [kept, drawn, again] = [await lossesOf(undefined), await lossesOf(seeds), await lossesOf(seeds)];
  expect(again).toEqual(drawn);
  expect(drawn[0]).not.toBe(kept[0]);

  const doubled = (_: Random, step: number) => {
    steps.push(step);
    return { factor: 2 };
  };
  expect((await lossesOf(doubled))[0]).toBeCloseTo(2 * kept[0]!, 5);
  expect(steps).toEqual(expect.arrayContaining([0, 1, 2, 3]));
  const joint = { task: [{ task: 'contrastive' }, { task: { ...task, scalars: seeds } }] };
  expect(await lossesOf(seeds, joint)).toEqual(await lossesOf(seeds, joint));
  await expect(lossesOf(() => ({ sed: 1 }))).rejects.toThrow(
    argument('batch.scalars must be of seed, factor, got "sed"'),
  );
});

test('run-time scalars that a task does not set keep their defaults', async () => {
  const losses = [];
  for (const factor of [1, 3]) {
    const task: Task = {
      ...sliceOrder,
      head(g, z, { prefix, loss }) {
        const logit = g.dense(`${prefix}logit`, g.reshape(`${prefix}both`, z, [12], 1), 1);
        g.loss(loss, 'bce', [logit, g.input(`${prefix}target`, [1])], g.scalar('factor', factor));
        return logit;
      },
    };
    losses.push((await collect(pretrain(options({ task, steps: 1 }))))[0]!.loss);
  }
  expect(losses[1]).toBeCloseTo(3 * losses[0]!, 5);
});

describe('what is given as a task', () => {
  test.each([
    [{}, /lacks name .*summary .*defaults \(a function\), check .*slices .*span .*head .*sample .*target/],
    [{ ...sliceOrder, head: undefined, sample: 3 }, /"slice-order" lacks head \(a function\) and has a wrong sample/],
    [{ ...sliceOrder, Scalars: () => ({}) }, /member of The task must be one of name, .*scalars, .*got "Scalars"/],
    [{ ...sliceOrder, target: 'value' }, /wrong target \("slices", "values" or "none"\)/],
    [{ ...sliceOrder, name: 'Slice order' }, /wrong name/],
    [{ ...sliceOrder, name: 'loss' }, /none of loss/],
    [{ ...sliceOrder, name: 'cbow' }, /this package has a task "cbow"/],
    [{ ...sliceOrder, slices: () => 0 }, /slices\(\) of the task slice-order must be an integer from 1/],
    [{ ...sliceOrder, span: () => 3 }, /span\(\) of the task slice-order/],
    [{ ...sliceOrder, defaults: () => ({ gap: 'wide' }) }, /option gap of slice-order must be a finite number/],
    [[sliceOrder, sliceOrder], /without repetitions/],
    [[{ task: { name: 'mine' } }], /lacks summary/],
    [[{ task: sliceOrder, options: { gap: 0.5 } }], /Wrong options of slice-order: gap must be a whole number/],
    [3, /must be a Task object/],
    [undefined, /must be a Task object/],
    [[{ task: sliceOrder, options: { size: 3 } }], /option of slice-order must be one of gap, hidden/],
  ])('%# is refused', (given, why) => {
    expect(() => chooseTasks(given as unknown as Task, 16)).toThrow(argument(why));
  });

  test('heads must build what training looks for', () => {
    const graph = (head: Task['head']) => () => trainingGraph(encoder, chooseTasks({ ...sliceOrder, head }, 16));
    expect(graph((_, z) => z)).toThrow(argument('appends a loss with the name'));
    expect(graph(() => undefined as never)).toThrow(argument('returns a node'));
    expect(
      graph((g, z, { loss }) => {
        g.loss(loss, 'mse', [z, g.input('answer', [6], 2)]);
        return z;
      }),
    ).toThrow(argument('appends an input named'));
    const more: Task['head'] = (g, z, c) => {
      g.input('more', [1]);
      return sliceOrder.head(g, z, c);
    };
    expect(graph(more)).toThrow(
      argument('task slice-order must be a function that appends no other input, got "more"'),
    );
  });

  test('paths of modules are read with weights and options, and written by the name of their task', async () => {
    expect(parseTasks('contrastive+./my-task.mjs:0.5')[1]).toEqual({ task: './my-task.mjs', weight: 0.5, options: {} });
    expect(parseTasks('C:\\tasks\\mine.js (gap=2) : 2')).toEqual([
      { task: 'C:\\tasks\\mine.js', weight: 2, options: { gap: 2 } },
    ]);
    const choices = chooseTasks(await loadTasks(`${module}(gap=2):3`), 16);
    expect(formatTasks(choices, 16)).toBe('slice-order(gap=2,hidden=64):3');
    expect(chooseTasks('slice-order(gap=2):3', 16, [sliceOrder])).toEqual(choices);
    expect(() => chooseTasks('./my-task.mjs', 16)).toThrow(argument('modules are not loaded here'));
  });

  test('modules that cannot be used are refused by name', async () => {
    const file = async (name: string, text: string) => {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    };
    const refused = (path: string) => expect(loadTasks(path)).rejects;
    await refused(join(folder, 'absent.mjs')).toThrow(
      expect.objectContaining({ code: 'ERR_FILE', message: expect.stringContaining('absent.mjs') }),
    );
    const broken = await file('broken.mjs', 'export default {');
    await refused(broken).toThrow(expect.objectContaining({ code: 'ERR_FILE' }));
    await refused(await file('named.mjs', 'export const task = {};')).toThrow(
      argument('named.mjs must be a Task object'),
    );
    await refused(await file('empty.mjs', 'export default {};')).toThrow(argument('empty.mjs lacks name'));
  });
});

test('gradients of two tasks of one name are not mixed up', async () => {
  const lighter: Task = { ...sliceOrder, head: (g, z, c) => sliceOrder.head(g, z, { ...c, weight: c.weight / 2 }) };
  const weights = initialWeights(sliceOrder, 1, encoder);
  const slices = Float32Array.from({ length: 2 * 2 * 16 * 8 }, (_, i) => Math.sin(i));
  const inputs = { slices: { values: slices }, target: { values: Float32Array.of(1, 0) } };
  const losses = [];
  for (const task of [sliceOrder, lighter]) {
    losses.push((await lossAndGradients(task, weights, { examples: 2, inputs }, { encoder, threads: 1 })).loss);
  }
  expect(losses[1]).toBeCloseTo(losses[0]! / 2, 6);
});
