import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadEncoderModel } from '../lib/models/encoder-model.js';
import { encoderWeights, initialParameters } from '../lib/models/initial-weights.js';
import { knowsWhitening } from '../lib/models/read-out.js';
import { chooseTasks } from '../lib/systems/audio2vec/tasks/index.js';
import { trainingGraph } from '../lib/systems/audio2vec/training-graph.js';
import { loadCheckpoint } from '../lib/train/checkpoint.js';
import type { Step } from '../lib/train/loop.js';
import { type PretrainOptions, pretrain, resumePretraining } from '../lib/train/pretrain.js';
import { readRunLog } from '../lib/train/run-log.js';
import { type FakeNetworkOptions, fakeNetworkFactory } from './helpers/fake-network.js';
import { memoryStore } from './helpers/memory-store.js';

// The engine is a stand-in here: these tests are about what surrounds it.
let folder: string;
let runs = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-pretrain-'));
});
afterAll(() => rm(folder, { recursive: true }));
const fresh = () => join(folder, `run-${runs++}`);

const encoder = { frames: 16, bands: 8, channels: [3, 4], embedding: 6 };
const corpus = memoryStore(
  Array.from({ length: 30 }, (_, i) => 60 + 7 * i),
  8,
);

function options(out: string, more: Partial<PretrainOptions> = {}, fake: FakeNetworkOptions = {}): PretrainOptions {
  const createNetwork = fakeNetworkFactory(fake);
  return {
    corpus,
    out,
    encoder,
    batchSize: 4,
    steps: 30,
    warmUp: 5,
    heldOut: 0.3,
    createNetwork,
    task: 'cbow+triplet',
    ...more,
  };
}

async function collect(steps: AsyncIterable<Step>): Promise<Step[]> {
  const all: Step[] = [];
  for await (const step of steps) all.push(step);
  return all;
}

/** Hashes of the files that two equal runs must share. */
async function results(out: string): Promise<string[]> {
  const files = ['checkpoint.safetensors', 'encoder.safetensors'];
  return Promise.all(
    files.map(async (f) =>
      createHash('sha256')
        .update(await readFile(join(out, f)))
        .digest('hex'),
    ),
  );
}

