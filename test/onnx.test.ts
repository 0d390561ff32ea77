import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { emitLayers } from '../lib/export/emit-layers.js';
import { exportOnnx, type Precision } from '../lib/export/export-onnx.js';
import { ModelProtoSchema } from '../lib/export/gen/onnx_pb.js';
import { buildOnnx, type OnnxOptions } from '../lib/export/onnx.js';
import { OnnxBuilder, onnxBytes } from '../lib/export/onnx-builder.js';
import { emitLogMel } from '../lib/export/onnx-front-end.js';
import { openOnnx } from '../lib/export/onnx-runtime.js';
import { emitWindows } from '../lib/export/onnx-windows.js';
import { OnnxWriter } from '../lib/export/onnx-writer.js';
import { measureParity } from '../lib/export/parity.js';
import { defaultFrontEnd, type LogMelConfig } from '../lib/features/front-end-config.js';
import { Graph, sizeOf } from '../lib/graph/graph.js';
import { inferenceLayers } from '../lib/graph/inference.js';
import { decoder, type EncoderConfig } from '../lib/models/blocks.js';
import { embed64, embedWaveform64 } from './helpers/embed64.js';
import { forward64 } from './helpers/forward64.js';
import { logMel64 } from './helpers/log-mel64.js';
import { randomModel, uniform } from './helpers/models.js';
import { recording } from './helpers/recordings.js';

const model = randomModel();
const { frames, bands, embedding } = model.config;
const sliceSamples = 400 + 160 * (frames - 1);

let folder: string;
/** Two seconds and a bit of a drum loop, and its log-mel in slices. */
let drums: Float32Array;
let slices: Float32Array;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-onnx-'));
  drums = (await recording('loop_amen')).subarray(0, 3 * sliceSamples + 1000);
  slices = Float32Array.from(logMel64(drums).subarray(0, 3 * frames * bands));
});
afterAll(() => rm(folder, { recursive: true }));

const open = (options: OnnxOptions, m = model) => InferenceSession.create(onnxBytes(buildOnnx(m, options)));

describe('log-mel in', () => {
  it('agrees with an independent forward pass on real slices', async () => {
    const expected = embed64(model, slices);
    const cases = [{ input: slices, shape: [3, frames, bands], expected }];
    const parity = await measureParity(await openOnnx(onnxBytes(buildOnnx(model))), cases);
    expect(parity.embeddings).toBe(3);
    expect(parity.maxAbsError).toBeLessThan(1e-4);
    expect(parity.relativeError).toBeLessThan(1e-6);
    expect(parity.minCosine).toBeGreaterThan(1 - 1e-9);
  });

  it.each<EncoderConfig>([
    { frames: 32, bands: 32, channels: [3, 5, 7], embedding: 9 },
    { frames: 2, bands: 2, channels: [1], embedding: 1 },
    { frames: 64, bands: 64, channels: [2, 2, 2, 2, 2, 2], embedding: 4 },
  ])('agrees for the encoder %o', async (config) => {
    const other = randomModel(7, config);
    const random = uniform(8);
    const input = Float32Array.from({ length: 2 * config.frames * config.bands }, () => -12 + 14 * random());
    const cases = [{ input, shape: [2, config.frames, config.bands], expected: embed64(other, input) }];
    expect((await measureParity(await openOnnx(onnxBytes(buildOnnx(other))), cases)).maxAbsError).toBeLessThan(1e-4);
  });

  it('has the shapes it was asked for', async () => {
    const session = await open({ batch: 2 });
    expect(session.inputMetadata[0]).toMatchObject({ name: 'log_mel', type: 'float32', shape: [2, frames, bands] });
    expect(session.outputMetadata[0]).toMatchObject({ name: 'embedding', type: 'float32', shape: [2, embedding] });
    const free = await open({});
    expect(free.inputMetadata[0]).toMatchObject({ shape: ['N', frames, bands] });
  });

  it('gives the same bytes for the same model', () => {
    expect(Buffer.compare(onnxBytes(buildOnnx(model)), onnxBytes(buildOnnx(randomModel())))).toBe(0);
  });

  it('uses nothing beyond opset 13 and the operators of mobile runtimes', () => {
    const proto = fromBinary(ModelProtoSchema, onnxBytes(buildOnnx(model, { input: 'waveform', samples: 'any' })));
    expect(proto.opsetImport).toMatchObject([{ domain: '', version: 13n }]);
    const used = new Set(proto.graph!.node.map((n) => n.opType));
    for (const op of ['STFT', 'DFT', 'MelWeightMatrix', 'BatchNormalization', 'ReduceMax'])
      expect(used).not.toContain(op);
  });
});

