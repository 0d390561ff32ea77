// One training step of each pretext task of the paper, on a ready batch in memory: forward, backward, Adam.
import { Network } from '../../engine/network.js';
import { decoder, defaultEncoder, encoder } from '../../model/audio2vec.js';
import { Graph } from '../../model/graph.js';
import { type BenchCase, peakMemory, rate, timeCalls } from '../case.js';
import { noiseBatch, startParameters, trainingFlops } from '../workload.js';

// TODO-MERGE: lib/tasks
const names = { train_cbow: 'cbow', train_skipgram: 'skip-gram', train_gap: 'temporal-gap' };
function paperGraph(task: string): Graph {
  const g = new Graph();
  const rows = { cbow: 4, 'skip-gram': 1, 'temporal-gap': 2 }[task]!;
  const z = encoder(g, g.input('slices', [96, 64, 1], rows), defaultEncoder);
  const joined = g.reshape('joined', z, [rows * 128], 1);
  if (task === 'temporal-gap') {
    g.loss('loss', 'bce', [g.dense('fc2', g.relu('relu', g.dense('fc1', joined, 64)), 1), g.input('target', [1])]);
  } else {
    const outputs = 5 - rows;
    g.loss('loss', 'mse', [decoder(g, joined, defaultEncoder, outputs), g.input('target', [96, 64, outputs])]);
  }
  return g;
}

export const trainCases: BenchCase[] = Object.entries(names).flatMap(([task, pretext]) =>
  [64, 256].flatMap((batch) =>
    [1, 2].map(
      (threads): BenchCase => ({
        task,
        threads,
        batch,
        quick: batch === 64,
        async measure(seconds) {
          const graph = paperGraph(pretext);
          const network = new Network(graph.nodes, { maxExamples: batch, threads });
          network.setParameters(startParameters(graph));
          const examples = noiseBatch(graph, batch);
          const times = await timeCalls(() => network.step(examples, { learningRate: 1e-3 }), seconds);
          return [rate('clips_per_s', batch, times, trainingFlops(graph.nodes)), peakMemory()];
        },
      }),
    ),
  ),
);
