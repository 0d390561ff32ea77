// Whatever is handed over in the place of an argument or option, SpeechCodes, PerceptualMetric and ArticulatoryInversion refuse
// it by name, with ERR_ARGUMENT: never a TypeError, never silently.
import { afterAll, describe, expect, test } from 'vitest';
import { ArticulatoryInversion } from '../lib/systems/articulation/index.js';
import { PerceptualMetric } from '../lib/systems/cdpam/perceptual-metric.js';
import { SpeechCodes } from '../lib/systems/wav2vec-c/system.js';
import { wrongValues } from './helpers/wrong-values.js';

const options = { threads: 1 };
const speech = await SpeechCodes.pretrained(options);
const metric = await PerceptualMetric.pretrained(options);
const inversion = await ArticulatoryInversion.pretrained(options);
afterAll(() => {
  for (const one of [speech, metric, inversion]) one.close();
});

const sound = Float32Array.from({ length: 8000 }, (_, i) => 0.3 * Math.sin((i * i) / 30_000));
const heard = await inversion.invert(sound, { corrections: 0 });

// biome-ignore lint/suspicious/noExplicitAny: what is wrong has any type
type Call = (wrong: any) => unknown;
/** Values that are right in this place. */
type Fits = (value: unknown) => boolean;
const none: Fits = () => false;
const isNumber: Fits = (v) => typeof v === 'number' && Number.isFinite(v);
const isObject: Fits = (v) => typeof v === 'object' && v !== null && !(Symbol.iterator in v) && !(v instanceof Date);

const ofCodes: [string, Call, Fits?][] = [
  ['load options', (wrong) => SpeechCodes.pretrained(wrong), isObject],
  ['threads', (threads) => SpeechCodes.fromModel(speech.model, { threads })],
  ['isa', (isa) => SpeechCodes.fromModel(speech.model, { isa }), (v) => typeof v === 'string'],
  ['samples', (wrong) => speech.encode(wrong)],
  ['encode options', (wrong) => speech.encode(sound, wrong), isObject],
  ['vectors', (vectors) => speech.encode(sound, { vectors })],
  ['signal', (signal) => speech.encode(sound, { signal })],
  ['codes', (wrong) => speech.decode(wrong)],
  ['one code', (wrong) => speech.decode([wrong, ...Array(speech.books - 1).fill(0)]), (v) => v === 0],
  ['decode options', (wrong) => speech.decode(Array(speech.books).fill(0), wrong), isObject],
  ['decode signal', (signal) => speech.decode(Array(speech.books).fill(0), { signal })],
  ['stream options', (wrong) => speech.stream(wrong), isObject],
  ['stream vectors', (vectors) => speech.stream({ vectors })],
  ['chunk', (wrong) => speech.stream().push(wrong), (v) => v instanceof Float32Array],
];

const pair = { reference: sound, test: sound };
const ofMetric: [string, Call, Fits?][] = [
  ['load options', (wrong) => PerceptualMetric.pretrained(wrong), isObject],
  ['threads', (threads) => PerceptualMetric.fromModel(metric.model, { threads })],
  ['isa', (isa) => PerceptualMetric.fromModel(metric.model, { isa }), (v) => typeof v === 'string'],
  ['probability', (wrong) => metric.probability(wrong), (v) => isNumber(v) && (v as number) >= 0],
  ...(['distance', 'compare', 'gradient'] as const).flatMap((method): [string, Call, Fits?][] => [
    [`${method}: reference`, (wrong) => metric[method](wrong, sound)],
    [`${method}: test`, (wrong) => metric[method](sound, wrong)],
    [`${method}: options`, (wrong) => metric[method](sound, sound, wrong), isObject],
    [`${method}: sampleRate`, (sampleRate) => metric[method](sound, sound, { sampleRate })],
    [`${method}: rate of the test`, (rate) => metric[method](sound, sound, { sampleRate: [16000, rate] })],
    [`${method}: signal`, (signal) => metric[method](sound, sound, { signal })],
  ]),
  ['align', (align) => metric.compare(sound, sound, { align }), isObject],
  [
    'align.delay',
    (delay) => metric.compare(sound, sound, { align: { delay } }),
    (v) => v === true || (isNumber(v) && (v as number) >= 0),
  ],
  ['align.level', (level) => metric.compare(sound, sound, { align: { level } }), (v) => v === true],
  ['pairs', (wrong) => metric.distances(wrong), (v) => Array.isArray(v) && v.length === 0],
  ['a pair', (wrong) => metric.distances([wrong])],
  ['rate of a pair', (sampleRate) => metric.distances([{ ...pair, sampleRate }])],
  ['distances options', (wrong) => metric.distances([pair], wrong), isObject],
  ['sound', (wrong) => metric.embed(wrong)],
  ['embed options', (wrong) => metric.embed(sound, wrong), isObject],
  ['embed rate', (sampleRate) => metric.embed(sound, { sampleRate })],
  ['width', (wrong) => metric.deployed(wrong)],
];

