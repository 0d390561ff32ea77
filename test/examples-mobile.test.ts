// Names and sizes in the phone examples against what the export writes.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildOnnx } from '../lib/export/onnx.js';
import { randomModel } from './helpers/models.js';

const model = randomModel();
const { graph } = buildOnnx(model, { input: 'waveform', batch: 1 });
const sizes = (value: (typeof graph & object)['input'][number]) => {
  const type = value.type!.value;
  if (type.case !== 'tensorType') throw new Error(`${value.name} is no tensor`);
  return type.value.shape!.dim.map((d) => Number(d.value.value));
};
const [input] = graph!.input;
const [output] = graph!.output;
const hop = (model.config.frames / 2) * model.frontEnd.hop;

/** What each example must say, by the name of its constant. */
const expected = {
  input: input!.name,
  output: output!.name,
  samplerate: model.frontEnd.sampleRate,
  slice: sizes(input!)[1],
  hop,
  dimension: sizes(output!)[1],
};

it('a waveform model takes one row of samples and gives one embedding', () => {
  expect([sizes(input!), sizes(output!)]).toEqual([
    [1, expected.slice],
    [1, expected.dimension],
  ]);
});

describe.each([
  ['mobile/android/Embedder.kt', /const val (\w+) = (?:"(\w+)"|(\d+))/g, Object.keys(expected)],
  ['mobile/ios/Embedder.swift', /static let (\w+) = (?:"(\w+)"|(\d+))/g, Object.keys(expected)],
  [
    'browser/embedder.js',
    /export const (\w+) = (?:'(\w+)'|(\d+));/g,
    ['input', 'output', 'samplerate', 'slice', 'hop'],
  ],
])('%s', (file, constant, keys) => {
  it('names what the model has', async () => {
    const source = await readFile(join(import.meta.dirname, '..', 'examples', file), 'utf8');
    const found = [...source.matchAll(constant)].map(([, key, text, number]) => [
      key!.replace('_', '').toLowerCase(),
      text ?? Number(number),
    ]);
    expect(Object.fromEntries(found)).toEqual(
      Object.fromEntries(keys.map((k) => [k, expected[k as keyof typeof expected]])),
    );
  });
});
