// Options that nobody knows, such as those that are misspelt, are refused by everything that takes options, by name.
import { beforeAll, describe, expect, it } from 'vitest';
import {
  ArticulatoryInversion,
  buildFeatureStore,
  Classifier,
  Encoder,
  evaluate,
  exportEncoder,
  exportModel,
  featureStream,
  features,
  featuresSync,
  fineTuneFolder,
  joinFederation,
  LogMelStream,
  layerTable,
  lossAndGradients,
  PcmStream,
  PerceptualMetric,
  PitchEstimator,
  PluckedString,
  pretrain,
  readAudio,
  resumePretraining,
  resumeTraining,
  SpeechCodes,
  serve,
  simulate,
  streamAudio,
  train,
  VocalTract,
  weighFolder,
} from '../lib/index.js';

const samples = new Float32Array(16_000);
let encoder: Encoder;
let classifier: Classifier;
let pitch: PitchEstimator;
let speech: SpeechCodes;
let metric: PerceptualMetric;
let inversion: ArticulatoryInversion;
beforeAll(async () => {
  encoder = await Encoder.pretrained({ threads: 1 });
  const labels = ['a', 'b'];
  const { dimension: width } = encoder;
  classifier = Classifier.fromModel(encoder, {
    ...{
      labels,
      weights: new Float32Array(2 * width),
      bias: new Float32Array(2),
      directions: new Float32Array(2 * width),
    },
    ...{ mean: new Float32Array(width), std: new Float32Array(width).fill(1), threshold: 0 },
    listening: { hopSeconds: 0.5, smoothSeconds: 1, threshold: 0.5, refractorySeconds: 1 },
  });
  pitch = await PitchEstimator.pretrained();
  speech = await SpeechCodes.pretrained({ threads: 1 });
  metric = await PerceptualMetric.pretrained({ threads: 1 });
  inversion = await ArticulatoryInversion.pretrained({ threads: 1 });
});

/** With an option, by what it is called. `O` is whatever the call takes. */
type Call = (options: never) => unknown;

const calls: Record<string, Call> = {
  'Encoder.load': (o) => Encoder.pretrained(o),
  'Encoder.fromModel': (o) => Encoder.fromModel(encoder.model, o),
  'encoder.sceneEmbedding': (o) => encoder.sceneEmbedding(samples, o),
  'encoder.sceneEmbeddings': (o) => encoder.sceneEmbeddings([samples], o),
  'encoder.timestampEmbeddings': (o) => encoder.timestampEmbeddings(samples, o),
  'encoder.embedLogMel': (o) => encoder.embedLogMel(new Float32Array(64 * 100), o),
  'encoder.stream': (o) => encoder.stream(o),
  'encoder.live': (o) => encoder.live([samples], o).next(),
  'encoder.transform': (o) => encoder.transform(o),
  'Classifier.fit': (o) => Classifier.fit('nowhere', encoder, o),
  'classifier.classify': (o) => classifier.classify(samples, o),
  'classifier.classifyAll': (o) => classifier.classifyAll([samples], o),
  'classifier.live': (o) => classifier.live([samples], o).next(),
  'classifier.transform': (o) => classifier.transform(o),
  'PitchEstimator.load': (o) => PitchEstimator.pretrained(o),
  'PitchEstimator.fromModel': (o) => PitchEstimator.fromModel(pitch.model, o),
  'pitch.estimate': (o) => pitch.estimate(samples, o),
  'pitch.stream': (o) => pitch.stream(o),
  'pitch.latency': (o) => pitch.latency(o),
  'SpeechCodes.load': (o) => SpeechCodes.pretrained(o),
  'speech.encode': (o) => speech.encode(samples, o),
  'speech.decode': (o) => speech.decode([0, 0, 0, 0, 0, 0, 0, 0], o),
  'speech.stream': (o) => speech.stream(o),
  'PerceptualMetric.load': (o) => PerceptualMetric.pretrained(o),
  'metric.distance': (o) => metric.distance(samples, samples, o),
  'metric.distances': (o) => metric.distances([{ reference: samples, test: samples }], o),
  'metric.compare': (o) => metric.compare(samples, samples, o),
  'metric.compare, align': (o) => metric.compare(samples, samples, { align: o }),
  'metric.gradient': (o) => metric.gradient(samples, samples, o),
  'metric.embed': (o) => metric.embed(samples, o),
  'ArticulatoryInversion.load': (o) => ArticulatoryInversion.pretrained(o),
  'ArticulatoryInversion.learn': (o) => ArticulatoryInversion.learn(new PluckedString(), [samples], o),
  'inversion.invert': (o) => inversion.invert(samples, o),
  'inversion.synthesize': (o) => inversion.synthesize({} as never, o),
  'inversion.stream': (o) => inversion.stream(o),
  'inversion.adapt': (o) => inversion.adapt([samples], o),
  'new VocalTract': (o) => new VocalTract(o),
  'tract.synthesize': (o) => new VocalTract().synthesize([], o),
  'new PluckedString': (o) => new PluckedString(o),
  'string.synthesize': (o) => new PluckedString().synthesize([], o),
  'new PcmStream': (o) => new PcmStream(o),
  'new LogMelStream': (o) => new LogMelStream(o),
  featureStream: (o) => featureStream(o),
  train: (o) => train({ system: 'pitch', corpus: 'nowhere', out: 'nowhere', ...(o as object) }).next(),
  pretrain: (o) => pretrain({ corpus: 'nowhere', out: 'nowhere', ...(o as object) }).next(),
  'pretrain, encoder': (encoder) => pretrain({ corpus: 'nowhere', out: 'nowhere', encoder }).next(),
  'pretrain, augmentation': (augmentation) => pretrain({ corpus: 'nowhere', out: 'nowhere', augmentation }).next(),
  'pretrain, task': (o) =>
    pretrain({ corpus: 'nowhere', out: 'nowhere', task: [{ task: 'cbow', ...(o as object) }] }).next(),
  resumePretraining: (o) => resumePretraining({ corpus: 'nowhere', out: 'nowhere', ...(o as object) }).next(),
  features: (o) => features(samples, o),
  featuresSync: (o) => featuresSync(samples, o),
  readAudio: (o) => readAudio('nowhere.wav', o),
  streamAudio: (o) => streamAudio('nowhere.wav', o).next(),
  buildFeatureStore: (o) => buildFeatureStore('nowhere', 'nowhere', o),
  evaluate: (o) => evaluate('nowhere', encoder, o),
  fineTuneFolder: (o) => fineTuneFolder('nowhere', o).next(),
  weighFolder: (o) => weighFolder('nowhere', o),
  exportEncoder: (o) => exportEncoder('nowhere.onnx', encoder.model, o),
  exportModel: (o) => exportModel('nowhere.onnx', {} as never, o),
  simulate: (o) => simulate({ corpus: 'nowhere', out: 'nowhere' }, { clients: 2, rounds: 1, ...(o as object) }).next(),
  serve: (o) => serve({ out: 'nowhere', rounds: 1, ...(o as object) }),
  joinFederation: (o) =>
    joinFederation({ url: 'http://localhost:1', token: 'a', data: 'nowhere', out: 'nowhere', ...(o as object) }),
  resumeTraining: (o) => resumeTraining({ corpus: 'nowhere', out: 'nowhere', ...(o as object) }).next(),
  ...Object.fromEntries(
    ['pitch', 'codes', 'metric', 'articulation'].map((system): [string, Call] => [
      `train, options of ${system}`,
      (options) => train({ system, corpus: 'nowhere', out: 'nowhere', options }).next(),
    ]),
  ),
};

