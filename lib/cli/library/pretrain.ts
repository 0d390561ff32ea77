import { join } from 'node:path';
import { weighFolder } from '../../evaluate/weigh-folder.js';
import type { PretrainingOptions } from '../../systems/audio2vec/config.js';
import { trivialPredictors } from '../../systems/audio2vec/results.js';
import { runFiles } from '../../systems/run-files.js';
import { resumePretraining, pretrain as start } from '../../train/pretrain.js';
import { readRunLog } from '../../train/run-log.js';
import type { During, Operations, PretrainResult } from '../operations.js';
import { corpusMessages } from './corpus-messages.js';
import { warnSkipped } from './skipped.js';

export const pretrain: Operations['pretrain'] = async (request, during, onStep): Promise<PretrainResult> => {
  const { corpus, labels, output, resume, options, checkpointSeconds } = request;
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
    : start({
        ...options,
        task: labels === undefined ? task : await suitedTask(labels, options, during),
        ...surroundings,
      });
  for await (const { heldOut, ...step } of steps) onStep({ ...step, heldOut: heldOut?.loss });
  const { step, seconds, tasks = [] } = await readRunLog(output);
  const heldOut = tasks.map((t) => ({ task: t.task, loss: t.loss, references: trivialPredictors(t) }));
  return { run: output, encoder: join(output, runFiles.encoder), step, seconds, heldOut };
};

/** `contrastive` with the pseudo-labels that {@link weighFolder} chooses. */
async function suitedTask(folder: string, { seed, threads }: PretrainingOptions, during: During): Promise<string> {
  const { task, skipped } = await weighFolder(folder, {
    ...{ seed, threads, signal: during.signal },
    onProgress: (p) => during.progress(p),
  });
  warnSkipped(
    during,
    skipped.map(({ file, reason }) => ({ name: file, reason })),
  );
  during.note(`--task "${task}"`);
  return task;
}
