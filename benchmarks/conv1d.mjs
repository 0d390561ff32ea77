// How fast one-dimensional networks are: stacks of convolutions over time or over bands, inference and training, against
// the machine's FMA limit. Rounds go through all cases in turn; the best of each counts, as others use the machine, too.
//   node benchmarks/conv1d.mjs [--seconds 0.3] [--rounds 5] [--threads 1] [--cases name,…] [--without rewrite,…] [--json]
import { parseArgs } from 'node:util';
import { forwardFlops, noiseBatch, startParameters, trainingFlops } from '../dist/bench/workload.js';
import { Graph, Network } from '../dist/engine/index.js';
import { capabilities, native } from '../dist/native/addon.js';

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '0.3' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: '1' },
    cases: { type: 'string', default: '' },
    without: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});
const threads = Number(flags.threads);
const without = flags.without ? flags.without.split(',') : [];

/** A stack: channels of input and layers, kernel, dilations, positions, batch; `pool` halves positions after each. */
export const stacks = {
  'speech k3': { channels: [192, 128, 128, 128], kernel: 3, dilations: [1, 2, 4], length: 133, batch: 16 },
  'speech k5': { channels: [192, 128, 128, 128], kernel: 5, dilations: [1, 4, 8], length: 133, batch: 16 },
  'speech k3 norm': {
    channels: [192, 128, 128, 128],
    kernel: 3,
    dilations: [1, 2, 4],
    length: 133,
    batch: 16,
    norm: true,
  },
  'pitch k15': { channels: [1, 32, 64, 64], kernel: 15, dilations: [1, 1, 1], length: 264, batch: 256 },
  'pitch k15 pool': {
    channels: [1, 32, 48, 64],
    kernel: 15,
    dilations: [1, 1, 1],
    length: 288,
    batch: 256,
    pool: true,
  },
};

function stack({ channels, kernel, dilations, length, norm, pool }, axis) {
  const along = (n, other = 1) => (axis === 'time' ? [n, other] : [other, n]);
  const g = new Graph();
  const [cin, ...layers] = channels;
  let x = g.input('x', [...along(length), cin]);
  layers.forEach((c, i) => {
    const options = { dilation: along(dilations[i]) };
    x = g.conv(`conv${i}`, x, along(kernel), c, !norm, options);
    x = norm ? g.batchNorm(`norm${i}`, x, true) : g.relu(`relu${i}`, x);
    if (pool && i + 1 < layers.length) x = g.pool(`pool${i}`, 'max', x, along(2));
  });
  g.loss('loss', 'mse', [x, g.input('y', x.shape)]);
  return { graph: g, end: x.name };
}

const chosen = Object.entries(stacks).filter(
  ([name]) => !flags.cases || flags.cases.split(',').some((c) => name.includes(c)),
);
const cases = chosen.flatMap(([name, s]) =>
  ['time', 'bands'].flatMap((axis) => {
    const { graph, end } = stack(s, axis);
    const network = new Network(graph, { maxExamples: s.batch, threads, without });
    network.setParameters(startParameters(graph));
    const batch = noiseBatch(graph, s.batch);
    const forward = network.bindForward(
      batch,
      end,
      new Float32Array(s.batch * graph.nodes.find((n) => n.name === end).shape.reduce((a, b) => a * b, 1)),
    );
    return [
      { name, axis, what: 'inference', call: forward, flops: s.batch * forwardFlops(graph.nodes), ms: [] },
      {
        name,
        axis,
        what: 'training',
        call: () => network.step(batch, { learningRate: 1e-3 }),
        flops: s.batch * trainingFlops(graph.nodes),
        ms: [],
        share: [],
      },
    ];
  }),
);

/** Of one thread the time it computed, whoever else had the core meanwhile. */
function now() {
  if (threads > 1) return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function best(call, seconds) {
  let least = Infinity;
  for (let spent = 0, n = 0; spent < seconds || n < 3; n++) {
    const start = now();
    await call();
    const ms = now() - start;
    least = Math.min(least, ms);
    spent += ms / 1000;
  }
  return least;
}

let limit = 0;
for (let round = 0; round < Number(flags.rounds); round++) {
  for (const c of cases) {
    // In bursts so short that some are left alone.
    for (let i = 0; i < 4; i++) limit = Math.max(limit, await native.fmaPeak(capabilities().isa, 3, threads));
    c.ms.push(await best(c.call, Number(flags.seconds)));
  }
}
for (const { name, axis, what, ms, flops } of cases) {
  const row = { case: name, axis, what, ms: Math.min(...ms), gflops: flops / Math.min(...ms) / 1e6 };
  row.share = (row.gflops * 1e9) / limit;
  if (flags.json) console.log(JSON.stringify(row));
  else {
    const figures = [`${row.ms.toFixed(2).padStart(8)} ms`, `${row.gflops.toFixed(0).padStart(4)} GFLOP/s`];
    console.log(
      name.padEnd(16),
      axis.padEnd(6),
      what.padEnd(10),
      ...figures,
      `${(100 * row.share).toFixed(0)} % of the limit`,
    );
  }
}
