// One training step of each pretext task of the paper, on a ready batch in memory: forward, backward, Adam.
import { Network } from '../../engine/network.js';
import { defaultEncoder } from '../../models/blocks.js';
import { chooseTasks } from '../../systems/audio2vec/tasks/index.js';
import { trainingGraph } from '../../systems/audio2vec/training-graph.js';
import { type BenchCase, peakMemory, rate, timeCalls } from '../case.js';
import { threadCounts } from '../machine.js';
import { noiseBatch, startParameters, trainingFlops } from '../workload.js';

const names = { train_cbow: 'cbow', train_skipgram: 'skip-gram', train_gap: 'temporal-gap' };

export const trainCases: BenchCase[] = Object.entries(names).flatMap(([task, pretext]) =>
  [64, 256].flatMap((batch) =>
    threadCounts.map(
      (threads): BenchCase => ({
        task,
        threads,
        batch,
        quick: batch === 64,
        async measure(seconds) {
          const { graph } = trainingGraph(defaultEncoder, chooseTasks(pretext, defaultEncoder.frames));
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
