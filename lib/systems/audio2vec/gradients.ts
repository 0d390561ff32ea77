// What a training step computes, without taking it: for those who average gradients elsewhere, such as a federated
// client, and for checking against other implementations.

import { type Arrays, type Batch, type Losses, Network } from '../../engine/network.js';
import type { FeatureStore } from '../../features/feature-store.js';
import type { Parameter } from '../../graph/graph.js';
import { checkEncoder, defaultEncoder, type EncoderConfig } from '../../models/blocks.js';
import { initialParameters } from '../../models/initial-weights.js';
import { checkObject } from '../../util/arguments.js';
import { argumentError } from '../../util/errors.js';
import { chooseTasks, formatTasks, type TaskChoice, type Tasks } from './tasks/index.js';
import { trainingGraph } from './training-graph.js';

export interface GradientOptions {
  /** Shape of the encoder; what is left out is as in {@link defaultEncoder}. */
  encoder?: Partial<EncoderConfig>;
  /** Where slices given as frames are, and the statistics they are normalised with; default: the store's own. */
  store?: FeatureStore;
  mean?: Float32Array;
  std?: Float32Array;
  /** Worker threads; default: all cores. The last bits depend on it. */
  threads?: number;
  /** Instruction set by name; `float64` computes in double precision. Default: the one in use. */
  isa?: string;
}

/** Loss, each task's share of it, and gradients by parameter name. */
export type LossAndGradients = Losses & { gradients: Arrays };

/** Loss and gradients of a batch as training computes them (batch norm with the batch's own statistics); nothing is
 * changed.
 *
 * A batch of CBoW holds, for each example, the context slices in time order and the slice between them, as normalised
 * log-mel: `{ examples: n, inputs: { slices: { values }, target: { values } } }`, `[n, 4, frames, bands]` and
 * `[n, frames, bands]`. {@link taskInputs} names the inputs of any task with their shapes. Slices may also be given by
 * their first frames in `store`: `{ frames }`.
 * @param task as for `pretrain`, but not by the path of a module
 * @param weights every array that {@link initialWeights} has, by name
 * @throws `ERR_ARGUMENT` for weights or inputs that are missing or of another size */
export async function lossAndGradients(
  task: Tasks,
  weights: ReadonlyMap<string, Float32Array | Float64Array>,
  batch: Batch,
  options: GradientOptions = {},
): Promise<LossAndGradients> {
  checkObject('batch', batch);
  return exclusively(networkFor(task, batch.examples, options), (network) => {
    network.setParameters(new Map(weights));
    return network.lossAndGradients(batch);
  });
}

/** Fresh weights of encoder and head by name, batch norm's running statistics among them: where training with this
 * seed begins. */
export function initialWeights(
  task: Tasks,
  seed: number,
  encoder: Partial<EncoderConfig> = {},
): Map<string, Float32Array> {
  return initialParameters(graphOf(task, encoder).graph, seed);
}

/** Names, shapes and kinds of all weights of a task's network. `trainable` ones have gradients. */
export function taskParameters(task: Tasks, encoder: Partial<EncoderConfig> = {}): readonly Parameter[] {
  return graphOf(task, encoder).graph.params;
}

/** Inputs of a task's network by name, with the shape of one example's values. A decoder that predicts several slices
 * has them in the last dimension. */
export function taskInputs(task: Tasks, encoder: Partial<EncoderConfig> = {}): { name: string; shape: number[] }[] {
  const inputs = graphOf(task, encoder).graph.nodes.filter((node) => node.op === 'input');
  return inputs.map(({ name, rows, shape }) => ({ name, shape: [rows, ...shape] }));
}

function graphOf(task: Tasks, given: Partial<EncoderConfig>) {
  const encoder = { ...defaultEncoder, ...given };
  checkEncoder(encoder);
  return trainingGraph(encoder, chooseTasks(task, encoder.frames));
}

/** The network last used: a client asks for the same one again and again, and building it takes longer than a step. */
let last:
  | { key: string; choices: TaskChoice[]; store?: FeatureStore; network: Network; busy: Promise<unknown> }
  | undefined;

function networkFor(task: Tasks, examples: number, options: GradientOptions) {
  const { store, mean = store?.mean, std = store?.std, threads, isa } = options;
  const encoder = { ...defaultEncoder, ...options.encoder };
  checkEncoder(encoder);
  if (store && store.bands !== encoder.bands) throw argumentError('encoder.bands', `${store.bands}`, encoder.bands);
  const choices = chooseTasks(task, encoder.frames);
  const statistics = [mean, std].map((a) => a && Array.from(a));
  const key = JSON.stringify([formatTasks(choices, encoder.frames), encoder, threads, isa, statistics]);
  // Two tasks of the user's own may have the same name.
  const same = last?.key === key && choices.every(({ task }, i) => task === last!.choices[i]!.task);
  if (!last || !same || last.store !== store || last.network.maxExamples < examples) {
    const { graph } = trainingGraph(encoder, choices);
    const network = new Network(graph, { maxExamples: examples, threads, isa, store, mean, std });
    last = { key, choices, store, network, busy: Promise.resolve() };
  }
  return last;
}

/** Calls that overlap take turns. */
function exclusively<T>(slot: NonNullable<typeof last>, work: (network: Network) => Promise<T>): Promise<T> {
  const result = slot.busy.then(() => work(slot.network));
  slot.busy = result.catch(() => {});
  return result;
}