describe('other graphs', () => {
  it('the decoder, a batch norm alone and a plain ReLU', async () => {
    const g = new Graph();
    const rows = g.input('z', [6], 4);
    const z = g.relu('relu', g.batchNorm('bn', g.reshape('rows', rows, [24], 1), false));
    decoder(g, z, { frames: 8, bands: 16, channels: [3, 4], embedding: 6 }, 2);
    const random = uniform(5);
    const weights = new Map(
      g.params.map((p) => [p.name, Float32Array.from({ length: sizeOf(p.shape) }, () => 0.1 + 0.5 * random())]),
    );
    const b = new OnnxBuilder();
    const x = b.input('z', ['N', 6]);
    const inputs = new Map([['z', { name: x, shape: [6] as const, rows: 4 }]]);
    const y = emitLayers(new OnnxWriter(b), inferenceLayers(g, weights), inputs).get(g.nodes.at(-1)!.name)!.name;
    b.output(y, [1, 2, 8, 16]);
    const session = await InferenceSession.create(onnxBytes(b.build('decoder', {})));
    const input = Float32Array.from({ length: 24 }, () => random() - 0.5);
    const got = (await session.run({ z: new Tensor('float32', input, [4, 6]) }))[y]!.data as Float32Array;
    const values = forward64(g.nodes, weights, { z: input });
    const expected = values.get(g.nodes.at(-1)!.name)!; // [T, F, C]; ONNX has [C, T, F]
    const worst = expected.reduce((m, v, i) => Math.max(m, Math.abs(v - got[(i % 2) * 128 + Math.floor(i / 2)]!)), 0);
    const largest = expected.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    expect(worst / largest).toBeLessThan(1e-6);
  });
});

