// Results as a terminal shows them.
import type { Results } from '../systems/results.js';
import { textTable } from '../util/text-table.js';

/** The headline and the tables; charts and pictures are for the report. */
export function resultsText(title: string, { headline, tables = [] }: Results): string {
  const parts = tables.map((t) => [t.title, textTable(t.columns, t.rows), ...(t.note ? [t.note] : [])].join('\n'));
  return [`${title}\n${headline}`, ...parts].join('\n\n');
}
