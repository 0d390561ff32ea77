import { join } from 'node:path';
import { trivialPredictors } from '../../report/from-results.js';
import { resumePretraining, pretrain as start } from '../../train/pretrain.js';
import { readRunLog, runFiles } from '../../train/run-log.js';
import type { Operations, PretrainResult } from '../operations.js';
import { warnSkipped } from './skipped.js';

export const pretrain: Operations['pretrain'] = async (request, during, onStep): Promise<PretrainResult> => {
  const { corpus, output, resume, options, checkpointSeconds } = request;
  const surroundings: Parameters<typeof resumePretraining>[0] = {
    corpus,
    out: output,
    checkpointSeconds,
    signal: during.signal,
    onFile: ({ done, total }) => during.progress({ done, total, unit: 'recording', details: { now: 'log-mel' } }),
    onCorpus: ({ store, reused }) => {
      warnSkipped(during, store.bad);
      const { hop, sampleRate } = store.frontEnd;
      const minutes = (store.frames * hop) / sampleRate / 60;
      const amount = minutes < 120 ? `${minutes.toFixed(1)} min` : `${(minutes / 60).toFixed(1)} h`;
      const how = reused ? 'log-mel as it was' : 'log-mel computed';
      during.note(`${store.clipNames.length} recordings, ${amount} (${how})`);
    },
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
