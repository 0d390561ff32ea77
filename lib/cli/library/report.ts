import { stat } from 'node:fs/promises';
import { writeReport } from '../../report/report.js';
import { runReport } from '../../report/run-report.js';
import type { Operations } from '../operations.js';

export const report: Operations['report'] = async ({ run, data, output, seed, threads }, during) => {
  const contents = await runReport(run, {
    ...{ data, seed, threads },
    signal: during.signal,
    onProgress: ({ done, total }) => during.progress({ done, total, unit: 'recording' }),
  });
  await writeReport(output, contents);
  return { output, bytes: (await stat(output)).size };
};
