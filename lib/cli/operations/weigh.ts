import { type FolderSelection, weighFolder } from '../../evaluate/weigh-folder.js';
import { drawSelection } from '../../report/label-selection.js';
import type { SignalKernelName } from '../../systems/pretext-selection/signal-kernel.js';
import type { Common, During } from '../session.js';
import { warnLeftOut } from './shared/warnings.js';

export interface WeighRequest extends Common {
  folder: string;
  /** Names of pseudo-labels with commas between them; default: all. */
  candidates?: string;
  /** At most so many recordings of a class. */
  perClass: number;
  /** Of the signal: `cosine` or `gaussian`. */
  kernel: string;
}

/** @returns what was found, and an SVG document of it */
export async function weigh(
  { folder, kernel, ...options }: WeighRequest,
  during: During,
): Promise<{ data: FolderSelection; picture: string }> {
  const data = await weighFolder(folder, {
    ...options,
    kernel: kernel as SignalKernelName, // checked there
    signal: during.signal,
    onProgress: (p) => during.progress(p),
  });
  warnLeftOut(during, data.skipped);
  if (data.small.length > 0) {
    during.warn(`Classes with fewer than 4 recordings are left out: ${data.small.join(', ')}.`);
  }
  return { data, picture: drawSelection(data) };
}
