// More of an encoder than its embedding, read at once: what it is, and that batches, streams, files and exports give the same.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encoderForLabels } from '../lib/cli/operations/shared/models.js';
import { Encoder } from '../lib/embed/encoder.js';
import { Network } from '../lib/engine/network.js';
import { exportEncoder } from '../lib/export/export-encoder.js';
import { defaultLimits } from '../lib/export/export-onnx.js';
import { beyondLimits } from '../lib/export/parity.js';
import { logMel } from '../lib/features/log-mel.js';
import { encoderGraph, loadEncoderModel, saveEncoderModel } from '../lib/models/encoder-model.js';
import { encoderWeights, untrainedModel, withIdentities } from '../lib/models/initial-weights.js';
import { randomModel } from './helpers/models.js';
import { recording } from './helpers/recordings.js';

const model = randomModel(1, undefined, 'whitened');
const layers = Encoder.fromModel(model, { threads: 2, readOut: 'layers' });
const white = Encoder.fromModel(model, { threads: 2, readOut: 'whitened' });
let folder: string;
let loop: Float32Array;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-read-out-'));
  loop = (await recording('loop_amen')).slice(0, 48_000);
});
afterAll(() => rm(folder, { recursive: true }));

describe('layers', () => {
  it('are the embedding, then mean and maximum over time of the last two maps', async () => {
    const { embeddings } = await layers.timestampEmbeddings(loop);
    const plain = await Encoder.fromModel(model).timestampEmbeddings(loop);
    const count = plain.embeddings.length / 128;
    expect(layers.dimension).toBe(128 + 4 * 64 * 2 + 2 * 128 * 2);
    expect(embeddings.length).toBe(count * layers.dimension);

    const { graph } = encoderGraph(model.config);
    const network = new Network(graph.nodes, { maxExamples: 1, mean: model.mean, std: model.std });
    network.setParameters(new Map(model.weights));
    const frames = await logMel(loop);
    const store = { frames: frames.length / 64, native: frames };
    const batch = { examples: 1, inputs: { slices: { frames: Float64Array.of(48), store } } };
    const second = embeddings.subarray(layers.dimension, 2 * layers.dimension);
    expect([...second.subarray(0, 128)]).toEqual([...plain.embeddings.subarray(128, 256)]);
    let at = 128;
    for (const [block, T, F, C] of [
      [3, 6, 4, 64],
      [4, 3, 2, 128],
    ] as const) {
      const map = await network.forward(batch, `encoder.blocks.${block}.pool`);
      const value = (c: number, f: number) => Array.from({ length: T }, (_, t) => map[(t * F + f) * C + c]!);
      const mean = (values: number[]) => values.reduce((a, b) => a + b) / T;
      for (const of of [mean, (values: number[]) => Math.max(...values)]) {
        for (let c = 0; c < C; c++) {
          for (let f = 0; f < F; f++) expect(second[at++]).toBeCloseTo(of(value(c, f)), 4);
        }
      }
    }
    expect(at).toBe(layers.dimension);
  });

  it('of an encoder of one block are those of its only map', () => {
    const small = randomModel(3, { frames: 6, bands: 2, channels: [3], embedding: 5 });
    expect(Encoder.fromModel(small, { readOut: 'layers' }).dimension).toBe(5 + 2 * 3);
  });
});

