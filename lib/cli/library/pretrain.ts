import { join } from 'node:path';
import { trivialPredictors } from '../../systems/audio2vec/results.js';
import { runFiles } from '../../systems/run-files.js';
import { resumePretraining, pretrain as start } from '../../train/pretrain.js';
import { readRunLog } from '../../train/run-log.js';
import type { Operations, PretrainResult } from '../operations.js';
import { corpusMessages } from './corpus-messages.js';

export const pretrain: Operations['pretrain'] = async (request, during, onStep): Promise<PretrainResult> => {
  const { corpus, output, resume, options, checkpointSeconds } = request;
  const surroundings: Parameters<typeof resumePretraining>[0] = {
    corpus,
    out: output,
    checkpointSeconds,
    signal: during.signal,
    ...corpusMessages(during),
  };
  const { steps: total, minutes, task, threads } = options;
  const steps = resume
    ? resumePretraining({ ...surroundings, steps: total, minutes, task, threads })
    : start({ ...options, ...surroundings });
  for await (const { heldOut, ...step } of steps) onStep({ ...step, heldOut: heldOut?.loss });
  const { step, seconds, tasks = [] } = await readRunLog(output);
  const heldOut = tasks.map((t) => ({ task: t.task, loss: t.loss, references: trivialPredictors(t) }));
  return { run: output, encoder: join(output, runFiles.encoder), step, seconds, heldOut };
};
