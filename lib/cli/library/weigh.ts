import { readLabelledFolder } from '../../evaluate/labelled-folder.js';
import { chooseCandidates } from '../../systems/pretext-selection/candidates.js';
import { readLabelledClips } from '../../systems/pretext-selection/labelled-clips.js';
import { drawSelection } from '../../systems/pretext-selection/picture.js';
import type { SignalKernelName } from '../../systems/pretext-selection/signal-kernel.js';
import { renderSelection } from '../../systems/pretext-selection/table.js';
import { weighLabels } from '../../systems/pretext-selection/weigh.js';
import type { Operations } from '../operations.js';
import { warnSkipped } from './skipped.js';

export const weigh: Operations['weigh'] = async (request, during) => {
  const { folder, perClass, seed, threads, kernel } = request;
  const { signal } = during;
  const candidates = chooseCandidates(request.candidates);
  const data = await readLabelledFolder(folder, { seed, signal });
  // Test recordings stay unseen; a folder without a split has its test part drawn by the seed, as in `evaluate`.
  const { files, labels } = data.train;
  const clips = await readLabelledClips(folder, data.labels, files, labels, {
    ...{ perClass, seed, threads, signal },
    onProgress: (p) => during.progress({ ...p, unit: 'recording' }),
  });
  warnSkipped(
    during,
    clips.skipped.map(({ file, reason }) => ({ name: file, reason })),
  );
  const selection = await weighLabels(clips, {
    ...{ candidates, kernel: kernel as SignalKernelName, seed, signal },
    onProgress: (p) => during.progress({ ...p, unit: 'estimate' }),
  });
  const small = clips.classNames.filter((name) => !selection.classes.some((c) => c.name === name));
  if (small.length > 0) during.warn(`classes with fewer than 4 recordings are left out: ${small.join(', ')}`);
  return {
    text: renderSelection(selection),
    data: { folder, ...selection, skipped: clips.skipped },
    picture: drawSelection(selection),
  };
};
