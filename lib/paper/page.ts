// docs/results.md from the summary.
import { type Column, markdownTable } from '../text-table.js';
import type { Curve, Measured, Row, Summary } from './summary.js';

/** How the numbers were made: shown at the top of the page and kept in the JSON. */
export interface Provenance {
  command: string;
  minutes: number;
  fineTuneMinutes: number;
  seeds: number;
  threads: number;
  /** Instruction set of the kernels. */
  isa: string;
  corpus: { clips: number; hours: number; tasks: Record<string, { train: number; test: number; classes: number }> };
  cells: { done: number; planned: number };
}

export function resultsPage(summary: Summary, made: Provenance): string {
  const { taskNames } = summary;
  const sections = [
    '# Results',
    `Made by \`${made.command}\`: ${made.minutes} minutes of pretraining a method and seed on ` +
      `${made.corpus.hours.toFixed(1)} h (${made.corpus.clips} clips), ${made.fineTuneMinutes} minutes for each training ` +
      `on labels, ${made.threads} threads (${made.isa}); ${made.cells.done} of ${made.cells.planned} cells done. ` +
      'Accuracy on the test part in percent, ± the standard deviation over seeds where there are several.',
    markdownTable(
      [{ title: 'task' }, ...['classes', 'train clips', 'test clips'].map((title) => ({ title, numeric: true }))],
      Object.entries(made.corpus.tasks).map(([name, t]) => [name, `${t.classes}`, `${t.train}`, `${t.test}`]),
    ),
    '## Linear probe',
    'Multinomial logistic regression on standardised frozen features, its strength by cross-validation inside the ' +
      'training part. `supervised` is the same encoder trained on all labels from random weights; `recipe` is what ' +
      '`pretrain` does by default (docs/recipe.md), the other methods are without augmentation.',
    table(summary.probe, taskNames),
    '![Linear probe by task](figures/probe.svg)',
  ];
  if (summary.normalised.length > 0) {
    sections.push(
      '### Between untrained and supervised',
      '(accuracy − untrained) / (supervised − untrained): 0 is the untrained encoder, 100 the supervised one.',
      markdownTable(
        columns([...taskNames, 'mean']),
        summary.normalised.map((r) => [r.name, ...[...taskNames.map((t) => r.tasks[t]), r.mean].map(percent)]),
      ),
    );
  }
  sections.push('## Nearest neighbours', 'k = 10, Euclidean.', table(summary.knn, taskNames));
  const curves = (title: string, about: string, file: string, list: readonly Curve[]) => {
    if (list.length > 0) sections.push(`## ${title}`, about, curveTable(list), `![${title}](figures/${file}.svg)`);
  };
  curves(
    'Queries shifted in time',
    'kNN accuracy, mean of the tasks, when test clips start so many frames (10 ms) later than those they are compared with.',
    'shifted',
    summary.shifted,
  );
  curves(
    'Labels',
    'Fine-tuned from the recipe against trained from scratch, by labels per class; mean of the tasks.',
    'labels',
    summary.labels,
  );
  curves('Width', 'Channels of every block times so much; linear probe, mean of the tasks.', 'widths', summary.widths);
  sections.push(
    '## Pretraining',
    markdownTable(
      [{ title: 'run' }, { title: 'task' }, { title: 'steps', numeric: true }, { title: 'minutes', numeric: true }],
      summary.training.map((t) => [t.id, `\`${t.task}\``, String(t.steps), (t.seconds / 60).toFixed(1)]),
    ),
  );
  return `${sections.join('\n\n')}\n`;
}

function table(rows: readonly Row[], taskNames: readonly string[]): string {
  const cells = (row: Row) => [row.name, ...taskNames.map((t) => measured(row.tasks[t])), measured(row.mean)];
  return markdownTable(columns([...taskNames, 'mean']), rows.map(cells));
}

function curveTable(curves: readonly Curve[]): string {
  const xs = [...new Set(curves.flatMap((c) => c.points.map((p) => p.x)))].sort((a, b) => a - b);
  const titles = xs.map((x) => (Number.isFinite(x) ? String(x) : 'all'));
  const rows = curves.map((c) => [c.name, ...xs.map((x) => measured(c.points.find((p) => p.x === x)?.y))]);
  return markdownTable(columns(titles), rows);
}

function columns(titles: readonly string[]): Column[] {
  return [{ title: '' }, ...titles.map((title) => ({ title, numeric: true }))];
}

function measured(m: Measured | undefined): string {
  if (!m || !Number.isFinite(m.mean)) return '–';
  return m.n > 1 ? `${percent(m.mean)} ± ${percent(m.spread)}` : percent(m.mean);
}

function percent(fraction: number | undefined): string {
  return fraction === undefined || !Number.isFinite(fraction) ? '–' : (100 * fraction).toFixed(1);
}
