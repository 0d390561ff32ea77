// Every operator's backward step against central differences in float64, and every instruction set against float64.
// A graph puts the operator between trainable layers, so that its input gradient is checked through theirs. Shapes are
// chosen to reach every layout: channels below, at and above the vector length, odd sizes, folded bands.
import { describe, expect, it } from 'vitest';
import { type Batch, Network } from '../../lib/engine/network.js';
import { Graph, type Node, type Ref, sizeOf } from '../../lib/graph/graph.js';
import { capabilities } from '../../lib/native/addon.js';
import { uniform } from '../helpers/golden.js';

type Build = (g: Graph) => void;

const mse = (g: Graph, y: Ref) => g.loss('loss', 'mse', [y, g.input('target', y.shape, y.rows)]);
const first = (g: Graph, shape: readonly [number, number, number], channels: number, rows = 1) =>
  g.conv('first', g.input('x', shape, rows), [1, 1], channels, true);

const maps = [
  [6, 32, 1, 8],
  [4, 16, 8, 16],
  [5, 8, 3, 5],
  [3, 6, 20, 33],
  [2, 4, 32, 48],
  [7, 12, 16, 1],
  [4, 64, 4, 4],
  [4, 64, 3, 2],
  [4, 64, 8, 1],
] as const;

const cases: Record<string, Build> = {};
for (const [t, f, cin, cout] of maps) {
  const size = `${t}×${f}×${cin}→${cout}`;
  for (const kernel of [
    [3, 1],
    [1, 3],
    [1, 1],
  ] as const) {
    cases[`conv ${kernel.join('×')} ${size}`] = (g) =>
      mse(g, g.conv('op', first(g, [t, f, 2], cin), kernel, cout, true));
  }
  cases[`batch norm ${size}`] = (g) => mse(g, g.batchNorm('op', first(g, [t, f, 2], cout), false));
  cases[`batch norm and ReLU ${size}`] = (g) => mse(g, g.batchNorm('op', first(g, [t, f, 2], cout), true));
  cases[`global max-pool ${size}`] = (g) => mse(g, g.globalMaxPool('op', first(g, [t, f, 2], cin)));
  cases[`upsample ${size}`] = (g) => {
    const x = first(g, [t, f, 2], cin);
    mse(g, g.conv('after', g.upsample('op', x), [3, 1], cout, true));
  };
  // The engine computes these without upsampling: lib/engine/rewrites/upsampling.ts.
  for (const last of [false, true]) {
    cases[`decoder block${last ? ', last' : ''} ${size}`] = (g) => {
      const norm = (name: string, x: Ref, plain = false) => (plain ? x : g.batchNorm(`${name} norm`, x, true));
      const u = g.upsample('up', first(g, [t, f, 2], cin));
      const a = norm('a', g.conv('a', u, [1, 3], cin, false));
      const b = norm('b', g.conv('b', a, [3, 1], cout, last), last);
      const r = norm('r', g.conv('r', u, [1, 1], cout, last), last);
      mse(g, g.add('op', b, r));
    };
  }
  if (t % 2 === 0) {
    // One fused step in the engine.
    cases[`residual block ${size}`] = (g) => {
      const x = first(g, [t, f, 2], cin);
      const a = g.batchNorm('a norm', g.conv('a', x, [1, 3], cout, false), true);
      const b = g.batchNorm('b norm', g.conv('b', x, [1, 1], cout, false), true);
      mse(g, g.conv('after', g.maxPool('pool', g.add('op', a, b)), [1, 1], 3, true));
    };
  }
  if (t % 2 === 0) cases[`max-pool ${size}`] = (g) => mse(g, g.maxPool('op', first(g, [t, f, 2], cin)));
}
// What follows a single-channel input may have its bands innermost (Tensor in native/engine/step.h), with fewer channels
// than a vector has lanes.
for (const channels of [2, 3, 8]) {
  for (const [frames, bands] of [
    [6, 64],
    [3, 64],
    [4, 96],
  ] as const) {
    cases[`first block ${frames}×${bands}×${channels}`] = (g) => {
      const x = g.input('x', [frames, bands, 1], 2);
      const norm = (name: string, y: Ref) => g.batchNorm(`${name} norm`, y, true);
      const a = norm('first', g.conv('first', x, [3, 1], channels, false));
      const b = norm('op', g.conv('op', a, [1, 3], channels, false));
      const sum = g.add('sum', b, norm('r', g.conv('r', x, [1, 1], channels, false)));
      mse(g, g.conv('after', frames % 2 ? sum : g.maxPool('pool', sum), [1, 1], 3, true));
    };
  }
  cases[`first convolution and norm without ReLU 4×64×${channels}`] = (g) => {
    const x = g.input('x', [4, 64, 1], 2);
    const a = g.batchNorm('first norm', g.conv('first', x, [3, 1], channels, false), false);
    const b = g.batchNorm('op', g.conv('b', a, [1, 3], channels, false), true);
    const r = g.batchNorm('r norm', g.conv('r', x, [1, 1], channels, false), false);
    mse(g, g.conv('after', g.add('sum', b, r), [1, 1], 3, true));
  };
  cases[`first block without norms 4×64×${channels}`] = (g) => {
    const x = g.input('x', [4, 64, 1], 2);
    const a = g.relu('relu', g.conv('first', x, [1, 3], channels, true));
    const b = g.conv('b', a, [3, 1], channels, true);
    mse(g, g.maxPool('pool', g.add('sum', b, g.conv('op', a, [1, 3], channels, true))));
  };
}
// Three taps between many channels are computed for pairs of outputs (lib/engine/winograd.ts) where frames or bands are
// even; the last map is cut into strips.
for (const [t, f, cin, cout] of [
  [2, 2, 16, 16],
  [2, 3, 24, 40],
  [3, 2, 40, 24],
  [6, 10, 33, 64],
  [10, 14, 64, 33],
  [5, 7, 48, 48],
  [32, 16, 16, 32],
] as const) {
  const size = `${t}×${f}×${cin}→${cout}`;
  for (const kernel of [[3, 1] as const, [1, 3] as const]) {
    cases[`conv ${kernel.join('×')} of many channels ${size}`] = (g) =>
      mse(g, g.conv('op', first(g, [t, f, 2], cin, 2), kernel, cout, true));
  }
  cases[`block of many channels ${size}`] = (g) => {
    const x = g.batchNorm('norm', first(g, [t, f, 2], cin), true);
    const a = g.batchNorm('a norm', g.conv('a', x, [3, 1], cout, false), true);
    const b = g.batchNorm('op', g.conv('b', a, [1, 3], cout, false), true);
    mse(g, g.add('sum', b, g.batchNorm('r norm', g.conv('r', x, [1, 1], cout, false), true)));
  };
}
for (const channels of [8, 32]) {
  cases[`two uses of one value of ${channels} channels`] = (g) => {
    const x = g.batchNorm('norm', first(g, [4, 8, 2], channels), true);
    const sum = g.add('op', g.conv('a', x, [3, 1], channels - 2, true), g.conv('b', x, [1, 3], channels - 2, true));
    mse(g, g.maxPool('pool', sum));
  };
}
for (const [cin, cout] of [
  [2, 3],
  [16, 64],
  [33, 20],
  [128, 40],
] as const) {
  cases[`dense ${cin}→${cout}`] = (g) => {
    const x = g.relu('relu', g.dense('first', g.input('x', [5], 2), cin));
    mse(g, g.dense('op', x, cout));
  };
}
cases['reshape: side by side'] = (g) => {
  const z = g.dense('first', g.input('x', [5], 3), 7);
  mse(g, g.dense('after', g.reshape('op', z, [21], 1), 4));
};
cases['reshape: vector to map'] = (g) => {
  const z = g.dense('first', g.input('x', [5]), 3 * 4 * 6);
  mse(g, g.conv('after', g.reshape('op', z, [3, 4, 6], 1), [3, 1], 5, true));
};
cases.select = (g) => {
  const z = g.dense('first', g.input('x', [5], 4), 6);
  g.loss('loss a', 'mse', [g.select('a', z, 0, 2), g.input('target a', [6], 2)], 0.5);
  g.loss('loss b', 'mse', [g.select('b', z, 1, 3), g.input('target b', [6], 3)], 2);
};
cases['binary cross-entropy'] = (g) => {
  g.loss('loss', 'bce', [g.dense('op', g.input('x', [5]), 1), g.input('target', [1])]);
};
cases['softmax cross-entropy'] = (g) => {
  g.loss('loss', 'softmax', [g.dense('op', g.input('x', [5]), 7), g.input('label', [1])]);
};
cases.triplet = (g) => g.loss('loss', 'triplet', [g.dense('op', g.input('x', [5], 3), 9)], 1, 0.3);
cases.contrastive = (g) => {
  const z = g.dense('first', g.input('x', [5], 2), 10);
  g.loss('loss', 'contrastive', [g.dense('op', g.select('a', z, 0, 1), 10), g.select('b', z, 1, 1)]);
};
cases['normalised temperature cross-entropy'] = (g) => {
  const z = g.dense('first', g.input('x', [5], 2), 10);
  g.loss('loss', 'nt-xent', [g.l2Normalize('op', z, 3)], 0.7);
};

