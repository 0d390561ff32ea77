// Results of any system: its headline, tables, lines over a common axis, and pictures such as spectrograms.
import type { ResultChart, Results, ResultTable } from '../systems/results.js';
import { heatPicture } from './heat-picture.js';
import { type Html, html, name } from './html.js';
import { short, ticks } from './numbers.js';

/** A picture with its values at hand. */
export interface LoadedPicture {
  title: string;
  note?: string;
  /** `[frames, values]`. */
  values: Float32Array;
  frames: number;
}

export function resultsSection(results: Results, pictures: readonly LoadedPicture[]): Html {
  const { headline, tables = [], charts = [] } = results;
  return html`<section id="results" aria-labelledby="results-title">
    <h2 id="results-title">Results</h2>
    <p class="headline">${headline}</p>
    ${tables.map(table)}
    ${charts.map(chart)}
    ${pictures.map(picture)}
  </section>`;
}

function table({ title, columns, rows, note }: ResultTable): Html {
  return html`<figure><figcaption>${title}</figcaption><div class="scroll"><table class="numbers">
    <thead><tr>${columns.map((c) => html`<th scope="col">${c.title}</th>`)}</tr></thead>
    <tbody>${rows.map(
      ([first, ...rest]) =>
        html`<tr><th scope="row">${name(first ?? '')}</th>${rest.map((cell) => html`<td>${name(cell)}</td>`)}</tr>`,
    )}</tbody>
  </table></div>${noteOf(note)}</figure>`;
}

const noteOf = (note: string | undefined) => (note === undefined ? '' : html`<p class="how">${note}</p>`);

const plot = { left: 56, top: 10, width: 560, height: 220, bottom: 40 };
/** Colours of lines by the style sheet's names, then dashes. */
const strokes = ['var(--training)', 'var(--held-out)', 'var(--reference)'];
const dashes = ['', '8 4', '2 3'];

function chart({ title, x, y, series, note }: ResultChart): Html {
  const points = series.flatMap((s) => s.points).filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b));
  if (points.length === 0) return html``;
  const { left, top, width, height, bottom } = plot;
  const across = scale(points.map(([a]) => a));
  const up = scale(points.map(([, b]) => b));
  const px = (value: number) => (left + width * across.share(value)).toFixed(1);
  const py = (value: number) => (top + height * (1 - up.share(value))).toFixed(1);
  const line = ({ points: all }: (typeof series)[number], i: number) => {
    const d = all.flatMap(([a, b]) => (Number.isFinite(b) ? [`${px(a)} ${py(b)}`] : [])).join('L');
    return html`<path d="M${d}" fill="none" stroke="${strokes[i % 3]}" stroke-width="2" stroke-dasharray="${dashes[Math.floor(i / 3) % 3]}"/>`;
  };
  const legend =
    series.length > 1
      ? html`<p class="legend">${series.map(
          (s, i) =>
            html`<span><svg width="28" height="8" aria-hidden="true"><path d="M0 4H28" stroke="${strokes[i % 3]}" stroke-width="2" stroke-dasharray="${dashes[Math.floor(i / 3) % 3]}"/></svg> ${name(s.name)}</span> `,
        )}</p>`
      : '';
  return html`<figure><figcaption>${title}</figcaption>${legend}
    <div class="scroll"><svg class="chart" viewBox="0 0 ${left + width + 12} ${top + height + bottom}" role="img" aria-label="${describe(title, series)}">
      ${across.ticks.map((t) => html`<path class="grid" d="M${px(t)} ${top}v${height}"/><text x="${px(t)}" y="${top + height + 14}" text-anchor="middle">${short(t)}</text>`)}
      ${up.ticks.map((t) => html`<path class="grid" d="M${left} ${py(t)}h${width}"/><text x="${left - 6}" y="${py(t)}" dy="4" text-anchor="end">${short(t)}</text>`)}
      ${series.map(line)}
      <text x="${left + width / 2}" y="${top + height + 34}" text-anchor="middle">${x}</text>
      <text transform="translate(12 ${top + height / 2}) rotate(-90)" text-anchor="middle">${y}</text>
    </svg></div>${noteOf(note)}</figure>`;
}

/** Where values lie between the least and the largest, from 0 to 1. */
function scale(values: readonly number[]) {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const v of values) [low, high] = [Math.min(low, v), Math.max(high, v)];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  return { ticks: ticks(low, high, 5), share: (v: number) => (v - low) / (high - low) };
}

function describe(title: string, series: ResultChart['series']): string {
  return `${title}: ${series.map((s) => `${s.name} ends at ${short(s.points.at(-1)?.[1] ?? Number.NaN)}`).join('; ')}.`;
}

function picture({ title, note, values, frames }: LoadedPicture): Html {
  const height = values.length / frames;
  const sorted = values.filter(Number.isFinite).sort();
  const [low, high] = [sorted[Math.floor(0.01 * sorted.length)] ?? 0, sorted[Math.floor(0.99 * sorted.length)] ?? 1];
  const image = heatPicture(values, frames, height, [low, Math.max(high, low + 1e-12)]);
  return html`<figure><figcaption>${title}</figcaption><img class="picture" src="${image}" alt="${title}">${noteOf(note)}</figure>`;
}
