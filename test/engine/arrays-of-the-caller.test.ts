// What a caller does to his arrays while a call computes on another thread: it must neither crash nor change results.
import { describe, expect, it } from 'vitest';
import { type BatchInput, Graph, initialParameters, Network } from '../../lib/engine/index.js';
import { uniform } from '../helpers/golden.js';

const [frames, bands, examples] = [64, 32, 16];
const floats = (name: string, count: number) => Float32Array.from(uniform(name, count));

const graph = () => {
  const g = new Graph();
  let map = g.input('x', [frames, bands, 1]);
  for (let i = 0; i < 4; i++) map = g.relu(`r${i}`, g.conv(`c${i}`, map, [3, 3], 16, true));
  g.globalPool('y', 'max', map);
  g.loss('l', 'mse', [g.dense('d', g.nodes.at(-1)!, 1), g.input('t', [1])]);
  return g;
};

const targets = { values: floats('targets', examples) };
const statistics = { mean: floats('mean', bands), std: floats('std', bands).map((v) => 1 + Math.abs(v)) };
const starts = () => Float64Array.from({ length: examples }, (_, i) => 5 * i);
const inputs: Record<string, () => Exclude<BatchInput, never>> = {
  values: () => ({ values: floats('values', examples * frames * bands) }),
  'frames of an array': () => ({
    frames: starts(),
    store: { frames: 200, native: floats('store', 200 * bands) },
    augment: {
      mix: { frames: starts().reverse(), gain: floats('mix', examples) },
      gain: floats('gain', examples * bands),
      mask: Int16Array.from({ length: 4 * examples }, (_, i) => [3, 9, 4, 8][i % 4]!),
    },
  }),
};

/** All buffers below `value`. */
function buffersOf(value: unknown): ArrayBuffer[] {
  if (ArrayBuffer.isView(value)) return [value.buffer as ArrayBuffer];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(buffersOf) : [];
}

/** Another thread takes the arrays, and writes there. */
function takeAway(value: unknown): void {
  for (const buffer of buffersOf(value)) new Uint8Array(structuredClone(buffer, { transfer: [buffer] })).fill(255);
}

function made(): Network {
  const g = graph();
  const network = new Network(g, { maxExamples: examples, threads: 2, ...statistics });
  network.setParameters(initialParameters(g, 1));
  return network;
}

describe.each(Object.keys(inputs))('%s', (kind) => {
  it('may be transferred as soon as a call has begun', async () => {
    using network = made();
    const batch = () => ({ examples, inputs: { x: inputs[kind]!(), t: { values: targets.values.slice() } } });
    const expected = await network.lossAndGradients(batch(), ['x']);
    const state = network.getState();
    await network.step(batch(), { learningRate: 0.01 });
    const stepped = network.getParameters();
    network.setState(state);
    for (let i = 0; i < 5; i++) {
      const given = batch();
      const call = network.lossAndGradients(given, ['x']);
      takeAway(given.inputs);
      expect(await call).toEqual(expected);
    }
    const given = batch();
    const call = network.step(given, { learningRate: 0.01 });
    takeAway(given.inputs);
    await call;
    expect(network.getParameters()).toEqual(stepped);
  });

  it('gives what it gives without copies', async () => {
    const batch = { examples, inputs: { x: inputs[kind]!(), t: targets } };
    using network = made();
    const g = graph();
    using inPlace = new Network(g, { maxExamples: examples, threads: 2, inPlace: true, ...statistics });
    inPlace.setParameters(initialParameters(g, 1));
    expect(await network.outputs(batch, ['y', 'd'])).toEqual(await inPlace.outputs(batch, ['y', 'd']));
  });
});

it('an array to be filled that is gone by then is told', async () => {
  using network = made();
  const batch = { examples, inputs: { x: inputs.values!(), t: targets } };
  const out = new Float32Array(examples * 16);
  const call = network.forward(batch, 'y', out);
  takeAway(out);
  await expect(call).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/transferred/) });
  const other = new Float32Array(examples * 16);
  expect(await network.forward(batch, 'y', other)).toBe(other);
  expect(other).toEqual(await network.forward(batch, 'y'));
});

it('indices that a bound call reads are checked each time', async () => {
  const g = new Graph();
  g.gather('picked', g.input('x', [4, 1, 1]), g.input('i', [1, 1, 1]));
  using network = new Network(g, { maxExamples: 1, threads: 1 });
  const index = Float32Array.of(2);
  const batch = { examples: 1, inputs: { x: { values: Float32Array.of(5, 6, 7, 8) }, i: { values: index } } };
  const out = new Float32Array(1);
  const run = network.bindForward(batch, 'picked', out);
  run();
  expect(out[0]).toBe(7);
  index[0] = 1e6;
  expect(() => run()).toThrow(/from 0 to 3/);

  const h = new Graph();
  h.relu('y', h.input('x', [4, 2, 1]));
  const all = { frames: 9, native: floats('all', 18) };
  using gathering = new Network(h, { maxExamples: 1, threads: 1, mean: new Float32Array(2), std: floats('s', 2) });
  const at = Float64Array.of(5);
  const bound = gathering.bindForward(
    { examples: 1, inputs: { x: { frames: at, store: all } } },
    'y',
    new Float32Array(8),
  );
  bound();
  at[0] = 6;
  expect(() => bound()).toThrow(/from 0 to 5/);
  at[0] = 0;
  takeAway(all.native);
  expect(() => bound()).toThrow(/frames of 2 bands/);
});

/** A class of its own below Float32Array. */
const Other = new Function('base', 'return class extends base {}')(Float32Array) as new (
  length?: number,
) => Float32Array;

it('members that change while they are read, and lengths that lie, reach no native code', async () => {
  using network = made();
  const x = inputs.values!();
  let asked = 0;
  const examplesThatGrow = {
    get examples() {
      return asked++ === 0 ? examples : 1e6;
    },
    inputs: { x, t: targets },
  };
  expect(await network.forward(examplesThatGrow, 'y')).toHaveLength(16 * examples);
  const liar = new Float32Array(4);
  Object.defineProperty(liar, 'length', { value: examples * frames * bands });
  const short = { examples, inputs: { x: { values: liar }, t: targets } };
  await expect(network.forward(short, 'y')).rejects.toThrow(/batch.inputs.x.values/);
  expect(() => network.bindForward(short, 'y', new Float32Array(16 * examples))).toThrow(/batch.inputs.x.values/);
  const whole = new Other(examples * frames * bands);
  expect(await network.forward({ examples, inputs: { x: { values: whole }, t: targets } }, 'y')).toHaveLength(
    16 * examples,
  );
});

it('names that mean nothing are refused', async () => {
  using network = made();
  const x = inputs['frames of an array']!();
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ x, t: targets, other: targets }, /batch.inputs must be named/],
    [{ x: { ...inputs.values!(), scale: 2 }, t: targets }, /batch.inputs.x/],
    [{ x: { ...x, augment: { foo: 1 } }, t: targets }, /augment/],
    [{ x: { ...x, augment: 7 }, t: targets }, /augment/],
  ];
  for (const [given, message] of refused) {
    await expect(network.forward({ examples, inputs: given as never }, 'y')).rejects.toThrow(message);
  }
});
