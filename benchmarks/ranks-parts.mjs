// The parts of a step on one of several ranks, by the same code that trains. Times are in milliseconds, the least of several
// calls: other work on the machine only adds to them.
import { Network } from '../dist/engine/network.js';
import { initialParameters } from '../dist/graph/initial-parameters.js';
import { defaultEncoder } from '../dist/models/blocks.js';
import { AveragingNetwork, Common } from '../dist/parallel/averaging-network.js';
import { chooseTasks } from '../dist/systems/audio2vec/tasks/index.js';
import { slicesInput, trainingGraph } from '../dist/systems/audio2vec/training-graph.js';
import { Random } from '../dist/util/random.js';

const calls = 15;
const exchanges = 200;
/** Comparisons of ranks with one process, in turn, and steps in each. */
const turns = 15;
const stepsInTurn = 4;

const wall = () => performance.now();
/** What one thread computes takes as long where it is undisturbed. */
const processor = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** @param clock in milliseconds */
async function least(count, clock, work) {
  const times = [];
  for (let i = -3; i < count; i++) {
    const began = clock();
    await work();
    if (i >= 0) times.push(clock() - began);
  }
  return Math.min(...times);
}

/** Steps of one process, with as many threads as there are ranks, against those of ranks, with the same batch: in each turn how
 * many times faster ranks are, and how many times less processor time all take together, which other work disturbs less. */
async function comparedWithOne(ranks, network, batch, optimiser, graph, whole) {
  const one = ranks.rank === 0 ? new Network(graph, { maxExamples: whole.examples, threads: ranks.size }) : undefined;
  const found = { faster: [], cheaper: [] };
  const several = async (of, its) => {
    const [began, used] = [wall(), processor()];
    for (let i = 0; i < stepsInTurn; i++) await of.step(its, optimiser);
    return { time: wall() - began, processor: processor() - used };
  };
  one?.setParameters(initialParameters(graph, 1));
  for (let turn = -1; turn < turns; turn++) {
    await ranks.barrier();
    const alone = one && (await several(one, whole));
    await ranks.barrier();
    const together = await several(network, batch);
    const all = Float64Array.of(together.processor);
    await ranks.mean([all], 1, 1); // their sum
    if (!one || turn < 0) continue;
    found.faster.push(alone.time / together.time);
    found.cheaper.push(alone.processor / all[0]);
  }
  return found;
}

/** @param {import('../dist/parallel/ranks.js').Ranks} ranks */
export async function measureParts(ranks, batchSize) {
  const examples = batchSize / ranks.size;
  const { frames, bands } = defaultEncoder;
  const { graph, slices } = trainingGraph(defaultEncoder, chooseTasks('contrastive', frames));
  const own = new Network(graph, { maxExamples: examples, threads: 1 });
  own.setParameters(initialParameters(graph, 1));
  const random = new Random(ranks.rank);
  const batchOf = (count) => {
    const values = Float32Array.from({ length: count * slices * frames * bands }, () => random.normal());
    return { examples: count, inputs: { [slicesInput]: { values } } };
  };
  const batch = batchOf(examples);
  const optimiser = { learningRate: 1e-5 };
  const network = new AveragingNetwork(own, new Common({ ranks, examples, total: batchSize }));

  await ranks.barrier();
  const single = await least(calls, processor, () => own.step(batch, optimiser));
  await ranks.barrier();
  // As a step has them, but for what goes over the network.
  const split = await least(calls, processor, async () => {
    const { gradients } = await own.lossAndGradients(batch);
    await own.update(optimiser, gradients);
    own.setStatistics(own.getStatistics());
  });
  const gradients = (await own.lossAndGradients(batch)).gradients;
  const arrays = [...gradients.values()].map((array) => new Float32Array(array));
  const small = [Float64Array.of(1)];
  await ranks.barrier();
  const mean = await least(exchanges, wall, () => ranks.mean(arrays, 1, ranks.size));
  const smallMean = await least(exchanges, wall, () => ranks.mean(small, 1, ranks.size));
  await ranks.barrier();
  const step = await least(calls, wall, () => network.step(batch, optimiser));
  const bytes = arrays.reduce((n, { byteLength }) => n + byteLength, 0) + own.getStatistics().byteLength;
  const compared = await comparedWithOne(ranks, network, batch, optimiser, graph, batchOf(batchSize));
  return { compared, examples, compute: single, own: Math.max(0, split - single), mean, smallMean, bytes, step };
}
