// The encoder with 8-bit weights: as a file, in the native encoder, and beside the float one.
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Encoder } from '../lib/embed/encoder.js';
import { exportEncoder } from '../lib/export/export-encoder.js';
import { exportPacked } from '../lib/export/export-packed.js';
import { inferenceLayers } from '../lib/graph/inference.js';
import { type EncoderModel, encoderGraph, loadEncoderModel, saveEncoderModel } from '../lib/models/encoder-model.js';
import { fineTune, runToEnd } from '../lib/train/fine-tune.js';
import { readSafetensors, writeSafetensors } from '../lib/util/safetensors.js';
import { memoryStore } from './helpers/memory-store.js';
import { randomModel } from './helpers/models.js';
import { recording } from './helpers/recordings.js';

let folder: string;
let float: Encoder;
let clips: Float32Array[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-packed-'));
  float = await Encoder.pretrained({ threads: 1 });
  clips = await Promise.all(['loop_amen', 'ambi_piano', 'elec_bell', 'bd_haus'].map(recording));
});
afterAll(() => rm(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const layersOf = (model: EncoderModel) =>
  inferenceLayers(encoderGraph(model.config).graph.nodes, model.weights).filter(
    (layer) => layer.op === 'conv' || layer.op === 'dense',
  );

describe('of the pretrained encoder', () => {
  let packed: Encoder;
  let bytes: number;
  beforeAll(async () => {
    const exported = await exportEncoder(at('packed.safetensors'), float.model, { precision: 'int8', clips });
    bytes = exported.bytes;
    packed = await Encoder.load(at('packed.safetensors'), { threads: 1 });
  });

  it('is a quarter of the size', async () => {
    expect((await stat(at('packed.safetensors'))).size).toBe(bytes);
    expect(bytes).toBeLessThan(140_000);
  });

  it('gives the embeddings of recordings, and a stream the same bits', async () => {
    for (const clip of clips) {
      const wanted = await float.timestampEmbeddings(clip);
      const got = await packed.timestampEmbeddings(clip);
      expect(got.timestamps).toEqual(wanted.timestamps);
      // Whitened, so that directions of little variance weigh as much as the others: 0.9994 at least.
      expect(cosine(got.embeddings, wanted.embeddings)).toBeGreaterThan(0.999);

      const stream = packed.stream();
      const pushed = [...stream.push(clip).embeddings];
      expect(Float32Array.from([...pushed, ...stream.flush().embeddings])).toEqual(got.embeddings);
    }
  });

  it('has each weight within half a step of its channel or clipped, and biases to the last bit', () => {
    const wanted = layersOf(float.model);
    for (const [i, { name, arrays }] of layersOf(packed.model).entries()) {
      const { weight, bias } = arrays;
      expect(bias).toEqual(wanted[i]!.arrays.bias);
      const perChannel = weight.length / bias.length;
      for (const channel of bias.keys()) {
        const part = (of: Float32Array) => of.subarray(channel * perChannel, (channel + 1) * perChannel);
        const [got, float] = [part(weight), part(wanted[i]!.arrays.weight)];
        const largest = Math.max(...got.map(Math.abs));
        const error = Math.max(
          ...got.map((w, k) => Math.abs(w - Math.sign(w) * Math.min(largest, Math.abs(float[k]!)))),
        );
        // A channel's largest weight is 127 steps, or a few less where clipping did not help.
        expect(error, name).toBeLessThanOrEqual(largest / 127);
      }
    }
  });

  it('holds the front end, the normalisation, its origin and the proof', async () => {
    const { config, frontEnd, mean, std, provenance } = packed.model;
    expect({ config, frontEnd, mean, std, provenance }).toEqual({
      ...{ config: float.config, frontEnd: float.frontEnd, mean: float.model.mean },
      ...{ std: float.model.std, provenance: float.model.provenance },
    });
    const { metadata } = await readSafetensors(at('packed.safetensors'));
    expect(JSON.parse(metadata.parity!)).toMatchObject({ limits: { meanCosine: 0.99, minCosine: 0.95 } });
  });

  it('exports like any other encoder, and packed again stays what it is', async () => {
    const onnx = await exportEncoder(at('from-packed.onnx'), packed.model, { clips });
    expect(onnx.parity.maxAbsError).toBeLessThan(1e-4);
    await exportEncoder(at('again.safetensors'), packed.model, { precision: 'int8' });
    const [once, twice] = [
      await readSafetensors(at('packed.safetensors')),
      await readSafetensors(at('again.safetensors')),
    ];
    for (const [name, { data }] of once.tensors) {
      if (data instanceof Int8Array) expect(twice.tensors.get(name)!.data, name).toEqual(data);
    }
  });

  it('is refused where norms are needed', async () => {
    await expect(saveEncoderModel(at('x.safetensors'), packed.model)).rejects.toThrow(/^model must be an encoder with/);
    const corpus = memoryStore(new Array(4).fill(96), 64);
    const tuning = runToEnd(
      fineTune({ corpus, labels: Int32Array.of(0, 1, 0, 1), classes: ['a', 'b'], from: packed.model, steps: 1 }),
    );
    await expect(tuning).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(tuning).rejects.toThrow(/^from must be an encoder with its norms/);
  });
});

const small = randomModel(9, { frames: 16, bands: 8, channels: [4, 6], embedding: 5 });

describe('what can go wrong', () => {
  it('a damaged file is named with the reason', async () => {
    const file = at('damaged.safetensors');
    const damage = async (change: (s: Awaited<ReturnType<typeof readSafetensors>>) => void, reason: RegExp) => {
      await exportEncoder(file, small, { precision: 'int8' });
      const content = await readSafetensors(file);
      change(content);
      await writeSafetensors(file, content.tensors, content.metadata);
      await expect(Encoder.load(file)).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT' });
      await expect(Encoder.load(file)).rejects.toThrow(reason);
      await expect(Encoder.load(file)).rejects.toThrow(file);
    };
    const scale = 'encoder.fc.weight.scale';
    const floats = (length: number) => ({ shape: [length], data: new Float32Array(length) });
    await damage((s) => Object.assign(s.metadata, { precision: 'int4' }), /precision "int4"/);
    await damage((s) => delete s.metadata.precision, /encoder\.blocks\.0\.conv_t\.conv\.weight must be of type F32/);
    await damage((s) => s.tensors.delete(scale), /encoder\.fc\.weight\.scale must be an array of 5 values/);
    await damage((s) => s.tensors.set(scale, floats(4)), /shape of encoder\.fc\.weight\.scale/);
    await damage((s) => s.tensors.get(scale)!.data.fill(Number.NaN as never), /encoder\.fc\.weight must be finite/);
    await damage((s) => s.tensors.delete('encoder.blocks.1.conv_r.conv.bias'), /conv_r\.conv\.bias/);
    await damage(
      (s) => s.tensors.set('encoder.fc.weight', { shape: [5, 6], data: new Float32Array(30) }),
      /encoder\.fc\.weight must be of type I8/,
    );
    await damage((s) => s.tensors.set('extra', floats(1)), /extra/);
  });

  it('options that a native file has no place for', async () => {
    const wrong: [object, RegExp][] = [
      [{}, /^precision must be "int8" for \.safetensors/],
      [{ precision: 'int8', input: 'waveform' }, /^input must be left out/],
      [{ precision: 'int8', batch: 1 }, /^batch must be left out/],
      [
        { precision: 'int8', classifier: { labels: ['a', 'b'], weights: new Float32Array(10), bias: [0, 0] } },
        /^classifier must be left out/,
      ],
    ];
    for (const [options, message] of wrong) {
      await expect(exportEncoder(at('wrong.safetensors'), small, options)).rejects.toThrow(message);
    }
  });

  it('weights too far off keep the file under another name', async () => {
    const slice = new Float32Array(16 * 8).fill(-3);
    const cases = [{ input: slice, shape: [1, 16, 8], expected: Float32Array.of(1, -1, 1, -1, 1) }];
    await expect(exportPacked(at('far.safetensors'), small, { cases })).rejects.toMatchObject({ code: 'ERR_PARITY' });
    const files = await readdir(folder);
    expect(files).toContain('far.rejected.safetensors');
    expect(files).not.toContain('far.safetensors');
    expect((await loadEncoderModel(at('far.rejected.safetensors'))).config).toEqual(small.config);
  });
});

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, v, i) => sum + v * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
