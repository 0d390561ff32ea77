import { evaluate as evaluateFolder } from '../../evaluate/evaluate-folder.js';
import { renderComparison } from '../../evaluate/table.js';
import type { Operations } from '../operations.js';
import { chosenEncoder } from './models.js';
import { warnSkipped } from './skipped.js';

export const evaluate: Operations['evaluate'] = async (request, during) => {
  const { folder, model, baselines, neighbours, seed, threads } = request;
  const encoder = await chosenEncoder(model, threads);
  const data = await evaluateFolder(folder, encoder, {
    ...{ baselines, seed, threads, k: neighbours },
    signal: during.signal,
    onProgress: ({ done, total }) => during.progress({ done, total, unit: 'recording' }),
  });
  warnSkipped(
    during,
    data.skipped.map(({ file, reason }) => ({ name: file, reason })),
  );
  if (data.split === 'seeded') {
    during.note('There are no folders train/ and test/: a quarter of each label, drawn by the seed, is the test part.');
  }
  return { text: renderComparison(data), data };
};
