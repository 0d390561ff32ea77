// Loss curves. The drawing is done in the page (uPlot), so that a reader can zoom and read values; the same numbers
// stand below it as a table for print, screen readers and copying.
import { argumentError } from '../util/errors.js';
import type { Curve, LossChart } from './data.js';
import { type Html, html } from './html.js';
import { short } from './numbers.js';

/** What the page's script draws: uPlot's aligned columns, and how to draw each. */
export interface LossPlot {
  title: string;
  unit: string;
  series: { label: string; kind: 'raw' | 'smooth' | 'held-out' | 'reference' }[];
  /** Steps, then one column for each series; null where it has no value. */
  columns: (number | null)[][];
}

/** More points than this cannot be seen, but make the file large. */
const maxPoints = 1000;

export function lossSection(charts: readonly LossChart[]): Html {
  return html`<section id="losses" aria-labelledby="losses-title">
    <h2 id="losses-title">Learning</h2>
    <p class="how">${explanation(charts)}</p>
    ${charts.map(
      (chart, i) => html`<figure>
        <figcaption>${chart.title}</figcaption>
        <div class="loss-chart" data-chart="${i}" role="img" aria-label="${describe(chart)}"></div>
        <details><summary>Values</summary>${valueTable(chart)}</details>
      </figure>`,
    )}
  </section>`;
}

/** Speaks of nothing that is not drawn. */
function explanation(charts: readonly LossChart[]): string {
  const heldOut = charts.some((c) => c.heldOut?.some((curve) => lastLoss(curve) !== undefined));
  const references = charts.some((c) => c.references?.length);
  return [
    heldOut
      ? 'Held-out loss is measured on clips that were never trained on.'
      : 'This is the loss on what was trained on; nothing was held out to tell whether it holds for other sounds.',
    references && 'Dashed lines are what can be had without learning anything.',
    'Drag to zoom, double-click to go back.',
  ]
    .filter(Boolean)
    .join(' ');
}

export function lossPlot(chart: LossChart): LossPlot {
  const series: LossPlot['series'] = [];
  const curves: Curve[] = [];
  const add = (curve: Curve, kind: LossPlot['series'][number]['kind'], label = curve.label) => {
    series.push({ label, kind });
    curves.push(curve);
  };
  for (const curve of chart.training.map(thin)) {
    if (curve.steps.length >= 50) add(curve, 'raw', `${curve.label}, each step`);
    add(curve.steps.length >= 50 ? smooth(curve) : curve, 'smooth');
  }
  for (const curve of chart.heldOut ?? []) add(thin(curve), 'held-out');
  const steps = [...new Set(curves.flatMap((c) => Array.from(c.steps)))].sort((a, b) => a - b);
  const columns = curves.map((curve) => {
    const at = new Map(Array.from(curve.steps, (step, i) => [step, curve.losses[i]]));
    return steps.map((step) => finiteOrNull(at.get(step)));
  });
  for (const reference of chart.references ?? []) {
    series.push({ label: reference.label, kind: 'reference' });
    columns.push(steps.map(() => finiteOrNull(reference.loss)));
  }
  return { title: chart.title, unit: chart.unit, series, columns: [steps, ...columns] };
}

/** The last finite value of a curve. */
export function lastLoss(curve: Curve): number | undefined {
  return Array.from(curve.losses).findLast(Number.isFinite);
}

function finiteOrNull(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? Number(value.toPrecision(5)) : null;
}

/** At most {@link maxPoints} points, each the mean of a run of neighbours. */
function thin(curve: Curve): Curve {
  const n = curve.steps.length;
  if (curve.losses.length !== n) throw argumentError(`losses of "${curve.label}"`, `${n} values`, curve.losses.length);
  const run = Math.ceil(n / maxPoints);
  if (run <= 1) return curve;
  const steps: number[] = [];
  const losses: number[] = [];
  for (let from = 0; from < n; from += run) {
    const values = Array.from(curve.losses)
      .slice(from, from + run)
      .filter(Number.isFinite);
    steps.push(curve.steps[Math.min(n, from + run) - 1]);
    losses.push(values.reduce((a, b) => a + b, 0) / values.length);
  }
  return { label: curve.label, steps, losses };
}

/** Mean over a centred window of 5 % of the points; shorter at the start, where the loss falls fast. */
function smooth(curve: Curve): Curve {
  const half = Math.max(1, Math.round(curve.losses.length / 40));
  const all = Array.from(curve.losses);
  const losses = all.map((_, i) => {
    const reach = Math.min(half, i);
    const values = all.slice(i - reach, i + reach + 1).filter(Number.isFinite);
    return values.reduce((a, b) => a + b, 0) / values.length;
  });
  return { label: curve.label, steps: curve.steps, losses };
}

function describe(chart: LossChart): string {
  const ends = [...chart.training, ...(chart.heldOut ?? [])].map(
    (c) => `${c.label} ends at ${short(lastLoss(c) ?? NaN)}`,
  );
  const references = (chart.references ?? []).map((r) => `${r.label} has ${short(r.loss)}`);
  return `${chart.title}, ${chart.unit}: ${[...ends, ...references].join('; ')}.`;
}

function valueTable(chart: LossChart): Html {
  const { series, columns } = lossPlot(chart);
  const kept = series.flatMap((s, i) => (s.kind === 'raw' ? [] : [i]));
  const every = Math.max(1, Math.ceil(columns[0].length / 20));
  const rows = columns[0].map((_, i) => i).filter((i) => i % every === 0 || i === columns[0].length - 1);
  return html`<div class="scroll"><table class="numbers">
    <thead><tr><th scope="col">step</th>${kept.map((i) => html`<th scope="col">${series[i].label}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => {
      const cells = kept.map((i) => html`<td>${nearest(columns[i + 1], row)}</td>`);
      return html`<tr><th scope="row">${columns[0][row] ?? ''}</th>${cells}</tr>`;
    })}</tbody>
  </table></div>`;
}

/** The value in this row, or of the row before that has one. */
function nearest(column: readonly (number | null)[], row: number): string {
  const value = column.slice(0, row + 1).findLast((v) => v !== null);
  return value === undefined || value === null ? '' : short(value);
}