describe('waveform in', () => {
  /** Log-mel by the exported front end, `[frames, bands]`. */
  async function exportedLogMel(samples: Float32Array, config: LogMelConfig): Promise<Float32Array> {
    const b = new OnnxBuilder();
    const cut = { count: samples.length, length: config.windowLength, hop: config.hop };
    emitLogMel(b, emitWindows(b, 'frames', b.input('waveform', [1, samples.length]), cut), config);
    b.output('log_mel', [1, 'T', config.bands]);
    const session = await InferenceSession.create(onnxBytes(b.build('front_end', {})));
    const { log_mel } = await session.run({ waveform: new Tensor('float32', samples, [1, samples.length]) });
    return log_mel!.data as Float32Array;
  }
  const worstDifference = (a: ArrayLike<number>, b: ArrayLike<number>) => {
    expect(a.length).toBe(b.length);
    return Array.from(a).reduce((m, v, i) => Math.max(m, Math.abs(v - b[i]!)), 0);
  };

  const random = uniform(11);
  const signals: [string, () => Float32Array][] = [
    ['a recording', () => drums],
    ['silence', () => new Float32Array(2000)],
    ['noise', () => Float32Array.from({ length: 4000 }, () => 2 * random() - 1)],
    ['a loud tone beside quiet bands', () => Float32Array.from({ length: 4000 }, (_, n) => Math.sin(0.3 * n))],
    ['a chirp', () => Float32Array.from({ length: 8000 }, (_, n) => Math.sin(1.9e-4 * n * n))],
    ['full scale', () => new Float32Array(1000).fill(1)],
  ];
  it.each(signals)('computes the log-mel of %s', async (_, signal) => {
    const samples = signal();
    const worst = worstDifference(await exportedLogMel(samples, defaultFrontEnd), logMel64(samples));
    expect(worst).toBeLessThan(1e-3);
  });

  it.each<Partial<LogMelConfig>>([
    { windowLength: 512 },
    { windowLength: 401 },
    { windowLength: 320, hop: 320 },
    { windowLength: 200, hop: 300, fftSize: 256 },
    { windowLength: 100, hop: 30, fftSize: 510, bands: 8 },
    { sampleRate: 8000, lowHz: 0, highHz: 4000, bands: 20, logOffset: 1e-3 },
  ])('follows the front end %o', async (change) => {
    const config = { ...defaultFrontEnd, ...change };
    const samples = drums.subarray(0, 5003);
    // A full-scale recording leaves float32 noise of some 1e-6 in each DFT bin; where a band is at the log offset (1e-6
    // in power, 1e-3 in amplitude), that is some 1e-3 in log-mel. A wrong window or triangle would be off by far more.
    expect(worstDifference(await exportedLogMel(samples, config), logMel64(samples, config))).toBeLessThan(2e-3);
  });

  it('embeds slices as the log-mel model does', async () => {
    const input = drums.slice(0, 3 * sliceSamples);
    const expected = [0, 1, 2].flatMap((i) => [
      ...embedWaveform64(model, input.subarray(i * sliceSamples, (i + 1) * sliceSamples)),
    ]);
    const cases = [{ input, shape: [3, sliceSamples], expected: Float32Array.from(expected) }];
    const parity = await measureParity(await openOnnx(onnxBytes(buildOnnx(model, { input: 'waveform' }))), cases);
    expect(parity.maxAbsError).toBeLessThan(1e-3);
    expect(parity.relativeError).toBeLessThan(1e-5);
  });

  it.each([96, 48, 40, 100])('cuts a recording of any length into slices every %s frames', async (hop) => {
    const session = await open({ input: 'waveform', samples: 'any', hop });
    for (const length of [
      drums.length,
      sliceSamples,
      sliceSamples + 1,
      sliceSamples + 160,
      sliceSamples + 160 * hop - 1,
    ]) {
      const samples = drums.slice(0, length);
      const result = await session.run({ waveform: new Tensor('float32', samples, [1, length]) });
      const expected = embedWaveform64(model, samples, hop);
      expect(result.embedding!.dims).toEqual([expected.length / embedding, embedding]);
      expect(worstDifference(result.embedding!.data as Float32Array, expected)).toBeLessThan(1e-3);
    }
  });

  it('fills a short recording up with silence', async () => {
    const session = await open({ input: 'waveform', samples: 'any' });
    for (const length of [1, 5000, sliceSamples - 1]) {
      const padded = new Float32Array(sliceSamples);
      padded.set(drums.subarray(0, length));
      const result = await session.run({ waveform: new Tensor('float32', drums.slice(0, length), [1, length]) });
      expect(worstDifference(result.embedding!.data as Float32Array, embedWaveform64(model, padded))).toBeLessThan(
        1e-3,
      );
    }
  });
});

describe('classifier', () => {
  it('adds probabilities and keeps the labels', async () => {
    const labels = ['dog', 'cat', 'rain'];
    const random = uniform(2);
    const weights = Float32Array.from({ length: 3 * embedding }, () => 0.1 * (random() - 0.5));
    const bias = Float32Array.of(0.1, -0.2, 0.3);
    const proto = buildOnnx(model, { classifier: { labels, weights, bias } });
    expect(proto.metadataProps.find((p) => p.key === 'audio2vec.labels')?.value).toBe(JSON.stringify(labels));
    const session = await InferenceSession.create(onnxBytes(proto));
    const { embedding: z, probabilities } = await session.run({
      log_mel: new Tensor('float32', slices, [3, frames, bands]),
    });
    for (let n = 0; n < 3; n++) {
      const vector = (z!.data as Float32Array).subarray(n * embedding, (n + 1) * embedding);
      const logits = labels.map((_, c) => vector.reduce((s, v, i) => s + v * weights[c * embedding + i]!, bias[c]!));
      const sum = logits.reduce((s, l) => s + Math.exp(l), 0);
      logits.forEach((l, c) => {
        expect((probabilities!.data as Float32Array)[n * 3 + c]).toBeCloseTo(Math.exp(l) / sum, 4);
      });
    }
  });
});

