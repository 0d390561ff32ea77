// A model goes on learning from recordings of one speaker.
import { Network } from '../../engine/network.js';
import type { FeatureStore } from '../../features/feature-store.js';
import { frontEndOf } from '../../features/front-ends.js';
import { argumentError } from '../../util/errors.js';
import { learningRate } from '../schedule.js';
import { configureArticulation } from './articulation-config.js';
import { trainingGraph } from './inversion-graph.js';
import type { InversionModel } from './inversion-model.js';
import { RealWindows } from './real-windows.js';
import { Rounds } from './rounds.js';
import type { HeardProcess } from './sounds.js';

export interface AdaptOptions {
  /** Steps of 32 windows. Default 200. */
  steps?: number;
  /** Default 3e-4. */
  learningRate?: number;
  /** Default 1. The same seed, recordings and number of threads give the same bits. */
  seed?: number;
  signal?: AbortSignal;
  onProgress?: (progress: { done: number; total: number; loss: number }) => void;
}

/** @param spectra log-mel of each recording, not shifted in level */
export async function adaptModel(
  model: InversionModel,
  process: HeardProcess,
  spectra: readonly Float32Array[],
  { threads = 1, isa, ...options }: AdaptOptions & { threads?: number; isa?: string },
): Promise<InversionModel> {
  const { steps = 200, learningRate: peak = 3e-4, seed = 1, signal, onProgress } = options;
  if (!Number.isInteger(steps) || steps < 1 || steps > 1e6)
    throw argumentError('steps', 'an integer from 1 to 1e6', steps);
  const config = configureArticulation(
    { steps, learningRate: peak, warmUp: 10, seed, samples: 192, roundSteps: 40 },
    model.process,
  );
  const { mean, std, level, shape } = model;
  const store = storeInMemory(spectra, model);
  const rules = { frames: shape.frames, fromStart: process.process.event ?? false, level };
  const recordings = new RealWindows(
    store,
    spectra.map((_, i) => i),
    rules,
  );
  const rounds = new Rounds(config, shape, process, recordings, { signal, listenFirst: true });
  const network = new Network(trainingGraph(shape, config.utteranceWeight), {
    maxExamples: config.batchSize,
    threads,
    isa,
    mean,
    std,
  });
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
    return { ...model, weights, provenance: { ...model.provenance, adapted: { steps, recordings: spectra.length } } };
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
