// Learning from recordings in memory: a model goes on with those of one speaker, or begins with those of any process.
import { Network } from '../../engine/network.js';
import type { FeatureStore } from '../../features/feature-store.js';
import { frontEndOf } from '../../features/front-ends.js';
import { initialParameters } from '../../graph/initial-parameters.js';
import { argumentError } from '../../util/errors.js';
import { learningRate } from '../learning-rate.js';
import { articulationFrontEnd, configureArticulation } from './articulation-config.js';
import { inferenceGraph, trainingGraph } from './inversion-graph.js';
import type { InversionModel } from './inversion-model.js';
import { RealWindows } from './real-windows.js';
import { Rounds } from './rounds.js';
import type { HeardProcess } from './sounds.js';
import { shapeFor, typicalSounds } from './typical.js';

export interface LearnOptions {
  /** Steps of 32 windows. Default: 200 to adapt, 2000 to learn from nothing. */
  steps?: number;
  /** Default 1e-3 to adapt, 5e-3 to learn from nothing. */
  learningRate?: number;
  /** Default 1. The same seed, recordings and number of threads give the same bits. */
  seed?: number;
  signal?: AbortSignal;
  onProgress?: (progress: { done: number; total: number; loss: number }) => void;
}

/** Their names. */
export const learnOptions = [
  'steps',
  'learningRate',
  'seed',
  'signal',
  'onProgress',
] as const satisfies (keyof LearnOptions)[];

/** How it is computed, which changes no more than the last bits. */
interface Computing {
  threads?: number;
  isa?: string;
}

/** A model of a process of which nothing is known yet. */
export async function freshModel(heard: HeardProcess, seed: number, channels: number): Promise<InversionModel> {
  const { process, frontEnd } = heard;
  const shape = shapeFor(heard, channels);
  return {
    ...(await typicalSounds(heard, seed)),
    shape,
    frontEnd,
    process: process.name,
    frameParameters: process.frameParameters.map((p) => p.name),
    utteranceParameters: process.utteranceParameters.map((p) => p.name),
    weights: initialParameters(inferenceGraph(shape), seed),
    provenance: {},
  };
}

export const learningFrontEnd = articulationFrontEnd;

/** @param spectra log-mel of each recording, not shifted in level
 * @param again the model has learnt before: it listens from the first round on */
export async function learnFrom(
  model: InversionModel,
  heard: HeardProcess,
  spectra: readonly Float32Array[],
  again: boolean,
  { threads = 1, isa, ...options }: LearnOptions & Computing,
): Promise<InversionModel> {
  const {
    steps = again ? 200 : 2000,
    learningRate: peak = again ? 1e-3 : 5e-3,
    seed = 1,
    signal,
    onProgress,
  } = options;
  if (!Number.isInteger(steps) || steps < 1 || steps > 1e6) {
    throw argumentError('steps', 'an integer from 1 to 1e6', steps);
  }
  const sizes = again ? { samples: 192, roundSteps: 40 } : { samples: 512, roundSteps: 100 };
  // Of an event nearly all that there is to hear belongs to the whole of it.
  const utteranceWeight = heard.process.event ? 1 : undefined;
  const config = configureArticulation(
    { steps, learningRate: peak, warmUp: 10, seed, utteranceWeight, ...sizes },
    model.process,
  );
  const { mean, std, level, shape } = model;
  const store = storeInMemory(spectra, model);
  const rules = { frames: shape.frames, fromStart: heard.process.event ?? false, level };
  const recordings = new RealWindows(
    store,
    spectra.map((_, i) => i),
    rules,
  );
  const rounds = new Rounds(config, shape, heard, recordings, { signal, listenFirst: again });
  const graph = trainingGraph(shape, config.utteranceWeight);
  const network = new Network(graph, { maxExamples: config.batchSize, threads, isa, mean, std });
  try {
    network.setParameters(new Map(model.weights));
    for (let step = 0; step < steps; step++) {
      signal?.throwIfAborted();
      if (step % config.roundSteps === 0) await rounds.begin(network, step / config.roundSteps);
      const rate = learningRate(config.schedule, step, steps);
      const { loss } = await rounds.step(network, await rounds.batch(step), { learningRate: rate });
      onProgress?.({ done: step + 1, total: steps, loss });
    }
    const weights = new Map([...network.getParameters()].map(([name, a]) => [name, Float32Array.from(a)]));
    const learnt = { steps, seed, recordings: spectra.length };
    return { ...model, weights, provenance: { ...model.provenance, [again ? 'adapted' : 'learnt']: learnt } };
  } finally {
    network.close();
  }
}

/** Recordings one after the other, as a store has them; short ones end in silence. */
function storeInMemory(spectra: readonly Float32Array[], { shape, frontEnd, mean, std }: InversionModel): FeatureStore {
  const { bands } = shape;
  const sizes = spectra.map((s) => Math.max(shape.frames, s.length / bands));
  const clipStarts = Float64Array.from([0, ...sizes]);
  for (let i = 1; i < clipStarts.length; i++) clipStarts[i]! += clipStarts[i - 1]!;
  const all = new Float32Array(clipStarts.at(-1)! * bands).fill(frontEndOf(frontEnd).silence(frontEnd));
  for (const [i, s] of spectra.entries()) all.set(s, clipStarts[i]! * bands);
  return {
    frames: clipStarts.at(-1)!,
    bands,
    frontEnd,
    clipStarts,
    clipNames: spectra.map((_, i) => `recordings[${i}]`),
    mean,
    std,
    read: (start, count) => all.slice(start * bands, (start + count) * bands),
    native: all,
  };
}
