import { join } from 'node:path';
import { readRunLog } from '../../train/run-log.js';
import { resumeTraining, train as start } from '../../train/train.js';
import type { Operations, TrainResult } from '../operations.js';
import { corpusMessages } from './corpus-messages.js';

export const train: Operations['train'] = async (request, during, onStep): Promise<TrainResult> => {
  const { system, corpus, output, resume, options, checkpointSeconds } = request;
  const around = { corpus, out: output, checkpointSeconds, signal: during.signal, ...corpusMessages(during) };
  const { steps: total, minutes, threads } = options as { steps?: number; minutes?: number; threads?: number };
  const steps = resume
    ? resumeTraining({ ...around, steps: total, minutes, threads })
    : start({ ...around, system, options });
  for await (const { heldOut, ...step } of steps) onStep({ ...step, heldOut: heldOut?.loss });
  const { step, seconds, model, results } = await readRunLog(output);
  return { run: output, model: join(output, model!), step, seconds, results: results! };
};
