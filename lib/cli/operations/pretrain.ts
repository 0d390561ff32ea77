import { join } from 'node:path';
import { weighFolder } from '../../evaluate/weigh-folder.js';
import { alone, onFirst } from '../../parallel/ranks.js';
import type { PretrainingOptions } from '../../systems/audio2vec/config.js';
import { trivialPredictors } from '../../systems/audio2vec/results.js';
import type { StartingPoint } from '../../systems/audio2vec/starting-point.js';
import { runFiles } from '../../systems/run-files.js';
import { resumePretraining, pretrain as start, startingPoint } from '../../train/pretrain.js';
import { readRunLog } from '../../train/run-log.js';
import type { ShownStep } from '../progress.js';
import type { During } from '../session.js';
import { onRanks, type RankRequest, type Together } from './shared/join-ranks.js';
import { corpusMessages, warnLeftOut } from './shared/warnings.js';

export interface PretrainRequest extends RankRequest {
  corpus: string;
  /** Labelled recordings that decide the task, which is then `auto`. */
  labels?: string;
  /** Folder of the run. */
  output: string;
  /** Continue the run in `output`, with the options it began with. */
  resume: boolean;
  /** `pretrained`, a model file or a run to begin with. */
  from?: string;
  options: PretrainingOptions;
  checkpointSeconds?: number;
  tensorboard?: boolean;
}

export interface PretrainResult {
  run: string;
  encoder: string;
  step: number;
  seconds: number;
  /** Held-out losses of each task beside predictors that learnt nothing. */
  heldOut: { task: string; loss: number; references: { label: string; loss: number }[] }[];
}

export async function pretrain(
  request: PretrainRequest,
  during: During,
  onStep: (step: ShownStep) => void,
): Promise<PretrainResult | undefined> {
  return onRanks({ ...request, threads: request.options.threads }, during, (together) =>
    pretrainOn(together, request, during, onStep),
  );
}

async function pretrainOn(
  { ranks, threads }: Together,
  request: PretrainRequest,
  during: During,
  onStep: (step: ShownStep) => void,
): Promise<PretrainResult | undefined> {
  const { corpus, labels, output, resume, options, checkpointSeconds, tensorboard } = request;
  const around = {
    ...{ corpus, out: output, checkpointSeconds, tensorboard, signal: during.signal, ranks },
    ...corpusMessages(during),
  };
  const { steps: total, minutes, task } = options;
  const steps = resume
    ? resumePretraining({ ...around, steps: total, minutes, task, threads })
    : start({
        ...options,
        threads,
        from: request.from === undefined ? undefined : await beginning(request.from, during),
        task: labels === undefined ? task : await onFirst(ranks ?? alone, () => suitedTask(labels, options, during)),
        ...around,
      });
  for await (const step of steps) onStep(step);
  if (ranks && ranks.rank > 0) return undefined;
  const { step, seconds, tasks = [] } = await readRunLog(output);
  const heldOut = tasks.map((t) => ({ task: t.task, loss: t.loss, references: trivialPredictors(t) }));
  return { run: output, encoder: join(output, runFiles.encoder), step, seconds, heldOut };
}

/** Opens the encoder to begin with and says what is taken of it. */
async function beginning(from: string, during: During): Promise<StartingPoint> {
  const found = await startingPoint(from);
  const { weights, config } = found.model;
  const count = [...weights.values()].reduce((sum, { length }) => sum + length, 0).toLocaleString('en-US');
  during.note(
    `Begins with the encoder "${found.name}": its ${count} weights and running statistics, its normalisation and its shape ` +
      `(${config.frames} frames, channels ${config.channels.join(' ')}, ${config.embedding} outputs). The task's head and ` +
      'the optimiser begin anew.',
  );
  return found;
}

/** `contrastive` with the pseudo-labels that {@link weighFolder} chooses. */
async function suitedTask(folder: string, { seed, threads }: PretrainingOptions, during: During): Promise<string> {
  const { task, skipped } = await weighFolder(folder, {
    ...{ seed, threads, signal: during.signal },
    onProgress: (p) => during.progress(p),
  });
  warnLeftOut(during, skipped);
  during.note(`--task "${task}"`);
  return task;
}
