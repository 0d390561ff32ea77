// The recorded reference belongs to this model: same formula, same parameter names, same sizes.
import { describe, expect, it } from 'vitest';
import { Graph, sizeOf } from '../lib/graph/graph.js';
import { decoder, defaultEncoder, encoder } from '../lib/models/blocks.js';
import {
  digestLike,
  type GoldenTask,
  goldenParameter,
  goldenSlices,
  readGolden,
  splitMiddle,
} from './helpers/golden.js';

function modelOf(task: GoldenTask): Graph {
  const g = new Graph();
  const [rows, vectors, outputs] = { cbow: [4, 4, 1], skipgram: [1, 1, 4], gap: [2, 2, 0] }[task] as [
    number,
    number,
    number,
  ];
  const z = encoder(g, g.input('slices', [96, 64, 1], rows), defaultEncoder);
  const joined = g.reshape('joined', z, [vectors * 128], 1);
  if (outputs) decoder(g, joined, defaultEncoder, outputs);
  else g.dense('fc2', g.relu('relu', g.dense('fc1', joined, 64)), 1);
  return g;
}

describe.each(['cbow', 'skipgram', 'gap'] as const)('recorded reference of %s', (task) => {
  const golden = readGolden(task);
  const { params } = modelOf(task);

  it('has the gradients of exactly the parameters the description has', () => {
    const trainable = params.filter((p) => p.trainable).map((p) => p.name);
    expect(Object.keys(golden.gradients).sort()).toEqual(trainable.sort());
    expect(Object.keys(golden.stateAfterTen).sort()).toEqual(params.map((p) => p.name).sort());
  });

  it('samples entries that exist', () => {
    for (const p of params) {
      const last = golden.stateAfterTen[p.name]!.entries.at(-1)!.index;
      expect(last, p.name).toBeLessThan(sizeOf(p.shape));
      expect(last, p.name).toBeGreaterThanOrEqual(Math.floor((sizeOf(p.shape) * 7) / 8));
    }
  });

  it('starts from the values that the formula gives here', () => {
    const close = (name: string, values: Float32Array) => {
      const expected = golden.inputs[name]!;
      const got = digestLike(expected, values);
      expect(got.sum).toBeCloseTo(expected.sum, 8);
      expect(got.l2).toBeCloseTo(expected.l2, 8);
      for (const [i, { value }] of expected.entries.entries()) expect(got.entries[i]!.value).toBeCloseTo(value, 10);
    };
    close('slices', goldenSlices(task, golden.examples));
    for (const name of ['encoder.fc.weight', 'encoder.blocks.0.conv_t.bn.weight']) {
      close(name, goldenParameter(name, params.find((p) => p.name === name)!.shape));
    }
  });
});

it('splitMiddle keeps the order in time', () => {
  const slices = Float32Array.from({ length: 2 * 5 * 96 * 64 }, (_, i) => Math.floor(i / (96 * 64)));
  const { middle, around } = splitMiddle(slices);
  const heads = (x: Float32Array) => [...x].filter((_, i) => i % (96 * 64) === 0);
  expect(heads(middle)).toEqual([2, 7]);
  expect(heads(around)).toEqual([0, 1, 3, 4, 5, 6, 8, 9]);
});
