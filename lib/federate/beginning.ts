// What follows from a run's configuration alone, so that server and clients find the same.
import { initialParameters } from '../graph/initial-parameters.js';
import { audio2vec } from '../systems/audio2vec/system.js';
import { chooseTasks } from '../systems/audio2vec/tasks/index.js';
import { trainingGraph } from '../systems/audio2vec/training-graph.js';
import type { Curriculum } from './client.js';
import type { FederatedConfig } from './config.js';
import { flatten, isHead, type Layout, layoutOf } from './layout.js';
import type { FrameStatistics } from './statistics.js';

/** What is shared, and the weights that the first round begins with. */
export function beginning({ training, localHeads }: FederatedConfig): { layout: Layout; weights: Float32Array } {
  const { encoder, task, seed } = training;
  const { graph } = trainingGraph(encoder, chooseTasks(task, encoder.frames));
  const layout = layoutOf(graph.params, localHeads ? isHead : undefined);
  return { layout, weights: flatten(initialParameters(graph, seed), layout) };
}

/** What clients are to do. */
export function curriculum(config: FederatedConfig, { mean, std }: Pick<FrameStatistics, 'mean' | 'std'>): Curriculum {
  return {
    system: audio2vec() as never,
    config: config.training,
    localSteps: config.localSteps,
    proximal: config.rule.proximal,
    ...{ mean, std },
    isLocal: config.localHeads ? isHead : undefined,
  };
}
