// Streams keep what overlapping slices share: the same bits as computing all of it, with less work.
import { describe, expect, it } from 'vitest';
import { Network } from '../../lib/engine/network.js';
import { schedule } from '../../lib/engine/schedule.js';
import { Graph } from '../../lib/graph/graph.js';
import { initialParameters } from '../../lib/graph/initial-parameters.js';
import { defaultEncoder, type EncoderConfig } from '../../lib/models/blocks.js';
import { encoderGraph } from '../../lib/models/encoder-model.js';
import { capabilities } from '../../lib/native/addon.js';
import { randomModel, uniform } from '../helpers/models.js';

const tall: EncoderConfig = { frames: 64, bands: 8, channels: [4, 20], embedding: 16 };
const narrow: EncoderConfig = { frames: 24, bands: 32, channels: [3, 6, 9], embedding: 8 };

function setup(config: EncoderConfig, isa?: string, threads = 1) {
  const { mean, std, weights } = randomModel(7, config);
  const { graph, input, output } = encoderGraph(config);
  const network = new Network(graph.nodes, { maxExamples: 1, threads, isa, mean, std });
  network.setParameters(new Map(weights));
  const random = uniform(3);
  const audio = Float32Array.from({ length: 8 * config.frames * config.bands }, () => -8 + 8 * random());
  const store = { frames: config.frames, native: new Float32Array(config.frames * config.bands) };
  const batch = { examples: 1, inputs: { [input.name]: { frames: new Float64Array(1), store } } };
  const show = (frame: number) =>
    store.native.set(audio.subarray(frame * config.bands).subarray(0, store.native.length));
  const bind = (hop?: number) => {
    const out = new Float32Array(config.embedding);
    return { out, embed: network.bindForward(batch, output.name, out, hop) };
  };
  return { store, show, bind, network };
}

describe.each(capabilities().available)('on %s, a slice later in a stream', (isa) => {
  it.each([
    ['default', defaultEncoder, [1, 2, 4, 6, 8, 16, 32, 48, 90, 95]],
    ['two blocks', tall, [2, 3, 4, 20, 56, 60]],
    ['three narrow blocks', narrow, [2, 4, 8, 12, 16, 22]],
  ] as const)('has the bits it has alone: %s', (_, config, hops) => {
    const { show, bind } = setup(config, isa);
    const alone = bind();
    for (const hop of hops) {
      const [stream, other] = [bind(hop), bind(hop)];
      for (let slice = 0; slice < 5; slice++) {
        show(slice * hop);
        stream.embed(slice > 0);
        alone.embed();
        expect(stream.out, `hop ${hop}, slice ${slice}`).toEqual(alone.out);
        show(slice);
        other.embed(); // another stream of the same network in between
      }
    }
  });
});

it('computes all in its first call, and after parameters have changed', async () => {
  const { show, bind, network } = setup(narrow);
  const alone = bind();
  const stream = bind(4);
  const both = (frame: number) => {
    show(frame);
    stream.embed(true);
    alone.embed();
    expect(stream.out).toEqual(alone.out);
  };
  both(0);
  both(4);
  network.setParameters(
    new Map([...network.getParameters()].map(([name, values]) => [name, values.map((v) => 1.1 * v)])),
  );
  both(8);
  const { params, m, v, steps } = network.getState();
  network.setState({
    params: new Map([...params].map(([name, values]) => [name, values.map((x) => 0.9 * x)])),
    m,
    v,
    steps,
  });
  both(12);
});

it('does not compute again what it shares with the slice before', () => {
  const { store, show, bind } = setup(defaultEncoder);
  const { embed, out } = bind(32);
  show(0);
  embed();
  show(32);
  embed(true);
  const expected = out.slice();
  show(0);
  embed();
  show(32);
  // Frames that no row depends on but those that the slice before had.
  store.native.fill(99, 20 * defaultEncoder.bands, 40 * defaultEncoder.bands);
  embed(true);
  expect(out).toEqual(expected);
  embed();
  expect(out).not.toEqual(expected);
});

it('carries rows that padding has not reached, as far as poolings fall alike', () => {
  const { graph, output } = encoderGraph(defaultEncoder);
  const plan = schedule(graph.nodes, 'infer', [output.name], 16);
  const passes = plan.phases.flatMap((phase) => phase.passes);
  const marked = passes.filter((pass) => pass.stride > 0);
  expect(marked.map(({ stride, edge }) => [stride, edge])).toEqual([2, 4, 8, 16, 32].map((stride) => [stride, 1]));
});

it('refuses a hop where more than one thread would compute', () => {
  const { bind } = setup(defaultEncoder, undefined, 2);
  expect(() => bind(48)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
});

describe.each([1, 2])('with %i slices an example', (rows) => {
  it('has the bits it has alone, whatever works by rows before a max-pool', () => {
    const graph = new Graph();
    const x = graph.input('x', [24, 8, 1], rows);
    const wide = graph.conv('wide', x, [3, 1], 6, true);
    const square = graph.mul('square', wide, graph.relu('positive', wide));
    const pooled = graph.maxPool('pool', graph.scale('scaled', graph.sub('less', square, wide), 0.5));
    graph.maxPool('end', graph.conv('again', pooled, [3, 1], 6, false));
    const network = new Network(graph, {
      maxExamples: 1,
      threads: 1,
      mean: new Float32Array(8),
      std: new Float32Array(8).fill(1),
    });
    network.setParameters(initialParameters(graph, 3));
    const random = uniform(5);
    const native = Float32Array.from({ length: 100 * 8 }, () => random() - 0.5);
    const starts = new Float64Array(rows);
    const source = { frames: 100, native };
    const batch = { examples: 1, inputs: { x: { frames: starts, store: source } } };
    for (const hop of [2, 4, 8]) {
      const bound = [hop, undefined].map((step) => {
        const out = new Float32Array(rows * 6 * 2 * 6);
        return { out, run: network.bindForward(batch, 'end', out, step) };
      });
      for (let slice = 0; slice < 4; slice++) {
        for (let row = 0; row < rows; row++) starts[row] = 30 * row + slice * hop;
        for (const { run } of bound) run(slice > 0);
        expect(bound[0]!.out, `hop ${hop}, slice ${slice}`).toEqual(bound[1]!.out);
      }
    }
  });
});
