// Does a pretext task really learn? Its held-out loss beside what answers without any learning would get.

import type { FeatureStore } from '../../features/feature-store.js';
import { sizeOf } from '../../graph/graph.js';
import { chanceLosses } from '../../graph/losses.js';
import type { Node } from '../../graph/node.js';
import { type Interval, spearmanInterval } from '../../util/metrics.js';
import type { TrainableNetwork } from '../trainable-network.js';
import type { BatchSampler } from './sampler.js';
import type { Example } from './tasks/task.js';
import type { TaskNodes, TrainingGraph } from './training-graph.js';

/** How one task does on held-out clips. */
export interface TaskReport {
  task: string;
  /** Its loss, without its weight. */
  loss: number;
  /** Mean squared errors, in normalised log-mel, of answers that need no encoder: the mean of the training slices, and
   * a copy of the encoded slice closest in time. */
  meanSlice?: number;
  nearestSlice?: number;
  /** Loss of the same answer always: 1/2 where the answer is a probability, the mean where it is a pseudo-label. */
  constant?: number;
  /** Loss where all embeddings are alike, of tasks that compare them. */
  chance?: number;
  /** Of the task in the sum of losses. */
  weight?: number;
  /** Rank correlation of answers and truth, and its 95 % bootstrap interval. */
  spearman?: { correlation: number; interval: Interval };
  /** Examples this was measured on. */
  examples: number;
}

/** A slice beside what the decoder made of it: `[frames, bands]`, normalised. */
export interface Reconstruction {
  real: Float32Array;
  rebuilt: Float32Array;
  /** Name of the clip it is from, and where in it, in seconds. */
  clip: string;
  seconds: number;
}

export interface HeldOutOptions {
  network: TrainableNetwork;
  graph: TrainingGraph;
  store: FeatureStore;
  train: BatchSampler;
  heldOut: BatchSampler;
  /** Batches of `heldOut` to use. */
  batches: number;
}

/** Measures every task of the graph. */
export async function reportHeldOut(o: HeldOutOptions): Promise<TaskReport[]> {
  const reports: TaskReport[] = [];
  const chances = chanceLosses(o.graph.graph.nodes, o.heldOut.batchSize);
  for (const [t, nodes] of o.graph.tasks.entries()) {
    const batches = Array.from({ length: o.batches }, (_, i) => o.heldOut.examples(i, t));
    const examples = batches.flat();
    const { task, weight } = nodes.choice;
    const report: TaskReport = { task: task.name, loss: 0, examples: examples.length };
    if (weight !== 1) report.weight = weight;
    if (nodes.loss in chances) report.chance = chances[nodes.loss]! / weight;
    for (let i = 0; i < o.batches; i++) {
      const { parts } = await o.network.evaluate(o.heldOut.batch(i));
      report.loss += parts[nodes.loss]! / weight / o.batches;
    }
    if (rebuilds(o.graph, nodes)) Object.assign(report, trivialErrors(o, t, examples));
    if (answersWithOne(o.graph, nodes)) Object.assign(report, await correlation(o, nodes, batches));
    reports.push(report);
  }
  return reports;
}

/** Whether a task's prediction is its target slices, as a decoder gives them. */
export function rebuilds({ graph, encoder }: TrainingGraph, { choice, output, targets }: TaskNodes): boolean {
  const { rows, shape } = graph.nodes.find((n) => n.name === output)!;
  return (
    choice.task.target === 'slices' && [rows, ...shape].join() === [1, encoder.frames, encoder.bands, targets].join()
  );
}

/** Whether a task answers each example with one value, which is compared with one. */
function answersWithOne({ graph }: TrainingGraph, { choice, output, targets }: TaskNodes): boolean {
  const { rows, shape } = graph.nodes.find((n) => n.name === output)!;
  return choice.task.target === 'values' && targets === 1 && rows * sizeOf(shape) === 1;
}

/** What the decoder of `nodes` makes of the first targets of a batch of held-out examples, at most `count` of them, each
 * from another clip. */
