// exportModel: several inputs and outputs, front ends inside, precisions, and what can go wrong.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultOutputLimits, type ExportModelOptions, exportModel } from '../lib/export/export-model.js';
import { loadDeployed } from '../lib/export/model-files.js';
import { checkFrontEnd } from '../lib/features/front-ends.js';
import { samplesOf } from '../lib/features/slices.js';
import { Graph, sizeOf } from '../lib/graph/graph.js';
import type { DeployedModel } from '../lib/models/deployed-model.js';
import { deployedEncoder, saveEncoderModel } from '../lib/models/encoder-model.js';
import { Random } from '../lib/util/random.js';
import { writeSafetensors } from '../lib/util/safetensors.js';
import { randomModel } from './helpers/models.js';
import { recording } from './helpers/recordings.js';

let folder: string;
let clips: Float32Array[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-model-'));
  clips = await Promise.all(['loop_amen', 'ambi_piano'].map(async (name) => (await recording(name)).slice(0, 48_000)));
});
afterAll(() => rm(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

function randomWeights(graph: Graph): Map<string, Float32Array> {
  const rng = new Random(7);
  return new Map(
    graph.params.map(({ name, shape }) => {
      const bound = shape.length > 1 ? 1.7 / Math.sqrt(sizeOf(shape.slice(1))) : 0.5;
      const least = name.endsWith('running_var') || /norm.weight$/.test(name) ? 0.6 : 0;
      return [name, Float32Array.from({ length: sizeOf(shape) }, () => least + rng.uniform(-bound, bound))];
    }),
  );
}

/** Convolutions over time: a vector, a sequence, a map and codes. */
function sequenceModel(kind: 'log-mel' | 'cqt' = 'log-mel'): DeployedModel {
  const frontEnd = checkFrontEnd(kind === 'cqt' ? { kind, bins: 48 } : { kind, bands: 32 });
  const width = kind === 'cqt' ? 48 : 32;
  const graph = new Graph();
  const x = graph.input('frames', [20, width, 1]);
  const map = graph.relu('map', graph.batchNorm('norm', graph.conv('c1', x, [3, 3], 4, false), false));
  const flat = graph.conv('whole', map, [1, 15], 8, true, { stride: [1, 15], padding: ['same', 'none'] });
  const time = graph.conv('time', flat, [5, 1], 12, true, { dilation: [2, 1], padding: 'causal' });
  const sequence = graph.layerNorm('sequence', graph.globalPool('over_bands', 'mean', time, 'bands'));
  graph.oneHot('codes', sequence, 6);
  graph.l2Normalize('vector', graph.dense('head', graph.globalPool('mean', 'mean', sequence), 5));
  graph.loss('loss', 'mse', [sequence, graph.input('target', [20, 1, 12])]);
  const mean = new Float32Array(width).fill(-4);
  const std = Float32Array.from({ length: width }, (_, i) => 2 + (i % 3));
  return {
    kind: 'toy',
    graph,
    weights: randomWeights(graph),
    inputs: [{ node: 'frames', frontEnd, mean, std }],
    outputs: ['vector', 'sequence', 'map', 'codes'].map((node) => ({ name: node, node })),
    metadata: { toy: '{"a":1}' },
  };
}

/** Two recordings go through the same weights; a distance and both embeddings come out. */
function distanceModel(): DeployedModel {
  const graph = new Graph();
  const embedding = (name: string, share: string) => {
    const x = graph.input(name, [10, 1, 40]);
    const h = graph.pointwise(`${name}.leaky`, 'leaky_relu', graph.conv(`${name}.c`, x, [5, 1], 16, true, { share }));
    return graph.l2Normalize(`${name}.z`, graph.globalPool(`${name}.std`, 'std', h));
  };
  const [a, b] = [embedding('reference', 'reference.c'), embedding('degraded', 'reference.c')];
  const gap = graph.pointwise('gap', 'abs', graph.sub('difference', a, b));
  graph.pointwise('distance', 'sigmoid', graph.dense('judge', gap, 1));
  const frontEnd = checkFrontEnd({ kind: 'pcm', hop: 40 });
  return {
    kind: 'distance',
    graph,
    weights: randomWeights(graph),
    inputs: ['reference', 'degraded'].map((node) => ({ node, frontEnd })),
    outputs: [
      { name: 'distance', node: 'distance' },
      { name: 'first', node: a.name },
    ],
    metadata: {},
  };
}

describe('several outputs', () => {
  it.each<[string, ExportModelOptions]>([
    ['onnx', {}],
    ['onnx', { input: 'waveform' }],
    ['onnx', { input: 'waveform', samples: 'any', hop: 7 }],
    ['ort', { batch: 3 }],
    ['onnx', { precision: 'float16' }],
    ['onnx', { precision: 'int8' }],
    ['ort', { precision: 'int8', input: 'waveform' }],
    ['tflite', {}],
    ['tflite', { batch: 2, input: 'waveform' }],
    ['tflite', { precision: 'int8' }],
  ])('.%s %o', async (ending, options) => {
    const { parity } = await exportModel(at(`toy.${ending}`), sequenceModel(), { ...options, clips, threads: 1 });
    expect(Object.keys(parity.outputs)).toEqual(['vector', 'sequence', 'map', 'codes']);
    if (options.precision === undefined && options.input === undefined) {
      for (const output of Object.values(parity.outputs)) expect(output.maxAbsError).toBeLessThan(1e-4);
    }
  });

  it.each(['onnx', 'tflite'])('of a constant-Q transform: .%s', async (ending) => {
    for (const input of ['features', 'waveform'] as const) {
      const { parity } = await exportModel(at(`cqt.${ending}`), sequenceModel('cqt'), { input, clips, threads: 1 });
      expect(parity.outputs.sequence!.examples).toBeGreaterThan(1);
    }
  });

  it('shapes and names as the file says, with any number of rows', async () => {
    await exportModel(at('shapes.onnx'), sequenceModel(), { clips, threads: 1 });
    const session = await InferenceSession.create(at('shapes.onnx'));
    expect(session.inputMetadata).toMatchObject([{ name: 'frames', shape: ['N', 20, 32] }]);
    expect(session.outputMetadata).toMatchObject([
      { name: 'vector', shape: ['N', 5] },
      { name: 'sequence', shape: ['N', 20, 12] },
      { name: 'map', shape: ['N', 20, 32, 4] },
      { name: 'codes', shape: ['N', 20, 12] },
    ]);
    for (const rows of [1, 5]) {
      const frames = new Tensor('float32', new Float32Array(rows * 640).fill(-3), [rows, 20, 32]);
      const { codes, map } = await session.run({ frames });
      expect([codes!.dims, map!.dims]).toEqual([
        [rows, 20, 12],
        [rows, 20, 32, 4],
      ]);
    }
  });

  it('the encoder is such a model', async () => {
    const model = randomModel(5, { frames: 32, bands: 32, channels: [4, 8], embedding: 10 });
    for (const file of ['encoder.onnx', 'encoder.tflite']) {
      const { parity } = await exportModel(at(file), deployedEncoder(model), { clips, threads: 1 });
      expect(parity.outputs.embedding!.maxAbsError).toBeLessThan(1e-4);
    }
  });
});

describe('several inputs', () => {
  it.each(['onnx', 'ort', 'tflite'])('.%s', async (ending) => {
    for (const input of ['features', 'waveform'] as const) {
      const options = { input, clips, threads: 1 };
      const { parity } = await exportModel(at(`distance.${ending}`), distanceModel(), options);
      expect(parity.outputs.distance!.maxAbsError).toBeLessThan(1e-4);
    }
    if (ending === 'tflite') return;
    const { inputNames } = await InferenceSession.create(at(`distance.${ending}`));
    expect(inputNames).toEqual(['reference', 'degraded']);
  });

  it('rows of an example, and inputs that no front end gives', async () => {
    const graph = new Graph();
    const views = graph.input('views', [6, 1, 3], 2);
    const picked = graph.gather('picked', views, graph.input('index', [4, 1, 1], 2));
    graph.select('second', picked, 1, 1);
    const inputs = [{ node: 'views' }, { node: 'index' }];
    const outputs = [
      { name: 'both', node: 'picked' },
      { name: 'second', node: 'second' },
    ];
    const deployed = { kind: 'rows', graph, weights: new Map(), inputs, outputs, metadata: {} };
    const rng = new Random(1);
    const examples = Array.from({ length: 5 }, () => ({
      views: Float32Array.from({ length: 36 }, () => rng.uniform()),
      index: Float32Array.from({ length: 8 }, () => rng.int(6)),
    }));
    for (const file of ['rows.onnx', 'rows.tflite']) {
      const { parity } = await exportModel(at(file), deployed, { inputs: examples, threads: 1 });
      expect(parity.outputs.both!.maxAbsError).toBe(0);
    }
    const { outputMetadata } = await InferenceSession.create(at('rows.onnx'));
    expect(outputMetadata).toMatchObject([{ shape: ['N', 2, 4, 3] }, { shape: ['N', 4, 3] }]);
    await expect(exportModel(at('x.onnx'), deployed)).rejects.toThrow(/^inputs must be examples to verify with/);
    await expect(exportModel(at('x.onnx'), deployed, { clips })).rejects.toThrow(/^inputs must be/);
    const wrong = [{ views: new Float32Array(35) }];
    await expect(exportModel(at('x.onnx'), deployed, { inputs: wrong as never })).rejects.toThrow(
      /^inputs\[0\]\.views must be a Float32Array of 36 values/,
    );
  });
});

it('names that a front end and a graph both use', async () => {
  const model = sequenceModel();
  const { graph } = model;
  let x = graph.relu('window', graph.nodes.find((n) => n.name === 'map')!);
  for (const name of ['power', 'mel', 'log_mel', 'waveform', 'centred', 'ints_1']) x = graph.relu(name, x);
  // An output has the name of another node, and two outputs are one value.
  const outputs = [
    { name: 'normalized', node: 'mel' },
    { name: 'mel', node: 'ints_1' },
    { name: 'power', node: 'ints_1' },
  ];
  for (const file of ['names.onnx', 'names.tflite']) {
    await exportModel(at(file), { ...model, outputs }, { input: 'waveform', clips, threads: 1 });
  }
});

it('finds out what a model file holds', async () => {
  const model = randomModel(5, { frames: 32, bands: 32, channels: [4], embedding: 3 });
  await saveEncoderModel(at('encoder.safetensors'), model);
  const { format, deployed } = await loadDeployed(at('encoder.safetensors'));
  expect([format, deployed.kind, deployed.outputs]).toEqual([
    'audio2vec-encoder',
    'encoder',
    [{ name: 'embedding', node: 'encoder.fc' }],
  ]);
  await writeSafetensors(at('other.safetensors'), new Map(), { format: 'constructor' });
  const other = loadDeployed(at('other.safetensors'));
  await expect(other).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT' });
  await expect(other).rejects.toThrow(/no model that can be exported \(audio2vec-encoder.*its format is "constructor"/);
  await expect(loadDeployed(at('nothing.safetensors'))).rejects.toMatchObject({ code: 'ERR_FILE' });
});

describe('what can go wrong', () => {
  it.each<[string, ExportModelOptions, RegExp]>([
    ['x.safetensors', {}, /^file must be a name ending in \.onnx or \.ort or \.tflite/],
    ['x.onnx', { precision: 'int4' as never }, /^precision/],
    ['x.onnx', { input: 'log-mel' as never }, /^input must be "features" or "waveform"/],
    ['x.onnx', { precision: 'int8' }, /^clips must be given for int8/],
    ['x.onnx', { samples: 'any' }, /^samples/],
    ['x.tflite', { precision: 'float16' }, /^precision/],
    ['x.tflite', { batch: 'dynamic' }, /^batch/],
    ['x.onnx', { batch: 0 }, /^batch/],
    ['x.onnx', { hop: 3 }, /^hop/],
  ])('refuses %s with %o', async (file, options, message) => {
    const exporting = exportModel(at(file), sequenceModel(), options);
    await expect(exporting).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(exporting).rejects.toThrow(message);
  });

  it('refuses what is no whole model', async () => {
    const model = sequenceModel();
    const wrong: [Partial<DeployedModel>, RegExp][] = [
      [{ outputs: [] }, /^model must be a DeployedModel with outputs/],
      [{ outputs: [{ name: 'a', node: 'nothing' }] }, /^output must be a node of the graph, got "nothing"/],
      [{ inputs: [] }, /^inputs must be of every input node of the graph, got "none for frames"/],
      [{ weights: new Map() }, /^weights must hold/],
      [{ inputs: [{ node: 'frames', mean: new Float32Array(3) }] }, /^mean of frames must be 32 values/],
      [
        { inputs: [{ node: 'frames', frontEnd: checkFrontEnd({ bands: 64 }) }] },
        /^input frames must be frames of the 64/,
      ],
      [{ outputs: [{ name: 'frames', node: 'vector' }] }, /^names of inputs and outputs must be all different/],
    ];
    for (const [change, message] of wrong) {
      await expect(exportModel(at('x.onnx'), { ...model, ...change }, { clips })).rejects.toThrow(message);
    }
    const twoWaveforms = exportModel(at('x.onnx'), distanceModel(), { input: 'waveform', samples: 'any', clips });
    await expect(twoWaveforms).rejects.toThrow(
      /^samples must be "slice" for a model that takes more than one waveform/,
    );
  });

  it('keeps a file whose output is wrong under another name, and says which', async () => {
    const limits = { sequence: { maxError: 1e-12 } };
    const exporting = exportModel(at('wrong.onnx'), sequenceModel(), { limits, clips, threads: 1 });
    await expect(exporting).rejects.toMatchObject({ code: 'ERR_PARITY' });
    await expect(exporting).rejects.toThrow(/maxError of sequence is .*, the limit 1e-12/);
    expect((await readdir(folder)).filter((f) => f.startsWith('wrong'))).toEqual(['wrong.rejected.onnx']);
  });

  it('allows an output that is more sensitive so many times more', async () => {
    expect(defaultOutputLimits('float32', 'features', { sensitivity: 10 })).toEqual({ maxError: 1e-3 });
    expect(defaultOutputLimits('float16', 'waveform', { sensitivity: 10 })).toEqual({ relativeError: 0.1 });
    expect(defaultOutputLimits('float16', 'waveform', { discrete: true, sensitivity: 10 })).toEqual({
      agreement: 0.99,
    });
    const model = sequenceModel();
    const outputs = model.outputs.map((output) => ({ ...output, sensitivity: 0 }));
    const refusal = { code: 'ERR_ARGUMENT', message: expect.stringContaining('sensitivity of') };
    await expect(exportModel(at('s.onnx'), { ...model, outputs })).rejects.toMatchObject(refusal);
  });

  it('stops when told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(exportModel(at('x.onnx'), sequenceModel(), { signal })).rejects.toThrow('enough');
  });

  it('has a waveform of the samples that the frames need', async () => {
    await exportModel(at('waveform.onnx'), sequenceModel(), { input: 'waveform', batch: 1, clips, threads: 1 });
    const { inputMetadata } = await InferenceSession.create(at('waveform.onnx'));
    const samples = samplesOf(20, checkFrontEnd({ bands: 32 }));
    expect(inputMetadata).toMatchObject([{ name: 'waveform', shape: [1, samples] }]);
  });
});
