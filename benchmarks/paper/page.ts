// docs/results.md from the summary.

import type { TaskReport } from '../../lib/systems/audio2vec/held-out.js';
import { type Column, markdownTable } from '../../lib/util/text-table.js';
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
    `Made by \`${made.command}\`: ${count(made.minutes, 'minute')} of pretraining a method and seed on ` +
      `${made.corpus.hours.toFixed(1)} h (${made.corpus.clips} clips), ${count(made.fineTuneMinutes, 'minute')} for each training ` +
      `on all labels and a quarter of it on some, ${count(made.threads, 'thread')} (${made.isa}); ${made.cells.done} of ${made.cells.planned} cells done, pretraining took ` +
      `${minutes(summary.training.reduce((sum, t) => sum + t.seconds, 0))} minutes in all. ` +
      'Accuracy on the test part in percent, ± the standard deviation over seeds where there are several.',
    'What ships, by what is read of it, beside controls and a published encoder: ' +
      '[embedding.md](embedding.md#what-labels-are-told-from). The demo: ' +
      '[demo.md](demo.md).',
    markdownTable(
      [{ title: 'task' }, ...['classes', 'train clips', 'test clips'].map(numeric)],
      Object.entries(made.corpus.tasks).map(([name, t]) => [name, `${t.classes}`, `${t.train}`, `${t.test}`]),
    ),
    '## Linear probe',
    'Multinomial logistic regression on standardised frozen features, its strength by cross-validation inside the ' +
      'training part. `supervised` is the same encoder trained on all labels from random weights; `recipe` is what ' +
      '`pretrain` does by default (docs/recipe.md), the other methods are without augmentation and whitening.',
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
    'Loss on held-out clips, beside that of answers that need no encoder: the mean slice, a copy of the encoded slice ' +
      'closest in time (mean squared error in normalised log-mel), or one half always. Rank correlation of true and ' +
      'predicted gap with its 95 % bootstrap interval.',
    markdownTable(
      [
        ...['run', 'task'].map((title) => ({ title })),
        ...['steps', 'minutes', 'held-out loss', 'without encoder', 'rank correlation'].map(numeric),
      ],
      summary.training.map((t) => [
        t.id,
        `\`${t.task}\``,
        String(t.steps),
        minutes(t.seconds),
        t.heldOut.map((h) => h.loss.toFixed(3)).join(', '),
        t.heldOut.map(withoutEncoder).join(', '),
        t.heldOut.map(rankCorrelation).join(', '),
      ]),
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
  return [{ title: '' }, ...titles.map(numeric)];
}

function numeric(title: string): Column {
  return { title, numeric: true };
}

function withoutEncoder({ meanSlice, nearestSlice, constant }: TaskReport): string {
  const losses = [meanSlice, nearestSlice, constant].filter((loss) => loss !== undefined);
  return losses.map((loss) => loss.toFixed(3)).join(' / ');
}

function rankCorrelation({ spearman }: TaskReport): string {
  if (!spearman) return '';
  const { correlation, interval } = spearman;
  return `${correlation.toFixed(2)} (${interval.low.toFixed(2)} – ${interval.high.toFixed(2)})`;
}

function minutes(seconds: number): string {
  return (seconds / 60).toFixed(1);
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

function measured(m: Measured | undefined): string {
  if (!m || !Number.isFinite(m.mean)) return '–';
  return m.n > 1 ? `${percent(m.mean)} ± ${percent(m.spread)}` : percent(m.mean);
}

function percent(fraction: number | undefined): string {
  return fraction === undefined || !Number.isFinite(fraction) ? '–' : (100 * fraction).toFixed(1);
}
