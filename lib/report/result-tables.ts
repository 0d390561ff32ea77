// Results of any system: its headline, tables, lines over a common axis, and pictures such as spectrograms.
import type { ResultChart, Results, ResultTable } from '../systems/results.js';
import { commonRange, heatPicture, type Range } from './heat-picture.js';
import { type Html, html, name } from './html.js';
import { short, tickLabels, ticks } from './numbers.js';

/** A picture with its values at hand. */
export interface LoadedPicture {
  title: string;
  note?: string;
  /** `[frames, values]`. */
  values: Float32Array;
  frames: number;
  /** Of its shades; default: its own. */
  range?: Range;
}

export function resultsSection(results: Results, pictures: readonly LoadedPicture[]): Html {
  const { headline, tables = [], charts = [] } = results;
  return html`<section id="results" aria-labelledby="results-title">
    <h2 id="results-title">Results</h2>
    <p class="headline">${headline}</p>
    ${tables.map(table)}
    ${charts.map(chart)}
    <div class="pictures">${pictures.map(picture)}</div>
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

/** Room around the lines. Letters of an axis take up to `letter` on a narrow screen, where the style sheet makes them larger. */
const plot = { letter: 13, top: 16, width: 560, height: 220, right: 32, bottom: 56 };
/** Colours of lines by the style sheet's names, then dashes. */
const strokes = ['var(--held-out)', 'var(--training)', 'var(--ink)'];
const dashes = ['', '8 4', '2 3'];

type Series = ResultChart['series'][number];

function strokeOf({ reference }: Series, i: number): Html {
  const [colour, dash] = reference ? ['var(--reference)', '6 4'] : [strokes[i % 3], dashes[Math.floor(i / 3) % 3]];
  return html`fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"`;
}

function chart({ title, x, y, series, note }: ResultChart): Html {
  const points = series.flatMap((s) => s.points).filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b));
  if (points.length === 0) return html``;
  const { top, width, height, bottom } = plot;
  const across = scale(points.map(([a]) => a));
  const up = scale(points.map(([, b]) => b));
  const left = 14 + plot.letter * Math.max(...up.labels.map((label) => label.length));
  const px = (value: number) => (left + width * across.share(value)).toFixed(1);
  const py = (value: number) => (top + height * (1 - up.share(value))).toFixed(1);
  const line = (one: Series, i: number) => {
    const d = one.points.flatMap(([a, b]) => (Number.isFinite(b) ? [`${px(a)} ${py(b)}`] : [])).join('L');
    return html`<path d="M${d}" ${strokeOf(one, i)}/>`;
  };
  const legend =
    series.length > 1
      ? html`<p class="legend">${series.map(
          (s, i) =>
            html`<span><svg width="28" height="8" aria-hidden="true"><path d="M0 4H28" ${strokeOf(s, i)}/></svg> ${name(s.name)}</span> `,
        )}</p>`
      : '';
  return html`<figure><figcaption>${title}</figcaption>${legend}<p class="axis">${y}</p>
    <svg class="chart" viewBox="0 0 ${left + width + plot.right} ${top + height + bottom}" role="img" aria-label="${describe(title, series)}">
      ${across.ticks.map((t, i) => html`<path class="grid" d="M${px(t)} ${top}v${height}"/><text x="${px(t)}" y="${top + height + 20}" text-anchor="middle">${across.labels[i]!}</text>`)}
      ${up.ticks.map((t, i) => html`<path class="grid" d="M${left} ${py(t)}h${width}"/><text x="${left - 8}" y="${py(t)}" dy="0.35em" text-anchor="end">${up.labels[i]!}</text>`)}
      ${series.map(line)}
      <text x="${left + width / 2}" y="${top + height + 46}" text-anchor="middle">${x}</text>
    </svg>${noteOf(note)}</figure>`;
}

/** Where values lie between the least and the largest, from 0 to 1. */
function scale(values: readonly number[]) {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const v of values) [low, high] = [Math.min(low, v), Math.max(high, v)];
  if (low === high) [low, high] = [low - 0.1 * Math.abs(low || 1), high + 0.1 * Math.abs(high || 1)];
  const marks = ticks(low, high, 5);
  return { ticks: marks, labels: tickLabels(marks), share: (v: number) => (v - low) / (high - low) };
}

function describe(title: string, series: ResultChart['series']): string {
  return `${title}: ${series.map((s) => `${s.name} ends at ${short(s.points.at(-1)?.[1] ?? Number.NaN)}`).join('; ')}.`;
}

function picture({ title, note, values, frames, range }: LoadedPicture): Html {
  const height = values.length / frames;
  const [low, high] = range ?? commonRange(values);
  const image = heatPicture(values, frames, height, [low, Math.max(high, low + 1e-12)]);
  return html`<figure><figcaption>${title}</figcaption><img class="picture" src="${image}" alt="${title}">${noteOf(note)}</figure>`;
}
