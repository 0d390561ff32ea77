// A run of Wav2vec-C made ready: graph, batches, the codebook's care between steps, measures.
import type { Batch } from '../../engine/network.js';
import { Random } from '../../util/random.js';
import { splitClips } from '../split.js';
import type { Corpus, Training, Warning } from '../system.js';
import type { TrainableNetwork } from '../trainable-network.js';
import { SegmentBatches } from './batches.js';
import { moveCentroids, placeCentroids, restartScores } from './codebook.js';
import { type CodesShape, nodes, trainingGraph, trainingInputs } from './graph.js';
import { initialWeights } from './initial.js';
import { codesCaptions, codesOf, codeWarnings, measureCodes } from './measures.js';
import { type CodesConfig, framesPerCode, segmentLength } from './options.js';

/** Batches that held-out losses and measures are taken over. */
const heldOutBatches = 4;
/** Steps from one look at the codebook to the next. */
const codebookSteps = 20;
/** Of a look at the codebook. */
const lookBatches = 1;
/** How far a centroid moves to the mean of its points at each look. */
const centroidRate = 0.2;

export interface PreparedCodes {
  training: Omit<Training, 'finish'>;
  shape: CodesShape;
  length: number;
  /** Clips to train on. */
  clips: Int32Array;
}

export async function prepareCodes(config: CodesConfig, { store }: Corpus): Promise<PreparedCodes> {
  const { frontEnd, clipStarts } = store;
  const { seed, books, codes, dimension, width, quantiser } = config;
  const shape: CodesShape = { quantiser, bands: store.bands, books, codes, dimension, width };
  const length = segmentLength(config, frontEnd.sampleRate / frontEnd.hop);
  const split = splitClips(clipStarts, framesPerCode * length, config.heldOut, seed);
  const train = new SegmentBatches(config, store, split.train, length);
  const graph = trainingGraph(shape, length, config);
  const heldOut = split.heldOut.length > 0 ? heldOutSegments(config, store, split.heldOut, length) : [];
  const root = new Random(seed).fork('codebook');
  const tooShort = shortRecordings(clipStarts, framesPerCode * length, config.seconds);
  const look = new SegmentBatches(config, store, split.train, length, 'codebook');
  const training: PreparedCodes['training'] = {
    graph,
    initial: await initialWeights(graph, config, shape, store),
    heldOut,
    batch(step, steps, used) {
      const batch = train.batch(step, used);
      if (quantiser === 'gumbel') batch.scalars = { inverseTemperature: 1 / temperature(config, step, steps) };
      return batch;
    },
    captions: codesCaptions,
    ...(heldOut.length > 0 && { measure: (network) => measureCodes(network, heldOut, shape, length) }),
    warnings: (measured, step, steps) => [...tooShort, ...codeWarnings(measured, step, { steps, codes: config.codes })],
    rounds: {
      steps: codebookSteps,
      async begin(network, round) {
        const found = await lookAtCodes(network, look, round, shape);
        const state = network.getState();
        const weights = state.params;
        const rng = root.fork(round);
        if (quantiser === 'gumbel') {
          if (round === 0 || restartScores(weights, found, shape, config.restartBelow, rng) === 0) return;
        } else if (round === 0) {
          placeCentroids(weights, found.points, shape, rng);
        } else {
          moveCentroids(weights, found, shape, { below: config.restartBelow, rate: centroidRate }, rng);
        }
        network.setState(state);
      },
    },
  };
  return { training, shape, length, clips: split.train };
}

/** Says how many recordings have no place for a segment. */
function shortRecordings(clipStarts: Float64Array, least: number, seconds: number): Warning[] {
  const all = clipStarts.length - 1;
  const short = Array.from({ length: all }, (_, i) => clipStarts[i + 1]! - clipStarts[i]!).filter(
    (n) => n < least,
  ).length;
  if (short === 0) return [];
  const message = `${short} of ${all} recordings are shorter than ${seconds} s and not used: shorten segments by --seconds.`;
  return [{ code: 'SHORT_RECORDINGS', message }];
}

/** From the first to the last by a constant factor, over the first two thirds of the run. */
export function temperature({ temperature: first, finalTemperature: last }: CodesConfig, step: number, steps = 20000) {
  return first * (last / first) ** Math.min(1, step / Math.max(1, (2 / 3) * steps));
}

/** Without noise: the codes are then those that are used. */
function heldOutSegments(config: CodesConfig, store: Corpus['store'], clips: Int32Array, length: number): Batch[] {
  const draw = new SegmentBatches(config, store, clips, length, 'held-out');
  return Array.from({ length: heldOutBatches }, (_, i) => {
    const batch = draw.batch(i);
    const noise = batch.inputs[trainingInputs.noise];
    if (noise && 'values' in noise) noise.values.fill(0);
    return batch;
  });
}

/** Points of training segments, and their codes. */
async function lookAtCodes(network: TrainableNetwork, draw: SegmentBatches, round: number, shape: CodesShape) {
  const points: Float32Array[] = [];
  const codes: Int32Array[] = [];
  for (let i = 0; i < lookBatches; i++) {
    const batch = draw.batch(round * lookBatches + i);
    const out = await network.outputs(batch, [nodes.points, nodes.chosen]);
    points.push(out[nodes.points]);
    codes.push(codesOf(out[nodes.chosen], shape));
  }
  return { points: joined(points, Float32Array), codes: joined(codes, Int32Array) };
}

function joined<A extends Float32Array | Int32Array>(parts: readonly A[], kind: new (length: number) => A): A {
  const out = new kind(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
