// Supervised training: the encoder under a linear classifier, from pretrained or from random parameters.

import type { Augmentation } from '../engine/augmentation.js';
import type { Batch } from '../engine/network.js';
import type { FeatureStore } from '../features/feature-store.js';
import { Graph } from '../graph/graph.js';
import { type EncoderConfig, encoder } from '../models/blocks.js';
import { checkTrainable, type EncoderModel } from '../models/encoder-model.js';
import { encoderWeights, initialParameters } from '../models/initial-weights.js';
import { augments, drawAugmentation } from '../systems/audio2vec/augment.js';
import { type TrainingConfig, type TrainingOptions, trainingConfig } from '../systems/audio2vec/config.js';
import { slicesInput } from '../systems/audio2vec/training-graph.js';
import { ClipDraw } from '../systems/clip-draw.js';
import { padShortClips } from '../systems/pad-clips.js';
import { type NetworkFactory, nativeNetwork, type TrainableNetwork } from '../systems/trainable-network.js';
import { argumentError } from '../util/errors.js';
import { Random } from '../util/random.js';
import { softmax } from '../util/softmax.js';
import { emptyHistory } from './history.js';
import { type Step, trainLoop } from './loop.js';

export interface FineTuneOptions extends TrainingOptions {
  /** Labelled clips as log-mel. */
  corpus: FeatureStore;
  /** Class of each clip of `corpus`, from 0; -1 leaves a clip out. */
  labels: Int32Array;
  /** Names of the classes. */
  classes: readonly string[];
  /** Clips of `corpus` that have a label but are not trained on: the share of them told right is the `accuracy` among the
   * figures `measured` on the way. */
  heldOut?: readonly number[];
  /** Pretrained encoder to start from, which then decides shape and normalisation; default: random. */
  from?: EncoderModel;
  signal?: AbortSignal;
  /** The engine; default: the native one. */
  createNetwork?: NetworkFactory;
}

/** A trained classifier of clips. */
export interface FineTuned {
  /** The encoder as it is now. */
  model: EncoderModel;
  classes: readonly string[];
  /** `[classes, embedding]` and `[classes]`: logits = weight · embedding + bias. */
  weight: Float32Array;
  bias: Float32Array;
  /** Class probabilities, `[clips, classes]`: the mean over the slices of each clip, cut one after the other and, where
   * frames are left over, one more from the end. */
  predict(store: FeatureStore, clips?: ArrayLike<number>): Promise<Float32Array>;
}

/** Names in the graph. */
const labelsInput = 'labels';
const logitsNode = 'classifier';

/** Trains encoder and classifier together, yielding after every step; the generator's return value is the result
 * (see {@link runToEnd}). An epoch shows every clip once, a slice from a random place in it.
 * Clips shorter than a slice are padded with silence.
 * Throws `ERR_ARGUMENT` (also for a class without clips), `ERR_DIVERGED`, and an `AbortError` when `signal` aborts. */
export async function* fineTune(options: FineTuneOptions): AsyncGenerator<Step, FineTuned> {
  const { corpus, labels, classes, from, createNetwork = nativeNetwork } = options;
  if (from) checkTrainable('from', from);
  const config = trainingConfig({ ...options, encoder: from?.config ?? options.encoder });
  const { frames, bands } = config.encoder;
  if (corpus.bands !== bands) throw argumentError('encoder.bands', `${corpus.bands}, as the corpus has`, bands);
  checkLabels(corpus, labels, classes, options.heldOut ?? []);
  const store = padShortClips(corpus, frames);
  const graph = classifierGraph(config.encoder, classes.length);
  const mean = from?.mean ?? store.mean;
  const std = from?.std ?? store.std;
  const make = (of: FeatureStore) =>
    createNetwork(graph, {
      maxExamples: config.batchSize,
      threads: config.threads,
      store: of,
      mean,
      std,
    });
  const network = make(store);
  const params = initialParameters(graph, config.seed);
  for (const [name, weight] of encoderWeights(from?.weights ?? new Map())) params.set(name, weight);
  network.setState({ ...network.getState(), params });

  const heldOut = options.heldOut ?? [];
  const clips = Array.from(labels.keys()).filter((i) => labels[i]! >= 0 && !heldOut.includes(i));
  const measure = async () => {
    const all = await predictClips(network, store, heldOut, frames, classes.length, config.batchSize);
    const right = heldOut.filter((clip, i) => {
      const row = all.subarray(i * classes.length, (i + 1) * classes.length);
      return row.indexOf(Math.max(...row)) === labels[clip];
    });
    return { accuracy: right.length / heldOut.length };
  };
  const progress = { step: 0, steps: config.steps, state: network.getState(), history: emptyHistory(), run: {} };
  const batchAt = labelledBatches(store, labels, clips, config);
  yield* trainLoop({
    network,
    config,
    training: {
      batch: (step, _, used) => batchAt(step, used),
      heldOut: [],
      ...(heldOut.length > 0 && { measure }),
    },
    progress,
    save: async () => {},
    saveEvery: Number.POSITIVE_INFINITY,
    signal: options.signal,
    whenInterrupted: 'Fine-tuning keeps no checkpoints: start it again.',
  });

  const trained = network.getState().params;
  return {
    model: {
      config: config.encoder,
      frontEnd: from?.frontEnd ?? store.frontEnd,
      mean,
      std,
      weights: encoderWeights(trained),
      provenance: {
        supervised: { classes, clips: clips.length, steps: progress.steps, seed: config.seed },
        from: from?.provenance,
      },
    },
    classes,
    weight: Float32Array.from(trained.get(`${logitsNode}.weight`)!),
    bias: Float32Array.from(trained.get(`${logitsNode}.bias`)!),
    predict: (of, which = Array.from({ length: of.clipNames.length }, (_, i) => i)) => {
      if (of === corpus) return predictClips(network, store, which, frames, classes.length, config.batchSize);
      const padded = padShortClips(of, frames);
      const reader = make(padded);
      reader.setState({ ...reader.getState(), params: trained });
      return predictClips(reader, padded, which, frames, classes.length, config.batchSize);
    },
  };
}

