// Inputs that are gathered from several columns of a feature store, each normalised by its own statistics.
import { expect, it } from 'vitest';
import { Network } from '../../lib/engine/network.js';
import { Graph } from '../../lib/graph/graph.js';
import { uniform } from '../helpers/golden.js';

const floats = (name: string, count: number) => Float32Array.from(uniform(name, count));

const column = (name: string, width: number) => ({
  store: { frames: 30, width, native: floats(name, 30 * width) },
  mean: floats(`${name} mean`, width),
  std: floats(`${name} std`, width).map((v) => 1 + Math.abs(v)),
});
const [mel, cqt] = [column('mel', 8), column('cqt', 20)];

function graph(): Graph {
  const g = new Graph();
  g.conv('both', g.concat('beside', [g.input('mel', [4, 8, 1]), g.input('again', [4, 8, 1])]), [1, 1], 1, false);
  g.relu('spectrum', g.input('cqt', [1, 20, 1]));
  return g;
}

it('each input has its source', async () => {
  const network = new Network(graph(), { maxExamples: 2, threads: 1, ...mel, inputs: { cqt } });
  const frames = { frames: Float64Array.of(3, 26) };
  const batch = { examples: 2, inputs: { mel: frames, again: frames, cqt: frames } };
  const { mel: m, cqt: c } = await network.outputs(batch, ['mel', 'cqt']);
  const value = ({ store, mean, std }: typeof mel, frame: number, band: number) =>
    (store.native[frame * store.width + band]! - mean[band]!) / std[band]!;
  for (const [example, first] of [3, 26].entries()) {
    for (let t = 0; t < 4; t++)
      for (let f = 0; f < 8; f++) expect(m[(example * 4 + t) * 8 + f]).toBeCloseTo(value(mel, first + t, f), 5);
    for (let f = 0; f < 20; f++) expect(c[example * 20 + f]).toBeCloseTo(value(cqt, first, f), 5);
  }
});

it('sources that do not fit are refused', async () => {
  const refused = (message: RegExp) =>
    expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringMatching(message) });
  expect(() => new Network(graph(), { maxExamples: 1, inputs: { nowhere: cqt } })).toThrow(refused(/nowhere/));
  const frames = { frames: Float64Array.of(3) };
  const batch = { examples: 1, inputs: { mel: frames, again: frames, cqt: frames } };
  const all = new Network(graph(), { maxExamples: 1, threads: 1, ...mel });
  await expect(all.forward(batch, 'spectrum')).rejects.toThrow(refused(/source of cqt/));
  const short = new Network(graph(), { maxExamples: 1, threads: 1, ...mel, inputs: { cqt: { ...cqt, std: mel.std } } });
  await expect(short.forward(batch, 'spectrum')).rejects.toThrow(refused(/source of cqt/));
  for (const [key, value] of [
    ['mean', Number.NaN],
    ['std', 0],
    ['std', -1],
    ['std', Number.POSITIVE_INFINITY],
  ] as const) {
    const wrong = { ...mel, [key]: mel[key].map((v, i) => (i === 2 ? value : v)) };
    expect(() => new Network(graph(), { maxExamples: 1, ...wrong })).toThrow(
      refused(new RegExp(`^${key}\\[2\\] must`)),
    );
  }
  const detached = { ...mel, mean: mel.mean.slice() };
  structuredClone(detached.mean, { transfer: [detached.mean.buffer] });
  expect(() => new Network(graph(), { maxExamples: 1, ...detached })).toThrow(refused(/^mean must be a Float32Array/));
});