export async function reconstruct(o: HeldOutOptions, nodes: TaskNodes, count: number): Promise<Reconstruction[]> {
  const t = o.graph.tasks.indexOf(nodes);
  const examples = o.heldOut.examples(0, t);
  const maps = await o.network.forward(o.heldOut.batch(0), nodes.output);
  const { frames, bands } = o.graph.encoder;
  const channels = examples[0]?.target?.length ?? 1;
  const { clipStarts, clipNames, frontEnd } = o.store;
  const seen = new Map<number, Reconstruction>();
  for (const [e, { target }] of examples.entries()) {
    const start = target![0]!;
    const clip = clipStarts.findLastIndex((first) => first <= start);
    if (seen.has(clip) || seen.size === count) continue;
    const from = e * frames * bands * channels;
    const rebuilt = Float32Array.from({ length: frames * bands }, (_, i) => maps[from + i * channels]!);
    const seconds = ((start - clipStarts[clip]!) * frontEnd.hop) / frontEnd.sampleRate;
    seen.set(clip, { real: slice(o, start), rebuilt, clip: clipNames[clip]!, seconds });
  }
  return [...seen.values()];
}

function trivialErrors(o: HeldOutOptions, t: number, examples: readonly Example[]) {
  const { nearest } = o.graph.tasks[t]!.choice.task;
  const mean = meanSlice(o, t);
  let [ofMean, ofNearest, targets] = [0, 0, 0];
  for (const example of examples) {
    const copies = nearest?.(example);
    example.target!.forEach((start, i) => {
      const real = slice(o, start);
      ofMean += squaredError(real, mean);
      if (copies) ofNearest += squaredError(real, slice(o, copies[i]!));
      targets++;
    });
  }
  return { meanSlice: ofMean / targets, nearestSlice: nearest && ofNearest / targets };
}

/** Mean of at least 500 target slices of training examples. */
function meanSlice(o: HeldOutOptions, t: number): Float32Array {
  const { frames, bands } = o.graph.encoder;
  const sum = new Float64Array(frames * bands);
  let count = 0;
  for (let batch = 0; count < 500; batch++) {
    for (const start of o.train.examples(batch, t).flatMap((e) => e.target!)) {
      const x = slice(o, start);
      for (let i = 0; i < sum.length; i++) sum[i]! += x[i]!;
      count++;
    }
  }
  return Float32Array.from(sum, (s) => s / count);
}

async function correlation(o: HeldOutOptions, nodes: TaskNodes, batches: readonly Example[][]) {
  const [answers, truth]: [number[], number[]] = [[], []];
  for (const [i, examples] of batches.entries()) {
    answers.push(...(await o.network.forward(o.heldOut.batch(i), nodes.output)));
    truth.push(...examples.flatMap((e) => e.target!));
  }
  // A logit orders answers as its sigmoid does.
  const loss = o.graph.graph.nodes.find((n) => n.name === nodes.loss);
  const constant = loss?.op === 'loss' ? constantAnswer(loss, truth, nodes.choice.task.label !== undefined) : undefined;
  return { constant, spearman: spearmanInterval(answers, truth) };
}

/** Loss of answering 1/2, or 0, which is the mean of a pseudo-label over the corpus. */
function constantAnswer(
  { loss, number: straight = 1 }: Extract<Node, { op: 'loss' }>,
  truth: readonly number[],
  isLabel: boolean,
): number | undefined {
  if (loss === 'bce') return Math.LN2;
  if (!isLabel) return undefined;
  const huber = (d: number) => (d <= straight ? d ** 2 / 2 : straight * (d - straight / 2));
  const losses = truth.map((t) => (loss === 'huber' ? huber(Math.abs(t)) : Math.abs(t)));
  return losses.reduce((a, b) => a + b, 0) / truth.length;
}

/** A slice as the network sees it. */
function slice({ store, graph }: HeldOutOptions, start: number): Float32Array {
  const { frames, bands } = graph.encoder;
  const { mean, std } = store;
  return store.read(start, frames).map((x, i) => (x - mean[i % bands]!) / std[i % bands]!);
}

function squaredError(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum / a.length;
}
