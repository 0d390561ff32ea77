// What a federated run leaves in its folder for others: the encoder, and run.json for `audio2vec report`.
import { join } from 'node:path';
import type { FrontEndConfig } from '../features/front-ends.js';
import { saveEncoderModel } from '../models/encoder-model.js';
import { encoderWeights } from '../models/initial-weights.js';
import type { Results } from '../systems/results.js';
import { runFiles } from '../systems/run-files.js';
import { writeRunLog } from '../train/run-log.js';
import type { FederatedConfig } from './config.js';
import { type Layout, unflatten } from './layout.js';
import type { FederatedState } from './state.js';
import type { FrameStatistics } from './statistics.js';

/** What all clients hear, as far as it is known. */
export interface SharedCorpus {
  folder?: string;
  clips: number;
  frontEnd: FrontEndConfig;
  statistics: FrameStatistics;
  /** What tells this corpus, or this run, from others. */
  fingerprint: string;
}

/** Writes the encoder of the shared weights.
 * @returns its name in the folder */
export async function saveEncoder(
  out: string,
  config: FederatedConfig,
  { weights }: FederatedState,
  layout: Layout,
  { frontEnd, statistics, fingerprint }: SharedCorpus,
  clients: number,
): Promise<string> {
  const { encoder, threads: _, ...training } = config.training;
  const { mean, std } = statistics;
  await saveEncoderModel(join(out, runFiles.encoder), {
    config: encoder,
    ...{ frontEnd, mean, std },
    weights: encoderWeights(unflatten(weights, layout)),
    provenance: { federated: { ...config, training }, clients, corpus: fingerprint },
  });
  return runFiles.encoder;
}

/** run.json, as of any other run. */
export async function writeLog(
  out: string,
  config: FederatedConfig,
  { round, history }: FederatedState,
  { folder, clips, frontEnd, statistics, fingerprint }: SharedCorpus,
  seconds: number,
  finished?: { model: string; results: Results },
): Promise<void> {
  const { training, rule, privacy, ...rest } = config;
  const { localSteps } = config;
  await writeRunLog(out, {
    status: finished ? 'finished' : 'running',
    system: 'federate',
    config: {
      ...{ ...training, ...rest, ...privacy },
      ...{ rule: rule.name, serverRate: rule.serverRate, proximal: rule.proximal },
    } as typeof training,
    corpus: {
      ...{ folder, clips, frontEnd, fingerprint },
      hours: (statistics.frames * frontEnd.hop) / frontEnd.sampleRate / 3600,
    },
    ...{ step: round * localSteps, steps: config.rounds * localSteps, seconds },
    losses: { loss: history.flatMap((r) => (r.loss === undefined ? [] : [[r.round * localSteps, r.loss]])) },
    heldOut: history.flatMap(({ round, heldOut: loss }) =>
      loss === undefined ? [] : [{ step: (round - 1) * localSteps, loss, parts: {} }],
    ),
    ...finished,
  });
}