describe('a run', () => {
  test('yields every step, learns, measures held-out loss, and leaves encoder, checkpoint and log', async () => {
    const out = fresh();
    const steps = await collect(pretrain(options(out, { evaluateEvery: 8 })));
    expect(steps.map((s) => s.step)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    expect(steps.filter((s) => s.heldOut).map((s) => s.step)).toEqual([8, 16, 24, 30]);
    expect(steps.every((s) => s.steps === 30 && s.stepsPerSecond > 0 && s.secondsLeft >= 0)).toBe(true);
    expect(steps[0]!.parts).toEqual({ cbow: steps[0]!.loss / 2, triplet: steps[0]!.loss / 2 });
    expect((await readdir(out)).sort()).toEqual([
      'checkpoint.safetensors',
      'encoder.safetensors',
      'metrics.jsonl',
      'reconstructions.safetensors',
      'run.json',
    ]);

    const model = await loadEncoderModel(join(out, 'encoder.safetensors'));
    expect(model.config).toEqual(encoder);
    expect(model.mean).toEqual(corpus.mean);
    expect(model.provenance).toMatchObject({ task: 'cbow+triplet', steps: 30, seed: 1 });
    const checkpoint = await loadCheckpoint(join(out, 'checkpoint.safetensors'));
    expect(checkpoint.step).toBe(30);
    expect(checkpoint.history.losses.loss).toEqual(steps.map((s) => s.loss));
    // Whitening changes the last layer of the finished encoder, and nothing else; the read-out's weights are learnt beside it.
    expect(knowsWhitening(model.weights.keys())).toBe(true);
    for (const [name, weight] of encoderWeights(model.weights)) {
      if (name.startsWith('encoder.fc.')) expect(checkpoint.state.params.get(name)).not.toEqual(weight);
      else expect(checkpoint.state.params.get(name)).toEqual(weight);
    }

    const log = await readRunLog(out);
    expect(log).toMatchObject({ status: 'finished', step: 30, steps: 30, corpus: { clips: 30 } });
    expect(log.losses.loss).toEqual(steps.map((s) => [s.step, s.loss]));
    expect(log.tasks!.map((t) => t.task)).toEqual(['cbow', 'triplet']);
    expect(log.tasks![0]!.meanSlice).toBeGreaterThan(0);
    expect(log.tasks![0]!.nearestSlice).toBeGreaterThan(0);
  });

  test('leaves the embeddings as training made them when told not to whiten', async () => {
    const out = fresh();
    await collect(pretrain(options(out, { whiten: false })));
    const { weights } = await loadEncoderModel(join(out, 'encoder.safetensors'));
    const { params } = (await loadCheckpoint(join(out, 'checkpoint.safetensors'))).state;
    for (const [name, weight] of weights) expect(params.get(name)).toEqual(weight);
  });

  test('is the same, bit for bit, for the same seed, and another for another', async () => {
    const [a, b, c] = [fresh(), fresh(), fresh()];
    for (const [out, seed] of [
      [a, 1],
      [b, 1],
      [c, 2],
    ] as const)
      await collect(pretrain(options(out, { seed })));
    expect(await results(b)).toEqual(await results(a));
    expect(await results(c)).not.toEqual(await results(a));
  });

  test('starts from the initial parameters of its seed', async () => {
    const out = fresh();
    await collect(pretrain(options(out, { learningRate: 1e-60 }))); // less than float32 can add
    const { state } = await loadCheckpoint(join(out, 'checkpoint.safetensors'));
    const start = initialParameters(trainingGraph(encoder, chooseTasks('cbow+triplet', 16)).graph, 1);
    expect(state.params).toEqual(start);
  });

  test('does not write over another run', async () => {
    const out = fresh();
    await collect(pretrain(options(out, { steps: 2 })));
    await expect(collect(pretrain(options(out)))).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining(out),
    });
  });

  test('of a corpus without spare clips goes without held-out measurements', async () => {
    const out = fresh();
    const one = memoryStore([300], 8);
    const steps = await collect(pretrain(options(out, { corpus: one, task: 'cbow', steps: 3 })));
    expect(steps.some((s) => s.heldOut)).toBe(false);
    expect((await readRunLog(out)).tasks).toBeUndefined();
  });

  test('given minutes, plans its steps by its speed, ends in time, and goes on with the time that is left', async () => {
    const [out, parts] = [fresh(), fresh()];
    const timed = (folder: string) =>
      options(folder, { steps: undefined, minutes: 0.02, evaluateEvery: 1000 }, { stepTime: 5 });
    const steps = await collect(pretrain(timed(out)));
    expect(steps.findIndex((s) => s.steps !== undefined)).toBeGreaterThanOrEqual(19);
    expect(steps.at(-1)!.steps).toBe(steps.length);
    expect(steps.at(-1)!.learningRate).toBeLessThan(1e-4);
    const { seconds } = await readRunLog(out);
    expect(seconds).toBeGreaterThan(0.8);
    expect(seconds).toBeLessThan(3);

    for await (const { step } of pretrain(timed(parts))) if (step === 40) break;
    const rest = await collect(resumePretraining(timed(parts)));
    expect(rest[0]!.step).toBe(41);
    const total = (await readRunLog(parts)).seconds;
    expect(total).toBeGreaterThan(0.8);
    expect(total).toBeLessThan(3);
  });
});

