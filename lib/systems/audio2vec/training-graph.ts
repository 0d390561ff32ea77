// Puts the chosen tasks into one graph. All slices of all tasks go through ONE encoder, stacked as the rows of a single
// input, so that its weights and batch statistics are shared; each head then reads its own rows.

import { Graph, sizeOf } from '../../graph/graph.js';
import { type EncoderConfig, encoder } from '../../models/blocks.js';
import type { TaskChoice } from './tasks/index.js';
import { checkHead } from './tasks/own-task.js';

/** Name of the input that holds the encoded slices of all tasks. */
export const slicesInput = 'slices';
/** Name of the node that holds their embeddings, one row a slice. */
export const embeddingsNode = 'encoder.fc';

/** Where one task's parts are in the joint graph. */
export interface TaskNodes {
  choice: TaskChoice;
  /** Before the names of its nodes and scalars. */
  prefix: string;
  /** Its encoded slices are rows [from, from + count) of {@link slicesInput}. */
  from: number;
  count: number;
  /** Input node of its targets, if it has one. */
  target?: string;
  /** First frames or values that this input takes for one example; 0 without it. */
  targets: number;
  /** Node of its prediction. */
  output: string;
  /** Loss node, named as the task; key of its part in `Losses.parts`. */
  loss: string;
}

export interface TrainingGraph {
  graph: Graph;
  encoder: EncoderConfig;
  tasks: TaskNodes[];
  /** Encoded slices per example, all tasks together. */
  slices: number;
}

/** The graph that trains an encoder on the chosen tasks. A task trained alone has plain names (`decoder.fc.weight`);
 * joint ones are told apart by their task's name in front (`cbow.decoder.fc.weight`). */
export function trainingGraph(config: EncoderConfig, choices: readonly TaskChoice[]): TrainingGraph {
  const graph = new Graph();
  const counts = choices.map(({ task, options }) => task.slices(options));
  const slices = counts.reduce((a, b) => a + b, 0);
  const z = encoder(graph, graph.input(slicesInput, [config.frames, config.bands, 1], slices), config);
  let from = 0;
  const tasks = choices.map((choice, i): TaskNodes => {
    const { task, options, weight } = choice;
    const prefix = choices.length === 1 ? '' : `${task.name}.`;
    const count = counts[i]!;
    const rows = count === slices ? z : graph.select(`${prefix}embeddings`, z, from, count);
    const before = graph.nodes.length;
    const prediction = task.head(graph, rows, { encoder: config, options, prefix, loss: task.name, weight });
    const target = task.target === 'none' ? undefined : `${prefix}target`;
    checkHead(task, graph, prediction, { target, before });
    const targets = target ? targetsOf(graph, target, task.target === 'slices') : 0;
    from += count;
    return { choice, prefix, from: from - count, count, target, targets, output: prediction.name, loss: task.name };
  });
  return { graph, encoder: config, tasks, slices };
}

/** Slices (one a channel) or values that an input takes for one example. */
function targetsOf(graph: Graph, name: string, slices: boolean): number {
  const { rows, shape } = graph.nodes.find((n) => n.name === name)!;
  return rows * (slices ? shape[shape.length - 1]! : sizeOf(shape));
}
