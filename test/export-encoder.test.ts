// exportEncoder: every format for encoders of odd shapes, classifiers from end to end, and what can go wrong.
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Encoder } from '../lib/embed/encoder.js';
import { fitLinearProbe } from '../lib/evaluate/linear-probe.js';
import { parityCases } from '../lib/export/encoder-cases.js';
import { type ExportEncoderOptions, exportEncoder } from '../lib/export/export-encoder.js';
import { defaultLimits, exportOnnx } from '../lib/export/export-onnx.js';
import { beyondLimits } from '../lib/export/parity.js';
import type { FeatureStore } from '../lib/features/feature-store.js';
import { logMel } from '../lib/features/log-mel.js';
import type { EncoderConfig } from '../lib/models/blocks.js';
import type { EncoderModel } from '../lib/models/encoder-model.js';
import { fineTune, runToEnd } from '../lib/train/fine-tune.js';
import { memoryStore } from './helpers/memory-store.js';
import { randomModel } from './helpers/models.js';
import { recording } from './helpers/recordings.js';

const small: EncoderConfig = { frames: 32, bands: 32, channels: [4, 8], embedding: 10 };
const model = randomModel(51, small);

let folder: string;
let drums: Float32Array;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-export-'));
  drums = (await recording('loop_amen')).slice(0, 40_000);
});
afterAll(() => rm(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

describe('shapes and formats', () => {
  const shapes: EncoderConfig[] = [
    small,
    { frames: 32, bands: 64, channels: [8], embedding: 10 },
    { frames: 6, bands: 2, channels: [3], embedding: 5 },
    { frames: 64, bands: 32, channels: [1, 2, 1, 2, 1], embedding: 2 },
  ];
  it.each(shapes)('$frames frames, $bands bands, channels $channels, $embedding values', async (config) => {
    const odd = randomModel(52, config);
    for (const ending of ['onnx', 'ort', 'tflite']) {
      for (const input of ['log-mel', 'waveform'] as const) {
        for (const precision of ['float32', 'float16', 'int8'] as const) {
          if (ending === 'tflite' && precision === 'float16') continue;
          const file = at(`odd.${ending}`);
          const { parity, bytes } = await exportEncoder(file, odd, { input, precision, clips: [drums] });
          expect(beyondLimits(parity, defaultLimits(precision, input))).toEqual([]);
          expect((await readFile(file)).length).toBe(bytes);
        }
      }
    }
  });

  it('a fixed batch and any', async () => {
    for (const [batch, size] of [
      [3, 3],
      ['dynamic', 'N'],
      [undefined, 'N'],
    ] as const) {
      await exportEncoder(at('batch.onnx'), model, { batch, clips: [drums] });
      const { inputMetadata, outputMetadata } = await InferenceSession.create(at('batch.onnx'));
      expect(inputMetadata).toMatchObject([{ name: 'log_mel', shape: [size, 32, 32] }]);
      expect(outputMetadata).toMatchObject([{ name: 'embedding', shape: [size, 10] }]);
    }
  });

  it('synthetic sounds where there are no clips', async () => {
    expect((await exportEncoder(at('synthetic.onnx'), model)).parity.embeddings).toBeGreaterThan(100);
  });

  it('clips shorter than a slice, and silence', async () => {
    const clips = [Float32Array.of(0.5), new Float32Array(20_000)];
    for (const samples of ['slice', 'any'] as const) {
      const { parity } = await exportEncoder(at('short.onnx'), model, { input: 'waveform', samples, clips });
      expect(parity.embeddings).toBeGreaterThan(1);
    }
    await exportEncoder(at('short.onnx'), model, { precision: 'int8', clips });
  });
});

describe('classifiers', () => {
  const labels = ['kick', 'snare', 'loop'];
  const { frames, bands, embedding } = small;

  /** Probabilities that an exported model gives for log-mel slices. */
  async function exportedProbabilities(from: EncoderModel, options: ExportEncoderOptions, slices: Float32Array) {
    await exportEncoder(at('classifier.onnx'), from, options);
    const session = await InferenceSession.create(at('classifier.onnx'));
    const log_mel = new Tensor('float32', slices, [slices.length / (frames * bands), frames, bands]);
    return (await session.run({ log_mel })).probabilities!.data as Float32Array;
  }
  function expectClose(got: ArrayLike<number>, wanted: ArrayLike<number>): void {
    expect(got.length).toBe(wanted.length);
    for (let i = 0; i < got.length; i++) expect(got[i]).toBeCloseTo(wanted[i]!, 4);
  }

  it('a linear probe', async () => {
    const features = await logMel(drums, { frontEnd: model.frontEnd });
    const slices = features.slice(0, 7 * frames * bands);
    const { embeddings } = await Encoder.fromModel(model, { threads: 1 }).embedLogMel(slices, { hop: frames });
    const probe = await fitLinearProbe({
      ...{ embeddings, dim: embedding, classes: 3 },
      labels: Int32Array.of(0, 1, 2, 0, 1, 2, 0),
    });
    const classifier = { labels, ...probe.raw() };
    const wanted = probe.probabilities(embeddings);
    expectClose(await exportedProbabilities(model, { classifier, clips: [drums] }, slices), wanted);
  });

  it('a fine-tuned encoder', async () => {
    const corpus: FeatureStore = memoryStore(new Array(12).fill(frames), bands);
    const tuned = await runToEnd(
      fineTune({
        ...{ corpus, labels: Int32Array.from({ length: 12 }, (_, i) => i % 3), classes: labels, from: model },
        ...{ steps: 3, batchSize: 4, threads: 1 },
      }),
    );
    const classifier = { labels: tuned.classes, weights: tuned.weight, bias: tuned.bias };
    const slices = corpus.read(0, 12 * frames);
    const wanted = await tuned.predict(corpus);
    expectClose(await exportedProbabilities(tuned.model, { classifier, clips: [drums] }, slices), wanted);
  });
});

describe('the parity of a classifier', () => {
  it.each(['onnx', 'ort', 'tflite'])('is of its probabilities too: .%s', async (ending) => {
    const weights = Float32Array.from({ length: 20 }, (_, i) => Math.sin(i));
    const classifier = { labels: ['a', 'b'], weights, bias: Float32Array.of(0.5, -0.5) };
    for (const precision of ['float32', 'int8'] as const) {
      const { parity } = await exportEncoder(at(`proof.${ending}`), model, { precision, classifier, clips: [drums] });
      expect(parity.maxProbabilityError).toBeGreaterThanOrEqual(0);
      expect(parity.maxProbabilityError).toBeLessThan(precision === 'int8' ? 0.2 : 1e-5);
    }
  });

  it('fails with ERR_PARITY', async () => {
    const classifier = { labels: ['a', 'b'], weights: new Float32Array(20), bias: new Float32Array(2) };
    const cases = await parityCases(model, [drums], { input: 'log-mel', batch: 1, fixed: false });
    for (const one of cases) one.probabilities = [0.5, 0.5];
    await exportOnnx(at('head.onnx'), model, { classifier, cases });
    cases[0]!.probabilities = [0.6, 0.4];
    const exporting = exportOnnx(at('wrong-head.onnx'), model, { classifier, cases });
    await expect(exporting).rejects.toThrow(/maxProbabilityError is 0\.100, the limit 0\.001/);
    await expect(exportOnnx(at('no-head.onnx'), model, { cases })).rejects.toThrow(/0 values of probabilities/);
  });
});

describe('what can go wrong', () => {
  const wrong: [string, object, RegExp][] = [
    ['x.txt', {}, /^file must be a name ending in \.onnx/],
    ['x.onnx', { precision: 'int4' }, /^precision/],
    ['x.tflite', { precision: 'float16' }, /^precision/],
    ['x.onnx', { precision: 'int8' }, /^clips must be given for int8/],
    ['x.onnx', { input: 'mfcc' }, /^input/],
    ['x.onnx', { samples: 'any' }, /^samples/],
    ['x.tflite', { input: 'waveform', samples: 'any' }, /^samples/],
    ['x.onnx', { hop: 7 }, /^hop must be left out/],
    ['x.onnx', { input: 'waveform', samples: 'any', hop: 0 }, /^hop/],
    ['x.onnx', { batch: 0 }, /^batch/],
    ['x.tflite', { batch: 'dynamic' }, /^batch/],
    ['x.onnx', { clips: 'recordings' }, /^clips/],
    ['x.onnx', { clips: [new Float32Array()] }, /^clips\[0\]/],
    ['x.onnx', { clips: [Float32Array.of(0, Number.NaN)] }, /^clips\[0\]\[1\] must be finite/],
    ['x.onnx', { classifier: {} }, /^classifier/],
    ['x.onnx', { classifier: { labels: ['a', 'b'], weights: new Float32Array(19), bias: [0, 0] } }, /\[2, 10\]/],
    [
      'x.onnx',
      { classifier: { labels: ['a', 'b'], weights: new Float32Array(20), bias: [0, Number.NaN] } },
      /finite, got NaN/,
    ],
  ];
  it.each(wrong)('refuses %s with %o', async (file, options, message) => {
    const exporting = exportEncoder(at(file), model, options);
    await expect(exporting).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(exporting).rejects.toThrow(message);
  });

  it('refuses what is no model', async () => {
    for (const other of [undefined, {}, { ...model, weights: new Map() }]) {
      const exporting = exportEncoder(at('x.onnx'), other as EncoderModel, { clips: [drums] });
      await expect(exporting).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    }
  });

  it('says at once that it cannot write', async () => {
    const missing = exportEncoder(at('nowhere/x.onnx'), model, { clips: [drums] });
    await expect(missing).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(missing).rejects.toThrow(/there is no folder .*nowhere/);
    await mkdir(at('folder.onnx'));
    await expect(exportEncoder(at('folder.onnx'), model, { clips: [drums] })).rejects.toMatchObject({
      code: 'ERR_FILE',
    });
  });

  it.each(['onnx', 'tflite'])('stops in the middle and leaves nothing behind: .%s', async (ending) => {
    const before = await readdir(folder);
    const stop = new AbortController();
    // It has begun when the encoder is asked for its first embeddings.
    const embedding = vi.spyOn(Encoder.prototype, 'sceneEmbeddings').mockImplementationOnce(async () => {
      embedding.mockRestore();
      stop.abort(new Error('enough'));
      return new Float32Array(16 * 10);
    });
    const exporting = exportEncoder(at(`stopped.${ending}`), model, { clips: [drums], signal: stop.signal });
    await expect(exporting).rejects.toThrow('enough');
    expect(await readdir(folder)).toEqual(before);
  });

  describe('without the optional runtimes', () => {
    afterEach(() => {
      vi.doUnmock('onnxruntime-node');
      vi.doUnmock('@litertjs/core');
      vi.resetModules();
    });
    it.each([
      ['onnxruntime-node', 'onnx'],
      ['onnxruntime-node', 'ort'],
      ['@litertjs/core', 'tflite'],
    ])('says to install %s for .%s', async (runtime, ending) => {
      vi.resetModules();
      vi.doMock(runtime, () => {
        throw new Error('no such package');
      });
      const fresh = await import('../lib/export/export-encoder.js');
      const exporting = fresh.exportEncoder(at(`x.${ending}`), model, { clips: [drums] });
      await expect(exporting).rejects.toMatchObject({ code: 'ERR_PEER_MISSING' });
      await expect(exporting).rejects.toThrow(`npm install ${runtime}`);
    });
  });
});