describe('an interrupted run', () => {
  const whole = async (more: Partial<PretrainOptions> = {}) => {
    const out = fresh();
    await collect(pretrain(options(out, more)));
    return results(out);
  };

  test('by abort: finishes the step, saves, says how to resume; continued it has the same bits', async () => {
    const out = fresh();
    const controller = new AbortController();
    const onStep = (step: number) => {
      if (step === 11) controller.abort('enough');
    };
    const seen: number[] = [];
    const run = async () => {
      for await (const { step } of pretrain(options(out, { signal: controller.signal }, { onStep }))) seen.push(step);
    };
    await expect(run()).rejects.toMatchObject({
      name: 'AbortError',
      cause: 'enough',
      message: expect.stringMatching(/after step 11.*--resume/),
    });
    expect(seen.at(-1)).toBe(11);
    expect((await readRunLog(out)).status).toBe('interrupted');
    const rest = await collect(resumePretraining(options(out)));
    expect(rest[0]!.step).toBe(12);
    expect(await results(out)).toEqual(await whole());
  });

  test('by leaving the loop: saves; continued several times it has the same bits', async () => {
    const out = fresh();
    for await (const { step } of pretrain(options(out))) if (step === 3) break;
    for await (const { step } of resumePretraining(options(out))) if (step === 4) break;
    for await (const { step } of resumePretraining(options(out))) if (step === 21) break;
    await collect(resumePretraining(options(out)));
    expect(await results(out)).toEqual(await whole());
  });

  test('by a crash: goes on from the last checkpoint to the same bits', async () => {
    const out = fresh();
    const crash = fakeNetworkFactory({
      onStep: (step) => {
        if (step === 17) throw new Error('power cut');
      },
    });
    // A checkpoint after every step; the one of step 16 is what a killed process would leave.
    await expect(collect(pretrain(options(out, { checkpointSeconds: 0, createNetwork: crash })))).rejects.toThrow(
      'power cut',
    );
    expect((await loadCheckpoint(join(out, 'checkpoint.safetensors'))).step).toBe(16);
    await collect(resumePretraining(options(out)));
    expect(await results(out)).toEqual(await whole());
  });

  test('already finished: resuming takes no steps and changes nothing', async () => {
    const out = fresh();
    await collect(pretrain(options(out)));
    const before = await results(out);
    expect(await collect(resumePretraining(options(out)))).toEqual([]);
    expect(await results(out)).toEqual(before);
  });

  test('already finished: more steps extend it, fewer are refused, and it is the run that it says', async () => {
    const out = fresh();
    await collect(pretrain(options(out)));
    const more = await collect(resumePretraining({ ...options(out), steps: 36 }));
    expect(more.map((s) => s.step)).toEqual([31, 32, 33, 34, 35, 36]);
    expect(more.every((s) => s.steps === 36)).toBe(true);
    expect(await readRunLog(out)).toMatchObject({ status: 'finished', step: 36, steps: 36, config: { steps: 36 } });
    expect((await loadEncoderModel(join(out, 'encoder.safetensors'))).provenance).toMatchObject({ steps: 36 });
    for (const wrong of [{ steps: 35 }, { steps: 0.5 }, { minutes: 3 }, { steps: 40, minutes: 3 }]) {
      const given = { ...options(out), steps: undefined, ...wrong };
      await expect(collect(resumePretraining(given))).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    }
  });

  test('while another run is at work in its folder, is refused', async () => {
    const out = fresh();
    const first = pretrain(options(out));
    await first.next();
    await expect(collect(pretrain(options(out)))).rejects.toMatchObject({ code: 'ERR_LOCKED' });
    for await (const { step } of first) if (step === 5) break;
    await collect(resumePretraining(options(out)));
    expect(await results(out)).toEqual(await whole());
  });

  test('is not continued on another corpus, from nothing, or from a damaged file', async () => {
    const out = fresh();
    for await (const { step } of pretrain(options(out))) if (step === 3) break;
    const other = memoryStore([300, 400], 8);
    await expect(collect(resumePretraining({ ...options(out), corpus: other }))).rejects.toMatchObject({
      code: 'ERR_DATASET',
    });
    await expect(collect(resumePretraining(options(fresh())))).rejects.toMatchObject({ code: 'ERR_FILE' });
    const file = join(out, 'checkpoint.safetensors');
    const bytes = await readFile(file);
    // Second moments that are not a number, or below zero.
    for (const value of [Number.NaN, -1]) {
      const wrong = Buffer.from(bytes);
      const length = Number(wrong.readBigUInt64LE());
      const header = JSON.parse(wrong.toString('utf8', 8, 8 + length)) as Record<string, { data_offsets: number[] }>;
      const [name, { data_offsets: places }] = Object.entries(header).find(([key]) => key.startsWith('v/'))!;
      wrong.writeFloatLE(value, 8 + length + places[0]!);
      await writeFile(file, wrong);
      await expect(collect(resumePretraining(options(out)))).rejects.toMatchObject({
        code: 'ERR_MODEL_FORMAT',
        message: expect.stringContaining(`checkpoint.safetensors is damaged: ${name}[0] is ${value}`),
      });
    }
    await writeFile(file, bytes.subarray(0, bytes.length - 100));
    await expect(collect(resumePretraining(options(out)))).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT' });
    await writeFile(file, await readFile(join(out, 'run.json')));
    await expect(collect(resumePretraining(options(out)))).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT' });
  });
});

