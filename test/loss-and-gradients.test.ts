import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { initialWeights, lossAndGradients, taskInputs, taskParameters } from '../lib/systems/audio2vec/gradients.js';
import { Random } from '../lib/util/random.js';
import { readWeights, writeWeights } from '../lib/util/weights.js';
import { memoryStore } from './helpers/memory-store.js';

const encoder = { frames: 16, bands: 8, channels: [3, 4], embedding: 6 };
const examples = 5;
const rng = new Random('a batch');
const values = (size: number) => ({ values: Float32Array.from({ length: size }, () => rng.normal()) });
const batch = {
  examples,
  inputs: { slices: values(examples * 4 * 16 * 8), target: values(examples * 16 * 8) },
};
const inDouble = { encoder, isa: 'float64', threads: 1 };
const doubles = (weights: ReadonlyMap<string, Float32Array>) =>
  new Map(Array.from(weights, ([name, data]) => [name, Float64Array.from(data)]));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-gradients-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('lossAndGradients', () => {
  it('says what a task is fed and what it learns', () => {
    expect(taskInputs('cbow', encoder)).toEqual([
      { name: 'slices', shape: [4, 16, 8, 1] },
      { name: 'target', shape: [1, 16, 8, 1] },
    ]);
    const parameters = taskParameters('cbow', encoder);
    expect([...initialWeights('cbow', 1, encoder).keys()]).toEqual(parameters.map((p) => p.name));
    expect(parameters.some((p) => p.name.endsWith('running_mean') && !p.trainable)).toBe(true);
  });

  it('agrees with central differences of the loss', async () => {
    const weights = doubles(initialWeights('cbow', 3, encoder));
    const { gradients } = await lossAndGradients('cbow', weights, batch, inDouble);
    const lossAt = async (array: Float64Array, i: number, x: number) => {
      array[i] = x;
      return (await lossAndGradients('cbow', weights, batch, inDouble)).loss;
    };
    for (const name of ['encoder.blocks.0.conv_t.conv.weight', 'encoder.fc.weight', 'decoder.blocks.1.conv_t.bias']) {
      const array = weights.get(name)!;
      const [x, h] = [array[0]!, 1e-6];
      const numeric = ((await lossAt(array, 0, x + h)) - (await lossAt(array, 0, x - h))) / (2 * h);
      await lossAt(array, 0, x);
      expect(Math.abs(gradients.get(name)![0]! - numeric)).toBeLessThan(1e-5 * Math.max(Math.abs(numeric), 1e-3));
    }
  });

  it('changes nothing and gives the same bits again, also when calls overlap', async () => {
    const weights = initialWeights('cbow+contrastive:0.5', 3, encoder);
    const before = new Map(Array.from(weights, ([name, data]) => [name, data.slice()]));
    const joint = {
      examples,
      inputs: {
        slices: values(examples * 6 * 16 * 8),
        'cbow.target': values(examples * 16 * 8),
      },
    };
    const options = { encoder, threads: 2 };
    const call = () => lossAndGradients('cbow+contrastive:0.5', weights, joint, options);
    const [one, two] = await Promise.all([call(), call()]);
    expect(two).toEqual(one);
    expect(weights).toEqual(before);
    expect(one.loss).toBeCloseTo(one.parts.cbow! + one.parts.contrastive!, 6);
    const trainable = taskParameters('cbow+contrastive:0.5', encoder).filter((p) => p.trainable);
    expect([...one.gradients.keys()].sort()).toEqual(trainable.map((p) => p.name).sort());
    // The other network in between does not disturb it.
    await lossAndGradients('cbow', initialWeights('cbow', 1, encoder), batch, options);
    expect(await call()).toEqual(one);
  });

  it('takes slices of a feature store, normalised', async () => {
    const store = memoryStore([100, 100], 8);
    const starts = Float64Array.of(0, 18, 54, 72, 100, 118, 154, 172);
    const targets = Float64Array.of(36, 136);
    const normalised = (start: number) =>
      [...store.read(start, 16)].map((x, i) => (x - store.mean[i % 8]!) / store.std[i % 8]!);
    const gather = (places: Float64Array) => ({ values: Float32Array.from([...places].flatMap(normalised)) });
    const weights = initialWeights('cbow', 1, encoder);
    const byFrames = await lossAndGradients(
      'cbow',
      weights,
      { examples: 2, inputs: { slices: { frames: starts }, target: { frames: targets } } },
      { encoder, store },
    );
    const byValues = await lossAndGradients(
      'cbow',
      weights,
      { examples: 2, inputs: { slices: gather(starts), target: gather(targets) } },
      { encoder },
    );
    expect(byFrames.loss).toBeCloseTo(byValues.loss, 4);
  });

  it('names what is wrong', async () => {
    const weights = initialWeights('cbow', 1, encoder);
    const missing = new Map(weights);
    missing.delete('encoder.fc.weight');
    const expectError = (promise: Promise<unknown>, message: RegExp) =>
      expect(promise).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(message) });
    await expectError(lossAndGradients('cbow', missing, batch, { encoder }), /encoder\.fc\.weight/);
    await expectError(lossAndGradients('cbow', weights, { examples, inputs: {} }, { encoder }), /slices/);
    const short = { examples, inputs: { ...batch.inputs, target: { values: new Float32Array(3) } } };
    await expectError(lossAndGradients('cbow', weights, short, { encoder }), /target.*640/);
    await expectError(lossAndGradients('cbov', weights, batch, { encoder }), /task must be one of cbow/);
  });
});

describe('weights in safetensors', () => {
  it('come back with names, shapes and what was said about them', async () => {
    const weights = initialWeights('cbow', 1, encoder);
    const file = join(folder, 'client.safetensors');
    await writeWeights(file, weights, taskParameters('cbow', encoder), { task: 'cbow', encoder });
    const back = await readWeights(file);
    expect(new Map([...back.weights].sort())).toEqual(new Map([...weights].sort()));
    expect(back.shapes.get('encoder.fc.weight')).toEqual([6, 4]);
    expect(JSON.parse(back.metadata.encoder!)).toEqual(encoder);
  });

  it('must fit their shapes', async () => {
    const wrong = new Map([['encoder.fc.weight', new Float32Array(3)]]);
    const write = writeWeights(join(folder, 'x.safetensors'), wrong, taskParameters('cbow', encoder));
    await expect(write).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });
});
