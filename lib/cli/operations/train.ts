import { join } from 'node:path';
import type { Results } from '../../systems/results.js';
import { readRunLog } from '../../train/run-log.js';
import { resumeTraining, train as start } from '../../train/train.js';
import type { ShownStep } from '../progress.js';
import type { During } from '../session.js';
import { onRanks, type RankRequest, type Together } from './shared/join-ranks.js';
import { corpusMessages } from './shared/warnings.js';

export interface TrainRequest extends RankRequest {
  /** Name of the system. */
  system: string;
  corpus: string;
  /** Folder of the run. */
  output: string;
  /** Continue the run in `output`, with the options it began with. */
  resume: boolean;
  /** Of the system and of every run. */
  options: Record<string, unknown>;
  checkpointSeconds?: number;
  tensorboard?: boolean;
}

export interface TrainResult {
  run: string;
  /** Path of the model file. */
  model: string;
  step: number;
  seconds: number;
  results: Results;
}

export async function train(
  request: TrainRequest,
  during: During,
  onStep: (step: ShownStep) => void,
): Promise<TrainResult | undefined> {
  const { threads } = request.options as { threads?: number };
  return onRanks({ ...request, threads }, during, (together) => trainOn(together, request, during, onStep));
}

async function trainOn(
  { ranks, threads }: Together,
  request: TrainRequest,
  during: During,
  onStep: (step: ShownStep) => void,
): Promise<TrainResult | undefined> {
  const { system, corpus, output, resume, options, checkpointSeconds, tensorboard } = request;
  const around = {
    ...{ corpus, out: output, checkpointSeconds, tensorboard, signal: during.signal, ranks },
    ...corpusMessages(during),
  };
  const { steps: total, minutes } = options as { steps?: number; minutes?: number };
  const steps = resume
    ? resumeTraining({ ...around, system, steps: total, minutes, threads })
    : start({ ...around, system, options: { ...options, threads } });
  for await (const step of steps) onStep(step);
  if (ranks && ranks.rank > 0) return undefined;
  const { step, seconds, model, results } = await readRunLog(output);
  return { run: output, model: join(output, model!), step, seconds, results: results! };
}
