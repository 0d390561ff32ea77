import { evaluate as evaluateFolder, type FolderEvaluation } from '../../evaluate/evaluate-folder.js';
import type { ReadOut } from '../../models/read-out.js';
import type { Common, During } from '../session.js';
import { chosenEncoder } from './shared/models.js';
import { noteSplit, warnLeftOut } from './shared/warnings.js';

export interface EvaluateRequest extends Common {
  folder: string;
  model?: string;
  readOut?: ReadOut;
  /** Also evaluate the encoder of the package, the untrained encoder, and log-mel mean and deviation. */
  baselines: boolean;
  neighbours: number;
}

export async function evaluate(request: EvaluateRequest, during: During): Promise<FolderEvaluation> {
  const { folder, model, readOut, baselines, neighbours, seed, threads } = request;
  const encoder = await chosenEncoder(model, threads, readOut);
  const found = await evaluateFolder(folder, encoder, {
    ...{ baselines, seed, threads, k: neighbours },
    signal: during.signal,
    onProgress: ({ done, total }) => during.progress({ done, total, unit: 'recording' }),
  });
  warnLeftOut(during, found.skipped);
  noteSplit(during, found.split);
  return found;
}
