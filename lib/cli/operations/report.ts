import { stat } from 'node:fs/promises';
import { writeReport } from '../../report/report.js';
import { runReport } from '../../report/run-report.js';
import type { Common, During } from '../session.js';

export interface ReportRequest extends Common {
  /** Folder of a run. */
  run: string;
  /** Labelled folder to probe and to map. */
  data?: string;
  output: string;
}

export async function report(
  { run, data, output, seed, threads }: ReportRequest,
  during: During,
): Promise<{ output: string; bytes: number }> {
  const contents = await runReport(run, {
    ...{ data, seed, threads },
    signal: during.signal,
    onProgress: ({ done, total }) => during.progress({ done, total, unit: 'recording' }),
  });
  await writeReport(output, contents);
  return { output, bytes: (await stat(output)).size };
}