const examples = 3;

function batchOf(nodes: readonly Node[]): Batch {
  const inputs = nodes.filter((n) => n.op === 'input');
  const values = (n: Node) => {
    const noise = uniform(n.name, examples * n.rows * sizeOf(n.shape));
    return Float32Array.from(noise, (u) => (n.name === 'label' ? Math.floor(7 * u) : 2 * u - 1));
  };
  return { examples, inputs: Object.fromEntries(inputs.map((n) => [n.name, { values: values(n) }])) };
}

function weightsOf(nodes: readonly Node[]): Map<string, Float64Array> {
  return new Map(
    nodes
      .flatMap((n) => n.params)
      .map((p) => [
        p.name,
        uniform(p.name, sizeOf(p.shape)).map((u) => Math.fround(p.shape.length > 1 ? 2 * u - 1 : u)),
      ]),
  );
}

describe.each(Object.entries(cases))('%s', (_, build) => {
  const g = new Graph();
  build(g);
  const batch = batchOf(g.nodes);
  const weights = weightsOf(g.nodes);
  const run = async (isa: string, threads: number) => {
    const network = new Network(g.nodes, { maxExamples: examples, threads, isa });
    network.setParameters(weights);
    return { network, result: await network.lossAndGradients(batch) };
  };

  it('has the gradient that differences of the loss show', async () => {
    const { network, result } = await run('float64', 1);
    const loss = async () => (await network.lossAndGradients(batch)).loss;
    for (const [name, gradient] of result.gradients) {
      const values = weights.get(name)!;
      // An error is relative to the tensor's largest gradient: entries that cancel to nothing have no digits to compare.
      const scale = Math.max(1e-3, ...gradient.map(Math.abs));
      const picks = [
        ...new Set([0, values.length - 1, ...uniform(`pick ${name}`, 6).map((u) => Math.floor(u * values.length))]),
      ];
      for (const i of picks) {
        const h = 1e-6;
        const kept = values[i]!;
        values[i] = kept + h;
        network.setParameters(weights);
        const up = await loss();
        values[i] = kept - h;
        network.setParameters(weights);
        const down = await loss();
        values[i] = kept;
        expect(Math.abs((up - down) / (2 * h) - gradient[i]!) / scale, `${name}[${i}]`).toBeLessThan(1e-5);
      }
    }
  });

  it.each(capabilities().available.filter((isa) => isa !== 'float64'))('is the same with %s', async (isa) => {
    const { network: reference, result: want } = await run('float64', 1);
    const { network, result: got } = await run(isa, 2);
    const inference = (await reference.evaluate(batch)).loss;
    expect(Math.abs((await network.evaluate(batch)).loss - inference)).toBeLessThan(1e-6 * Math.abs(inference) + 1e-7);
    expect(Math.abs(got.loss - want.loss)).toBeLessThan(1e-6 * Math.abs(want.loss) + 1e-7);
    // A bias before batch norm has gradient zero, and rounding there is of the size of what cancelled.
    const largest = Math.max(...[...want.gradients.values()].flatMap((values) => [...values.map(Math.abs)]));
    for (const [name, gradient] of want.gradients) {
      const scale = Math.max(0.1 * largest, ...gradient.map(Math.abs));
      const worst = Math.max(...gradient.map((v, i) => Math.abs(v - got.gradients.get(name)![i]!)));
      // float32 through up to three norms; the portable path, in plain order of summation, shows the same.
      expect(worst / scale, name).toBeLessThan(5e-5);
    }
  });

  it('is the same bits again', async () => {
    const isa = capabilities().isa;
    const [{ result: a }, { result: b }] = [await run(isa, 2), await run(isa, 2)];
    expect(b).toEqual(a);
  });
});
