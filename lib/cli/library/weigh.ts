import { weighFolder } from '../../evaluate/weigh-folder.js';
import { drawSelection } from '../../report/label-selection.js';
import type { SignalKernelName } from '../../systems/pretext-selection/signal-kernel.js';
import { renderSelection } from '../../systems/pretext-selection/table.js';
import type { Operations } from '../operations.js';
import { warnSkipped } from './skipped.js';

export const weigh: Operations['weigh'] = async ({ folder, kernel, ...options }, during) => {
  const data = await weighFolder(folder, {
    ...options,
    kernel: kernel as SignalKernelName, // checked there
    signal: during.signal,
    onProgress: (p) => during.progress(p),
  });
  warnSkipped(
    during,
    data.skipped.map(({ file, reason }) => ({ name: file, reason })),
  );
  if (data.small.length > 0) {
    during.warn(`Classes with fewer than 4 recordings are left out: ${data.small.join(', ')}.`);
  }
  return { text: renderSelection(data), data, picture: drawSelection(data) };
};
