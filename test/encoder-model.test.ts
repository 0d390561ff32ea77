import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Graph } from '../lib/graph/graph.js';
import { inferenceLayers } from '../lib/graph/inference.js';
import { type EncoderModel, encoderGraph, loadEncoderModel, saveEncoderModel } from '../lib/models/encoder-model.js';
import { readSafetensors, writeSafetensors } from '../lib/util/safetensors.js';
import { randomModel } from './helpers/models.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-model-'));
});
afterAll(() => rm(folder, { recursive: true }));

const bytes = (data: Float32Array) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
const small = { frames: 16, bands: 8, channels: [4, 6], embedding: 5 };

describe('model file', () => {
  it('gives back the same model, and the same bytes for the same model', async () => {
    const [a, b] = [join(folder, 'a.safetensors'), join(folder, 'b.safetensors')];
    const model = randomModel(1);
    await saveEncoderModel(a, model);
    const read = await loadEncoderModel(a);
    expect(read.config).toEqual(model.config);
    expect(read.frontEnd).toEqual(model.frontEnd);
    expect(read.provenance).toEqual(model.provenance);
    expect([read.mean, read.std]).toEqual([model.mean, model.std]);
    expect([...read.weights.keys()].sort()).toEqual([...model.weights.keys()].sort());
    for (const [name, data] of model.weights) expect(bytes(read.weights.get(name)!).equals(bytes(data))).toBe(true);
    await saveEncoderModel(b, read);
    expect((await readFile(b)).equals(await readFile(a))).toBe(true);
  });

  it('says what is wrong with a damaged file', async () => {
    const file = join(folder, 'damaged.safetensors');
    const damage = async (change: (s: Awaited<ReturnType<typeof readSafetensors>>) => void, reason: RegExp) => {
      await saveEncoderModel(file, randomModel(1, small));
      const content = await readSafetensors(file);
      change(content);
      await writeSafetensors(file, content.tensors, content.metadata);
      await expect(loadEncoderModel(file)).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT' });
      await expect(loadEncoderModel(file)).rejects.toThrow(reason);
      await expect(loadEncoderModel(file)).rejects.toThrow(file);
    };
    await damage((s) => delete s.metadata.format, /format/);
    await damage((s) => Object.assign(s.metadata, { version: '9' }), /version 9/);
    await damage((s) => Object.assign(s.metadata, { config: '{' }), /metadata config/);
    await damage((s) => Object.assign(s.metadata, { config: '{"frames":16}' }), /bands/);
    await damage((s) => Object.assign(s.metadata, { config: JSON.stringify({ ...small, frames: 17 }) }), /frames/);
    await damage(
      (s) => Object.assign(s.metadata, { config: JSON.stringify({ ...small, embedding: 1e9 }) }),
      /embedding/,
    );
    await damage((s) => s.tensors.delete('encoder.fc.bias'), /encoder\.fc\.bias/);
    await damage((s) => s.tensors.delete('normalization.std'), /normalization\.std/);
    await damage((s) => s.tensors.set('extra', { shape: [1], data: Float32Array.of(1) }), /extra/);
    await damage(
      (s) => s.tensors.set('encoder.fc.bias', { shape: [5], data: new Float64Array(5) }),
      /fc\.bias must be of type F32/,
    );
    await damage((s) => s.tensors.set('encoder.fc.bias', { shape: [5, 1], data: new Float32Array(5) }), /shape/);
    await damage(
      (s) => s.tensors.set('encoder.fc.bias', { shape: [5], data: new Float32Array(5).fill(NaN) }),
      /finite/,
    );
    await damage((s) => s.tensors.set('normalization.std', { shape: [8], data: new Float32Array(8) }), /positive/);
  });

  it('does not write a model that is not whole', async () => {
    const model: EncoderModel = { ...randomModel(1, small), mean: new Float32Array(3) };
    const save = saveEncoderModel(join(folder, 'none.safetensors'), model);
    await expect(save).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });
});

describe('inference layers', () => {
  it('fold every batch norm of the encoder into its convolution, and the last pooling into the global one', () => {
    const model = randomModel();
    const layers = inferenceLayers(encoderGraph(model.config).graph.nodes, model.weights);
    const count = (op: string) => layers.filter((l) => l.op === op).length;
    expect(['conv', 'add', 'max-pool', 'global-max-pool', 'dense'].map(count)).toEqual([15, 5, 4, 1, 1]);
    expect(count('batch-norm') + count('relu')).toBe(0);
    expect(layers.every((l) => l.op !== 'conv' || l.relu)).toBe(true);
  });

  it('keep a batch norm whose convolution is also read elsewhere', () => {
    const g = new Graph();
    const conv = g.conv('c', g.input('x', [2, 2, 1]), [1, 1], 3, true);
    g.add('sum', g.batchNorm('n', conv, true), conv);
    const weights = new Map(g.params.map((p) => [p.name, new Float32Array(3).fill(1)]));
    expect(inferenceLayers(g.nodes, weights).map((l) => l.op)).toEqual(['input', 'conv', 'batch-norm', 'add']);
  });

  it('refuse losses and missing weights', () => {
    const g = new Graph();
    const dense = g.dense('d', g.input('x', [2]), 2);
    expect(() => inferenceLayers(g.nodes, new Map())).toThrow(/d\.bias|d\.weight/);
    g.loss('l', 'mse', [dense, dense]);
    const weights = new Map([
      ['d.weight', new Float32Array(4)],
      ['d.bias', new Float32Array(2)],
    ]);
    expect(() => inferenceLayers(g.nodes, weights)).toThrow(/inference operators/);
  });
});
