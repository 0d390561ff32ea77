// The system of this name: an encoder of log-mel slices, trained on pretext tasks.
import { join } from 'node:path';
import type { Arrays } from '../../engine/network.js';
import { pseudoLabelColumn, pseudoLabelColumnName } from '../../features/pseudo-label-column.js';
import { type EncoderModel, saveEncoderModel } from '../../models/encoder-model.js';
import { encoderWeights, initialParameters } from '../../models/initial-weights.js';
import { argumentError } from '../../util/errors.js';
import { runFiles } from '../run-files.js';
import { splitClips } from '../split.js';
import type { Corpus, FinishedRun, System, Training } from '../system.js';
import type { TrainableNetwork } from '../trainable-network.js';
import { type PretrainingConfig, type PretrainingOptions, pretrainingConfig } from './config.js';
import { type HeldOutOptions, rebuilds, reconstruct, reportHeldOut } from './held-out.js';
import { saveReconstructions } from './reconstructions.js';
import { heldOutResults } from './results.js';
import { BatchSampler } from './sampler.js';
import { SliceLabels } from './slice-labels.js';
import { checkFrontEnd, normalisedBy, type StartingPoint } from './starting-point.js';
import { chooseTasks } from './tasks/index.js';
import type { Task } from './tasks/task.js';
import { type TrainingGraph, trainingGraph } from './training-graph.js';
import { whitened } from './whiten.js';

/** Held-out losses along the way are averaged over this many batches, */
const heldOutBatches = 4;
/** and in the end over batches of at least this many examples. */
const heldOutExamples = 1000;
/** So many held-out slices are kept beside what the decoder made of them. */
const keptReconstructions = 8;

/** @param own tasks of the user's own that the run may name
 * @param from the encoder that a run begins with, as in its options; what is resumed needs it no more */
export function audio2vec(
  own: readonly Task[] = [],
  from?: StartingPoint,
): System<PretrainingOptions, PretrainingConfig> {
  return {
    name: 'audio2vec',
    summary: 'an encoder of log-mel slices, by pretext tasks',
    options: {},
    configure: pretrainingConfig,
    features: ({ task, encoder }) => {
      const labels = chooseTasks(task, encoder.frames, own).some((choice) => choice.task.label);
      return { frontEnd: {}, ...(labels && { columns: { [pseudoLabelColumnName]: pseudoLabelColumn } }) };
    },
    prepare: (config, corpus) => {
      if (from) checkFrontEnd(from, corpus.store);
      const training = prepare(config, corpus, own);
      return from ? { ...training, initial: beginning(training, from, config.seed) } : training;
    },
  };
}

/** What training and its end are made of. */
interface Parts {
  config: PretrainingConfig;
  corpus: Corpus;
  graph: TrainingGraph;
  /** Clips to train on. */
  clips: Int32Array;
  train: BatchSampler;
  /** Absent when no clip is held out. */
  heldOut?: BatchSampler;
}

/** Weights of the encoder; heads are random. */
function beginning({ graph }: Training, { model }: StartingPoint, seed: number): Arrays {
  const initial = initialParameters(graph, seed);
  for (const [name, weight] of encoderWeights(model.weights)) initial.set(name, weight);
  return initial;
}

function prepare(config: PretrainingConfig, given: Corpus, own: readonly Task[]): Training {
  const { encoder, seed, batchSize, augmentation } = config;
  const store = config.from ? normalisedBy(given.store, config.from) : given.store;
  const corpus = { ...given, store };
  if (store.bands !== encoder.bands)
    throw argumentError('encoder.bands', `${store.bands}, as the corpus has`, encoder.bands);
  const choices = chooseTasks(config.task, encoder.frames, own);
  const graph = trainingGraph(encoder, choices);
  const { clipStarts, mean, std } = store;
  const span = Math.max(...choices.map(({ task, options }) => task.span(options, encoder.frames)));
  const split = splitClips(clipStarts, span, config.heldOut, seed);
  const labels = choices.some(({ task }) => task.label) ? new SliceLabels(store, encoder.frames) : undefined;
  const shared = { clipStarts, batchSize, seed, labels };
  const train = new BatchSampler(graph, { ...shared, clips: split.train, augmentation });
  const canHoldOut = split.heldOut.length > 0 && heldOutSuffices(choices, split.heldOut, clipStarts, span);
  const heldOut = canHoldOut
    ? new BatchSampler(graph, { ...shared, clips: split.heldOut, label: 'held-out' })
    : undefined;
  const parts: Parts = { config, corpus, graph, clips: split.train, train, heldOut };
  return {
    graph: graph.graph,
    network: { store, mean, std },
    batch: (step, _, used) => train.batch(step, used),
    heldOut: heldOut ? Array.from({ length: heldOutBatches }, (_, i) => heldOut.batch(i)) : [],
    finish: (network, run) => finish(network, run, parts),
  };
}

/** Tasks that contrast clips need two of them. */
function heldOutSuffices(
  choices: ReturnType<typeof chooseTasks>,
  clips: Int32Array,
  clipStarts: Float64Array,
  span: number,
): boolean {
  const usable = clips.filter((i) => clipStarts[i + 1]! - clipStarts[i]! >= span).length;
  return usable >= (choices.some(({ task }) => task.negatives) ? 2 : 1);
}

async function finish(network: TrainableNetwork, run: FinishedRun, parts: Parts) {
  const { config, graph, train, heldOut, clips } = parts;
  const { store } = parts.corpus;
  const { out, signal } = run;
  const measure: HeldOutOptions | undefined = heldOut && {
    ...{ network, graph, store, train, heldOut },
    batches: Math.ceil(heldOutExamples / config.batchSize),
  };
  const tasks = measure && (await reportHeldOut(measure));
  const rebuilding = graph.tasks.find((nodes) => rebuilds(graph, nodes));
  if (measure && rebuilding) {
    await saveReconstructions(out, await reconstruct(measure, rebuilding, keptReconstructions), store.bands);
  }
  const { encoder: _, taskModules: __, from: ___, ...making } = run.provenance;
  const { from } = config;
  const trained: EncoderModel = {
    config: config.encoder,
    frontEnd: store.frontEnd,
    mean: store.mean,
    std: store.std,
    weights: encoderWeights(network.getState().params),
    provenance: { ...making, tasks, ...(from && { from: { name: from.name, fingerprint: from.fingerprint } }) },
  };
  const { seed, threads } = config;
  const model = config.whiten ? await whitened(trained, { store, clips, seed, threads, signal }) : trained;
  await saveEncoderModel(join(out, runFiles.encoder), model);
  return { model: runFiles.encoder, results: heldOutResults(tasks), details: { tasks } };
}