/** Runs a training generator to its end and gives its result; `onStep` sees every step. */
export async function runToEnd<T>(run: AsyncGenerator<Step, T>, onStep?: (step: Step) => void): Promise<T> {
  for (;;) {
    const { done, value } = await run.next();
    if (done) return value;
    onStep?.(value);
  }
}

/** Encoder, linear classifier, softmax cross entropy. */
export function classifierGraph(config: EncoderConfig, classes: number): Graph {
  const g = new Graph();
  const z = encoder(g, g.input(slicesInput, [config.frames, config.bands, 1]), config);
  const logits = g.dense(logitsNode, z, classes);
  g.loss('supervised', 'softmax', [logits, g.input(labelsInput, [1])]);
  return g;
}

/** Batch by step: epochs of all clips in shuffled order, a random slice of each. */
function labelledBatches(store: FeatureStore, labels: Int32Array, clips: readonly number[], config: TrainingConfig) {
  const { batchSize, encoder: shape, augmentation, seed } = config;
  const { clipStarts } = store;
  const root = new Random(seed).fork('supervised batches');
  const draw = new ClipDraw(clipStarts, clips, shape.frames, 'Supervised training', clips.length);
  let shuffled: { epoch: number; order: Int32Array } | undefined;
  const clipAt = (n: number): number => {
    const epoch = Math.floor(n / clips.length);
    if (shuffled?.epoch !== epoch) {
      shuffled = { epoch, order: root.fork(`epoch ${epoch}`).shuffle(Int32Array.from(clips.keys())) };
    }
    return shuffled.order[n % clips.length]!;
  };
  const newBatch = () => ({
    examples: batchSize,
    inputs: {
      [slicesInput]: { frames: new Float64Array(batchSize), augment: undefined as Augmentation | undefined },
      [labelsInput]: { values: new Float32Array(batchSize) },
    },
  });
  return (step: number, used?: Batch): Batch => {
    const rng = root.fork(step);
    const batch = (used as ReturnType<typeof newBatch> | undefined) ?? newBatch();
    const slices = batch.inputs[slicesInput];
    const { values } = batch.inputs[labelsInput];
    for (let e = 0; e < batchSize; e++) {
      const at = clipAt(step * batchSize + e);
      const clip = draw.clip(at);
      slices.frames[e] = clip.start + rng.int(clip.frames - shape.frames + 1);
      values[e] = labels[clips[at]!]!;
    }
    if (augments(augmentation)) {
      slices.augment = drawAugmentation(rng, batchSize, shape, augmentation, draw, slices.augment);
    }
    return batch;
  };
}

async function predictClips(
  network: TrainableNetwork,
  store: FeatureStore,
  clips: ArrayLike<number>,
  frames: number,
  classes: number,
  batchSize: number,
): Promise<Float32Array> {
  const places = Array.from(clips).flatMap((clip, row) => {
    const [start, end] = [store.clipStarts[clip]!, store.clipStarts[clip + 1]!];
    const slices = Array.from({ length: Math.floor((end - start) / frames) }, (_, i) => start + i * frames);
    if ((end - start) % frames) slices.push(end - frames);
    return slices.map((slice) => ({ row, slice, weight: 1 / slices.length }));
  });
  const result = new Float32Array(clips.length * classes);
  for (let from = 0; from < places.length; from += batchSize) {
    const part = places.slice(from, from + batchSize);
    const inputs = { [slicesInput]: { frames: Float64Array.from(part, (p) => p.slice) } };
    const logits = await network.forward({ examples: part.length, inputs }, logitsNode);
    part.forEach(({ row, weight }, i) => {
      softmax(logits.subarray(i * classes, (i + 1) * classes)).forEach((p, c) => {
        result[row * classes + c]! += weight * p;
      });
    });
  }
  return result;
}

function checkLabels(
  store: FeatureStore,
  labels: Int32Array,
  classes: readonly string[],
  heldOut: readonly number[],
): void {
  if (labels.length !== store.clipNames.length) {
    throw argumentError('labels', `one for each of the ${store.clipNames.length} clips`, labels.length);
  }
  if (classes.length < 2) throw argumentError('classes', 'at least two names', classes.join(', '));
  const wrong = labels.find((l) => l < -1 || l >= classes.length);
  if (wrong !== undefined) throw argumentError('labels', `from -1 to ${classes.length - 1}`, wrong);
  const unlabelled = heldOut.find((clip) => !(labels[clip]! >= 0));
  if (unlabelled !== undefined) throw argumentError('heldOut', 'clips with a label', unlabelled);
  const trained = labels.filter((_, clip) => !heldOut.includes(clip));
  const empty = classes.find((_, c) => !trained.includes(c));
  if (empty !== undefined) throw argumentError('labels', 'such that every class has a clip', `none for ${empty}`);
}