describe('whitened', () => {
  it('are the embedding, then what maxima of three maps are above half the mean, mixed', async () => {
    const { embeddings } = await white.timestampEmbeddings(loop);
    const same = { ...model, weights: withIdentities(model.config, model.weights) };
    const plain = (await Encoder.fromModel(same, { readOut: 'whitened' }).timestampEmbeddings(loop)).embeddings;
    const maps = (await layers.timestampEmbeddings(loop)).embeddings;
    expect(white.dimension).toBe(128 + 32 * 8 + 64 * 4 + 128 * 2);
    expect(embeddings.length).toBe((maps.length / layers.dimension) * white.dimension);
    expect([...embeddings.subarray(0, 128)]).toEqual([...maps.subarray(0, 128)]);
    // Where nothing is mixed, what is read can be told from the layers' means and maxima.
    const [from, last] = [white.dimension - 256, layers.dimension - 512];
    for (let i = 0; i < 256; i++) {
      expect(plain[from + i]!).toBeCloseTo(maps[last + 256 + i]! - 0.5 * maps[last + i]!, 4);
    }
    const weight = model.weights.get('read_out.whitened.2.weight')!;
    const bias = model.weights.get('read_out.whitened.2.bias')!;
    for (let c = 0; c < 128; c++) {
      for (const band of [0, 1]) {
        let sum = bias[c]!;
        for (let k = 0; k < 128; k++) sum += weight[c * 128 + k]! * plain[from + 2 * k + band]!;
        expect(embeddings[from + 2 * c + band]!).toBeCloseTo(sum, 3);
      }
    }
  });

  it('cannot be read from a model that has not learnt it, which says so', async () => {
    const old = join(folder, 'old.safetensors');
    await saveEncoderModel(old, randomModel());
    await expect(Encoder.load(old, { readOut: 'whitened' })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining('has not been learnt'),
    });
    expect((await Encoder.load(old, { readOut: 'layers' })).dimension).toBe(layers.dimension);
    const part = new Map([...model.weights].filter(([name]) => name !== 'read_out.whitened.1.bias'));
    expect(() => Encoder.fromModel({ ...model, weights: part })).toThrow(/read_out.whitened.1.bias/);
  });

  it('is what labels are told from, unless something else is asked for or nothing else is known', async () => {
    const [knows, old] = ['knows.safetensors', 'not.safetensors'].map((name) => join(folder, name));
    await saveEncoderModel(knows!, model);
    await saveEncoderModel(old!, randomModel());
    expect((await encoderForLabels(knows)).dimension).toBe(white.dimension);
    expect((await encoderForLabels(knows)).model.readOut).toBe('whitened');
    expect((await encoderForLabels(knows, 1, 'embedding')).dimension).toBe(128);
    expect((await encoderForLabels(old)).dimension).toBe(128);
    expect((await encoderForLabels(undefined, 1)).dimension).toBe(white.dimension); // that of the package
    expect((await Encoder.load(knows!)).dimension).toBe(128);
  });

  it('is forgotten by training that goes on, and read as it is by an untrained encoder', () => {
    expect([...encoderWeights(model.weights).keys()].some((name) => name.startsWith('read_out'))).toBe(false);
    const untrained = Encoder.fromModel(untrainedModel(model, 1), { readOut: 'whitened' });
    expect(untrained.dimension).toBe(white.dimension);
    expect(untrainedModel(randomModel(), 1).weights.size).toBe(randomModel().weights.size);
  });
});

describe.each(['layers', 'whitened'] as const)('%s', (readOut) => {
  const encoder = { layers, whitened: white }[readOut];

  it.each([3, 16, 48, 200])('of a stream are those of the recording, a slice every %i frames', async (hop) => {
    const { embeddings } = await encoder.timestampEmbeddings(loop, { hop });
    const stream = encoder.stream({ hop });
    const found: number[] = [];
    for (let at = 0; at < loop.length; at += 1000) {
      found.push(...stream.push(loop.subarray(at, at + 1000)).embeddings);
    }
    found.push(...stream.flush().embeddings);
    expect(found).toEqual([...embeddings]);
  });

  it('are stored with the model as what is read from it, and can be chosen otherwise', async () => {
    const file = join(folder, `${readOut}.safetensors`);
    await saveEncoderModel(file, encoder.model);
    expect((await loadEncoderModel(file)).readOut).toBe(readOut);
    expect((await Encoder.load(file)).dimension).toBe(encoder.dimension);
    expect((await Encoder.load(file, { readOut: 'embedding' })).dimension).toBe(128);
    const options = { readOut: 'everything' } as never;
    await expect(Encoder.load(file, options)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });

  it.each(['onnx', 'tflite', 'safetensors'])('are exported: %s', async (ending) => {
    const clips = [loop];
    const precision = ending === 'safetensors' ? 'int8' : 'float32';
    const { parity } = await exportEncoder(join(folder, `${readOut}.${ending}`), encoder.model, { precision, clips });
    expect(beyondLimits(parity, defaultLimits(precision, 'log-mel'))).toEqual([]);
    expect(parity.maxAbsError).toBeLessThan(precision === 'int8' ? 1 : 1e-3);
  });
});