describe('arguments', () => {
  it.each<[string, object]>([
    ['input', { input: 'mfcc' }],
    ['batch', { batch: 0 }],
    ['batch', { input: 'waveform', samples: 'any', batch: 2 }],
    ['samples', { input: 'waveform', samples: 16000 }],
    ['hop', { input: 'waveform', samples: 'any', hop: 0.5 }],
    ['classifier', { classifier: { labels: ['a', 'b'], weights: new Float32Array(3), bias: new Float32Array(2) } }],
    ['classifier.labels', { classifier: { labels: ['a'], weights: new Float32Array(128), bias: new Float32Array(1) } }],
  ])('refuses a wrong %s', (name, options) => {
    expect(() => buildOnnx(model, options as OnnxOptions)).toThrow(new RegExp(`^${name} must be`));
  });
});

describe('files', () => {
  const cases = () => [{ input: slices, shape: [3, frames, bands], expected: embed64(model, slices) }];
  const quantize = () => ({ calibration: [{ input: slices, shape: [3, frames, bands] }] });

  it.each<[Precision, string, number]>([
    ['float32', 'onnx', 520_000],
    ['float16', 'onnx', 270_000],
    ['int8', 'onnx', 160_000],
    ['float32', 'ort', 550_000],
    ['float16', 'ort', 295_000],
    ['int8', 'ort', 175_000],
  ])('%s as .%s stays close and small', async (precision, extension, limit) => {
    const file = join(folder, `${precision}.${extension}`);
    const exported = await exportOnnx(file, model, { precision, cases: cases(), quantize: quantize() });
    const bytes = await readFile(file);
    expect(bytes.length).toBe(exported.bytes);
    expect(bytes.length).toBeLessThan(limit);
    expect(await measureParity(await openOnnx(bytes), cases())).toEqual(exported.parity);
    if (precision !== 'float32') expect(exported.parity.relativeError).toBeLessThan(precision === 'int8' ? 0.03 : 1e-3);
    if (extension === 'onnx') {
      const props = fromBinary(ModelProtoSchema, bytes).metadataProps;
      const stored = JSON.parse(props.find((p) => p.key === 'audio2vec.parity')!.value);
      expect(stored).toMatchObject(exported.parity);
    }
  });

  it('int8 of the waveform model, with 7-bit weights and every calibration', async () => {
    const input = drums.slice(0, sliceSamples);
    const waveCases = [{ input, shape: [1, sliceSamples], expected: embedWaveform64(model, input) }];
    for (const method of ['min-max', 'percentile', 'mse'] as const) {
      const { parity } = await exportOnnx(join(folder, `wave-${method}.onnx`), model, {
        input: 'waveform',
        precision: 'int8',
        cases: waveCases,
        quantize: { calibration: waveCases, method, weightBits: 7, floatLayers: [] },
      });
      expect(parity.minCosine).toBeGreaterThan(0.995);
    }
  });

  it('keeps a model that disagrees under another name and throws ERR_PARITY', async () => {
    const [good] = cases();
    const wrong = { ...good!, expected: good!.expected.map((v, i) => (i === 5 ? v + 0.01 : v)) };
    const file = join(folder, 'wrong.onnx');
    const exporting = exportOnnx(file, model, { cases: [wrong] });
    await expect(exporting).rejects.toMatchObject({ code: 'ERR_PARITY' });
    await expect(exporting).rejects.toThrow(/maxAbsError is 0\.0100, the limit 0\.0001/);
    expect((await readdir(folder)).filter((f) => f.startsWith('wrong'))).toEqual(['wrong.rejected.onnx']);
  });

  it('rejects a NaN', async () => {
    const [good] = cases();
    const input = good!.input.map((v, i) => (i === 7 ? Number.NaN : v));
    const exporting = exportOnnx(join(folder, 'nan.onnx'), model, { cases: [{ ...good!, input }] });
    await expect(exporting).rejects.toMatchObject({ code: 'ERR_PARITY' });
  });

  it('refuses wrong names, no cases, int8 without calibration; stops when told to', async () => {
    const file = join(folder, 'x.onnx');
    await expect(exportOnnx(join(folder, 'x.tflite'), model, { cases: cases() })).rejects.toThrow(/\.onnx or \.ort/);
    await expect(exportOnnx(file, model, { cases: [] })).rejects.toThrow(/cases/);
    await expect(exportOnnx(file, model, { cases: cases(), precision: 'int8' })).rejects.toThrow(/quantize/);
    const signal = AbortSignal.abort();
    await expect(exportOnnx(file, model, { cases: cases(), signal })).rejects.toThrow(/abort/i);
  });
});
