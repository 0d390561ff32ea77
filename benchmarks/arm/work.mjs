// node work.mjs CASE ISA TIMES: does the work of one case that many times. `count-instructions` runs it emulated.

import { noiseBatch, startParameters } from '../../dist/bench/workload.js';
import { Network } from '../../dist/engine/network.js';
import { Graph } from '../../dist/graph/graph.js';
import { defaultEncoder, encoder } from '../../dist/models/blocks.js';
import { chooseTasks } from '../../dist/systems/audio2vec/index.js';
import { trainingGraph } from '../../dist/systems/audio2vec/training-graph.js';

const [name, isa, times] = process.argv.slice(2);
const examples = 8;

function network(graph) {
  const made = new Network(graph.nodes, { maxExamples: examples, threads: 1, isa });
  made.setParameters(startParameters(graph));
  return { made, batch: noiseBatch(graph, examples) };
}

const cases = {
  encoder_forward() {
    const graph = new Graph();
    const { frames, bands } = defaultEncoder;
    const z = encoder(graph, graph.input('slices', [frames, bands, 1]), defaultEncoder);
    const { made, batch } = network(graph);
    return () => made.forward(batch, z.name);
  },
  train_cbow() {
    const { made, batch } = network(trainingGraph(defaultEncoder, chooseTasks('cbow', defaultEncoder.frames)).graph);
    return () => made.step(batch, { learningRate: 1e-3 });
  },
};

const work = cases[name]();
for (let i = 0; i < Number(times); i++) await work();
process.exit();