const known = { corrections: 0 };
const learning = { steps: 1 };
const ofInversion: [string, Call, Fits?][] = [
  ['load options', (wrong) => ArticulatoryInversion.pretrained(wrong), isObject],
  ['threads', (threads) => ArticulatoryInversion.fromModel(inversion.model, { threads })],
  ['isa', (isa) => ArticulatoryInversion.fromModel(inversion.model, { isa }), (v) => typeof v === 'string'],
  ['process', (process) => ArticulatoryInversion.fromModel(inversion.model, { process })],
  ['samples', (wrong) => inversion.invert(wrong)],
  ['invert options', (wrong) => inversion.invert(sound, wrong), isObject],
  ['corrections', (corrections) => inversion.invert(sound, { corrections }), (v) => v === 0],
  ['search', (search) => inversion.invert(sound, { ...known, search }), (v) => v === 0],
  ['utterance', (utterance) => inversion.invert(sound, { ...known, utterance })],
  ['tract length', (length) => inversion.invert(sound, { ...known, utterance: { length } })],
  ['loudness', (loudness) => inversion.invert(sound, { ...known, loudness }), isNumber],
  ['signal', (signal) => inversion.invert(sound, { ...known, signal })],
  ['inversion', (wrong) => inversion.synthesize(wrong)],
  ...(['frames', 'utterance', 'loudness'] as const).map((part): [string, Call, Fits?] => [
    `inversion.${part}`,
    (wrong) => inversion.synthesize({ ...heard, [part]: wrong }),
    part === 'loudness' ? isNumber : none,
  ]),
  ['synthesize options', (wrong) => inversion.synthesize(heard, wrong), isObject],
  ['synthesize signal', (signal) => inversion.synthesize(heard, { signal })],
  ['stream options', (wrong) => inversion.stream(wrong), isObject],
  ['stream loudness', (loudness) => inversion.stream({ loudness }), isNumber],
  ['stream utterance', (utterance) => inversion.stream({ utterance })],
  ['chunk', (wrong) => inversion.stream().push(wrong), (v) => v instanceof Float32Array],
  ['recordings', (wrong) => inversion.adapt(wrong, learning)],
  ['a recording', (wrong) => inversion.adapt([wrong], learning)],
  ['adapt options', (wrong) => inversion.adapt([sound], wrong), isObject],
  ['steps', (steps) => inversion.adapt([sound], { steps })],
  ['adapt signal', (signal) => inversion.adapt([sound], { ...learning, signal })],
  ['onProgress', (onProgress) => inversion.adapt([sound], { ...learning, onProgress }), (v) => typeof v === 'function'],
  ['own process', (wrong) => ArticulatoryInversion.learn(wrong, [sound], learning)],
];

describe.each([
  ['SpeechCodes', ofCodes],
  ['PerceptualMetric', ofMetric],
  ['ArticulatoryInversion', ofInversion],
] as const)('%s', (_, calls) => {
  test.each(calls)('%s', async (_, call, fits = none) => {
    const wrong = wrongValues.filter((value) => !fits(value));
    expect(wrong.length).toBeGreaterThan(4);
    for (const value of wrong) {
      const found = await Promise.resolve()
        .then(() => call(value))
        .then(
          () => 'taken',
          (error) => (error.code === 'ERR_ARGUMENT' ? 'refused' : error),
        );
      expect({ value, found }).toEqual({ value, found: 'refused' });
    }
  });
});
