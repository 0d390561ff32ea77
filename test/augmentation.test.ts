import { describe, expect, test } from 'vitest';
import type { Augmentation } from '../lib/engine/augmentation.js';
import { Network } from '../lib/engine/network.js';
import { Graph } from '../lib/graph/graph.js';
import { capabilities } from '../lib/native/addon.js';
import { memoryStore } from './helpers/memory-store.js';

const [frames, bands] = [8, 12];
const store = memoryStore([40, 40], bands);
const g = new Graph();
// A pointwise convolution that passes its input on, because the engine gives the values of computed nodes.
g.conv('same', g.input('slices', [frames, bands, 1], 2), [1, 1], 1, true);

/** What reaches the network of four slices (two examples of two). */
async function gathered(augment?: Augmentation, isa?: string): Promise<Float32Array> {
  const network = new Network(g.nodes, { maxExamples: 2, threads: 2, isa, store, mean: store.mean, std: store.std });
  network.setParameters(
    new Map([
      ['same.weight', Float32Array.of(1)],
      ['same.bias', Float32Array.of(0)],
    ]),
  );
  return network.forward({ examples: 2, inputs: { slices: { frames: starts, augment } } }, 'same');
}
const starts = Float64Array.of(3, 50, 0, 72);

/** The definition, in double precision. */
function expected({ mix, gain, mask }: Augmentation): number[] {
  return Array.from(starts).flatMap((start, i) => {
    const own = store.read(start, frames);
    const other = mix && store.read(mix.frames[i]!, frames);
    const [t0, t1, f0, f1] = mask ? mask.subarray(4 * i, 4 * i + 4) : [0, 0, 0, 0];
    return Array.from(own, (x, j) => {
      const [t, f] = [Math.floor(j / bands), j % bands];
      if ((t >= t0! && t < t1!) || (f >= f0! && f < f1!)) return 0;
      const mixed = other ? Math.log(Math.exp(x) + Math.exp(other[j]! + mix!.gain[i]!)) : x;
      return (mixed + (gain?.[i * bands + f] ?? 0) - store.mean[f]!) / store.std[f]!;
    });
  });
}

const mix = { frames: Float64Array.of(10, 0, 72, 5), gain: Float32Array.of(0, Number.NEGATIVE_INFINITY, -2, 30) };
const gain = Float32Array.from(
  { length: 4 * bands },
  (_, i) => [0.5, -3, 0, 100][Math.floor(i / bands)]! + (i % 3) / 2,
);
const mask = Int16Array.of(0, 3, 0, 0, 5, 8, 11, 12, 0, 0, 2, 9, 0, 8, 4, 4);

describe.each(capabilities().available)('augmentation on %s', (isa) => {
  test.each<[string, Augmentation]>([
    ['nothing', {}],
    ['mixing', { mix }],
    ['gain', { gain }],
    ['masks', { mask }],
    ['all of it', { mix, gain, mask }],
  ])('%s is as defined', async (_, augment) => {
    const want = expected(augment);
    const got = await gathered(augment, isa);
    expect(got).toHaveLength(want.length);
    got.forEach((x, i) => {
      expect(Math.abs(x - want[i]!)).toBeLessThan(1e-5 * Math.max(1, Math.abs(want[i]!)));
    });
  });
});

test.each<[string, Augmentation]>([
  ['mix.frames', { mix: { ...mix, frames: Float64Array.of(0, 0, 0, 73) } }],
  ['mix.frames', { mix: { ...mix, frames: Float64Array.of(0, 0, 0) } }],
  ['mix.gain', { mix: { ...mix, gain: Float32Array.of(0, 0, 0, Number.NaN) } }],
  ['gain', { gain: gain.map(() => Number.NEGATIVE_INFINITY) }],
  ['gain', { gain: Float64Array.from(gain) as unknown as Float32Array }],
  ['gain', { gain: Float32Array.of(0, 0, 0, 0) }],
  ['mask', { mask: Int16Array.of(0, 1) }],
  ['mask', { mask: mask.map((m) => -m) }],
])('a wrong %s is refused', async (key, augment) => {
  await expect(gathered(augment)).rejects.toMatchObject({
    code: 'ERR_ARGUMENT',
    message: expect.stringContaining(`augment.${key}`),
  });
});
