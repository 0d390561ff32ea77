// Results as a table, for a terminal or a page.
import { markdownTable, textTable } from '../util/text-table.js';
import type { Result } from './case.js';
import type { Machine } from './machine.js';

/** Above this, others' use of the machine makes a figure doubtful. */
export const busyCores = 0.15;

const titles: Record<string, string> = {
  clips_per_s: 'clips/s',
  steps_per_s: 'steps/s',
  streams_per_core: 'streams a core',
  embeddings_per_s: 'embeddings/s',
  slices_per_s: 'slices/s',
  audio_s_per_s: 's of audio/s',
  latency_p50_us: 'µs, p50',
  latency_p99_us: 'µs, p99',
  peak_rss_mib: 'MiB resident',
  gflops: 'GFLOP/s',
};

export const metricTitle = (metric: string): string => titles[metric] ?? metric.replace(/_mib$/, ' MiB');

/** Three significant digits, no exponent. */
export function figure(value: number | undefined): string {
  if (value === undefined) return '–';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

export function machineLine(m: Machine): string {
  return `${m.cpu}, ${m.cores} cores, ${m.memoryGiB} GiB, ${m.platform}, Node ${m.node}, ${m.isa}`;
}

/** One line a figure. A dagger marks what was measured on a busy machine. */
export function resultsTable(results: readonly Result[], as: 'text' | 'markdown'): string {
  const columns = ['case', 'batch', 'threads', 'value', 'unit', 'GFLOP/s', 'of FMA peak'].map((title) => ({
    title,
    numeric: title !== 'case' && title !== 'unit',
  }));
  const rows = results.map((r) => [
    r.task,
    figure(r.batch),
    figure(r.threads),
    (isBusy(r) ? '†' : '') + figure(r.value),
    metricTitle(r.metric),
    r.metric === 'gflops' ? '–' : figure(r.gflops),
    r.peak_share === undefined ? '–' : `${Math.round(100 * r.peak_share)} %`,
  ]);
  const table = as === 'text' ? textTable(columns, rows) : markdownTable(columns, rows);
  return results.some(isBusy) ? `${table}\n\n${busyNote}` : table;
}

const isBusy = (result: Result) => (result.others ?? 0) > busyCores;

const busyNote = `† measured while others kept more than ${busyCores} of a core busy: doubtful, most of all with two threads.`;
