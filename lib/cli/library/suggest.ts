import { suggest as suggestRecordings } from '../../classify/suggest.js';
import { textTable } from '../../util/text-table.js';
import type { Operations } from '../operations.js';
import { chosenEncoder } from './models.js';
import { checkRate } from './recordings.js';
import { warnSkipped } from './skipped.js';

export const suggest: Operations['suggest'] = async ({ folder, model, threads, ...options }, during) => {
  const encoder = await chosenEncoder(model, threads);
  checkRate(encoder.frontEnd, model);
  const data = await suggestRecordings(folder, encoder, {
    ...options,
    signal: during.signal,
    onProgress: ({ done, total }) => during.progress({ done, total, unit: 'recording' }),
  });
  warnSkipped(
    during,
    data.skipped.map(({ file, reason }) => ({ name: file, reason })),
  );
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  const doubtful = textTable(
    [
      { title: 'labels that may be wrong' },
      { title: 'label' },
      { title: 'sounds like' },
      { title: 'sure', numeric: true },
    ],
    data.doubtful.map((d) => [d.file, d.label, d.suggested, percent(d.probability)]),
  );
  const toLabel = textTable(
    [{ title: 'to label next' }, { title: 'perhaps' }, { title: 'sure', numeric: true }],
    data.toLabel.map((d) => [d.file, d.suggested, percent(d.probability)]),
  );
  const parts = [
    data.doubtful.length > 0 ? doubtful : 'No label is contradicted by the other recordings.',
    ...(options.unlabelled === undefined ? [] : [data.toLabel.length > 0 ? toLabel : 'There is nothing to label.']),
  ];
  return { text: parts.join('\n\n'), data };
};