describe('a diverging run', () => {
  test('stops with ERR_DIVERGED and keeps the last good checkpoint', async () => {
    const out = fresh();
    const run = collect(pretrain(options(out, { checkpointSeconds: 0 }, { divergeAt: 9 })));
    await expect(run).rejects.toMatchObject({ code: 'ERR_DIVERGED', message: expect.stringContaining('step 9') });
    expect((await loadCheckpoint(join(out, 'checkpoint.safetensors'))).step).toBe(8);
  });

  test('never saves parameters that are not finite', async () => {
    const out = fresh();
    const fake = fakeNetworkFactory();
    const createNetwork: typeof fake = (graph, how) => {
      const network = fake(graph, how);
      return {
        ...network,
        getState: () => {
          const state = network.getState();
          if (state.steps >= 5) state.params.get('encoder.fc.bias')![0] = Number.POSITIVE_INFINITY;
          return state;
        },
      };
    };
    const run = collect(pretrain(options(out, { checkpointSeconds: 0, createNetwork })));
    await expect(run).rejects.toMatchObject({
      code: 'ERR_DIVERGED',
      message: expect.stringContaining('encoder.fc.bias'),
    });
    expect((await loadCheckpoint(join(out, 'checkpoint.safetensors'))).step).toBe(4);
  });
});

describe('wrong options', () => {
  test.each([
    [{ steps: 0 }, 'steps'],
    [{ steps: 5, minutes: 1 }, 'minutes'],
    [{ batchSize: 2.5 }, 'batchSize'],
    [{ learningRate: 0 }, 'learningRate'],
    [{ learningRate: Number.NaN }, 'learningRate'],
    [{ warmUp: -1 }, 'warmUp'],
    [{ seed: 0.5 }, 'seed'],
    [{ heldOut: 1 }, 'heldOut'],
    [{ threads: 0 }, 'threads'],
    [{ task: 'nothing' }, 'task'],
    [{ encoder: { ...encoder, frames: 15 } }, 'frames'],
    [{ encoder: { ...encoder, bands: 16 } }, 'encoder.bands'],
    [{ augmentation: { mix: 2 } }, 'augmentation.mix'],
    [{ decay: 'linear' as 'cosine' }, 'decay'],
  ])('%j is refused by name before anything is written', async (wrong, name) => {
    const out = fresh();
    const run = collect(pretrain(options(out, wrong)));
    await expect(run).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining(`${name} must be`),
    });
    await expect(readdir(out)).rejects.toThrow('ENOENT');
  });

  test('a corpus of clips too short for the task is refused', async () => {
    const short = memoryStore([50, 60, 70], 8);
    await expect(collect(pretrain(options(fresh(), { corpus: short })))).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringContaining('cbow'),
    });
  });
});
