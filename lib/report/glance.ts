// The first thing a reader sees: did it learn, did it help, in one line each, computed from the data of the sections.
import type { LossChart, ProbeTable, ReportData } from './data.js';
import { type Html, html, name } from './html.js';
import { lastLoss } from './losses.js';
import { percent, short } from './numbers.js';

export function glanceSection(data: ReportData): Html {
  const tiles = [...(data.losses ?? []).flatMap(lossTile), ...(data.probes ?? []).flatMap(probeTile)].slice(0, 8);
  if (tiles.length === 0) return html``;
  return html`<section id="glance" aria-label="At a glance"><div class="tiles">${tiles}</div></section>`;
}

function tile(title: Html | string, value: string, detail: string, good: boolean): Html {
  return html`<div class="tile ${good ? 'good' : 'poor'}"><h3>${title}</h3><p class="value">${value}</p><p>${detail}</p></div>`;
}

function lossTile(chart: LossChart): Html[] {
  const heldOut = chart.result ?? (chart.heldOut?.[0] && lastLoss(chart.heldOut[0]));
  const best = [...(chart.references ?? [])].sort((a, b) => a.loss - b.loss)[0];
  if (heldOut === undefined || !best) return [];
  const change = 1 - heldOut / best.loss;
  const detail =
    change > 0
      ? `${percent(change)} below the best trivial predictor (${best.label}: ${short(best.loss)})`
      : `not below the best trivial predictor (${best.label}: ${short(best.loss)})`;
  return [tile(`${chart.title}: held-out loss`, short(heldOut), detail, change > 0)];
}

/** The first row of a table against its best other row. */
function probeTile(table: ProbeTable): Html[] {
  const [own, ...others] = table.rows;
  const best = others.toSorted((a, b) => b.probe.accuracy - a.probe.accuracy)[0];
  if (!own) return [];
  const title = html`${name(table.task)}: ${own.features}`;
  if (!best) return [tile(title, percent(own.probe.accuracy), 'accuracy of a linear probe', true)];
  const points = 100 * (own.probe.accuracy - best.probe.accuracy);
  const sign = points < 0 ? '−' : '+';
  const detail = `${sign}${Math.abs(points).toFixed(1)} points against ${best.features} (${percent(best.probe.accuracy)})`;
  return [tile(title, percent(own.probe.accuracy), detail, points > 0)];
}
