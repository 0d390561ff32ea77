import { type Suggestions, suggest as suggestRecordings } from '../../classify/suggest.js';
import type { ReadOut } from '../../models/read-out.js';
import type { Common, During } from '../session.js';
import { encoderForLabels } from './shared/models.js';
import { checkRate } from './shared/recordings.js';
import { warnLeftOut } from './shared/warnings.js';

export interface SuggestRequest extends Common {
  folder: string;
  model?: string;
  readOut?: ReadOut;
  unlabelled?: string;
  number: number;
}

export async function suggest(request: SuggestRequest, during: During): Promise<Suggestions> {
  const { folder, model, readOut, threads, ...options } = request;
  const encoder = await encoderForLabels(model, threads, readOut);
  checkRate(encoder.frontEnd, model);
  const found = await suggestRecordings(folder, encoder, {
    ...options,
    signal: during.signal,
    onProgress: ({ done, total }) => during.progress({ done, total, unit: 'recording' }),
  });
  warnLeftOut(during, found.skipped);
  return found;
}