/** With nothing, or with something that it cannot be. */
const without: Record<string, () => unknown> = {
  'pretrain()': () => pretrain(undefined as never).next(),
  'pretrain, no corpus': () => pretrain({ out: 'nowhere' } as never).next(),
  'pretrain, a number for a corpus': () => pretrain({ corpus: 5, out: 'nowhere' } as never).next(),
  'pretrain, no folder': () => pretrain({ corpus: 'nowhere' } as never).next(),
  'resumePretraining, no corpus': () => resumePretraining({ out: 'nowhere' } as never).next(),
  'train, no corpus': () => train({ system: 'pitch', out: 'nowhere' } as never).next(),
  'train, no system': () => train({ corpus: 'nowhere', out: 'nowhere' } as never).next(),
  'train, an empty system': () => train({ system: {}, corpus: 'nowhere', out: 'nowhere' } as never).next(),
  'train, no options': () =>
    train({ system: 'pitch', corpus: 'nowhere', out: 'nowhere', options: null } as never).next(),
  'resumeTraining()': () => resumeTraining(undefined as never).next(),
  'buildFeatureStore()': () => (buildFeatureStore as unknown as Call)(undefined as never),
  'buildFeatureStore, no file': () => buildFeatureStore('nowhere', undefined as never),
  'layerTable()': () => layerTable(undefined as never),
  'simulate()': () => simulate({ corpus: 'nowhere', out: 'nowhere' }, undefined as never).next(),
  'serve()': () => serve(undefined as never),
  'joinFederation()': () => joinFederation(undefined as never),
  'lossAndGradients()': () => (lossAndGradients as unknown as Call)(undefined as never),
  'Encoder.fromModel()': () => Encoder.fromModel(null as never),
  'SpeechCodes.fromModel()': () => SpeechCodes.fromModel(null as never),
  'PerceptualMetric.fromModel()': () => PerceptualMetric.fromModel(null as never),
  'ArticulatoryInversion.fromModel()': () => ArticulatoryInversion.fromModel(null as never),
  'PitchEstimator.fromModel()': () => PitchEstimator.fromModel(null as never),
  'PitchEstimator.fromModel, weights': () => PitchEstimator.fromModel({ ...pitch.model, weights: {} as never }),
  'exportModel, inputs': () => exportModel('nowhere.onnx', {} as never, { inputs: {} } as never),
};

it.each(Object.keys(without))('%s says what is missing', async (name) => {
  const called = async () => without[name]!();
  await expect(called()).rejects.toMatchObject({ name: 'Audio2VecError', code: 'ERR_ARGUMENT' });
});

describe('an option that nobody knows', () => {
  it.each(Object.keys(calls))('is refused by %s', async (name) => {
    const wrong = (options: object) => (async () => calls[name]!(options as never))();
    const refusal = { code: 'ERR_ARGUMENT', message: expect.stringContaining('"sampelRate"') };
    await expect(wrong({ sampelRate: 44_100 })).rejects.toMatchObject(refusal);
  });
});

describe('what is to be called and is no function', () => {
  const options = {
    'pitch.estimate': 'onProgress',
    'ArticulatoryInversion.learn': 'onProgress',
    buildFeatureStore: 'onProgress',
    weighFolder: 'onProgress',
    evaluate: 'onClip',
    train: 'onFile',
  };
  it.each(Object.entries(options))('%s, %s', async (call, option) => {
    const called = async () => calls[call]!({ [option]: 5 } as never);
    const message = expect.stringContaining(`${option} must be a function`);
    await expect(called()).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message });
  });
});
