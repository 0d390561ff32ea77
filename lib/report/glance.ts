// The first thing a reader sees: did it learn, did it help, in one line each, computed from the data of the sections.
import { pretrainedName } from '../evaluate/clip-features.js';
import type { LossChart, ProbeTable, ReportData } from './data.js';
import { type Html, html, name } from './html.js';
import { lastLoss } from './loss-curves.js';
import { percent, points, short } from './numbers.js';

export function glanceSection(data: ReportData): Html {
  const tiles = [...(data.losses ?? []).flatMap(lossTile), ...(data.probes ?? []).flatMap(probeTiles)].slice(0, 8);
  if (tiles.length === 0 && data.gain === undefined) return html``;
  const gain = data.gain === undefined ? '' : html`<p class="gain">${name(data.gain)}</p>`;
  return html`<section id="glance" aria-label="At a glance">${gain}<div class="tiles">${tiles}</div></section>`;
}

/** `neutral`: what may be chance. */
type Verdict = 'good' | 'poor' | 'neutral';

function tile(title: Html | string, value: string, detail: string, verdict: Verdict): Html {
  return html`<div class="tile ${verdict}"><h3>${title}</h3><p class="value">${value}</p><p>${detail}</p></div>`;
}

function lossTile(chart: LossChart): Html[] {
  const heldOut = chart.result ?? (chart.heldOut?.[0] && lastLoss(chart.heldOut[0]));
  const best = [...(chart.references ?? [])].sort((a, b) => a.loss - b.loss)[0];
  if (heldOut === undefined || !best) return [];
  const change = 1 - heldOut / best.loss;
  const than = `${best.label}: ${short(best.loss)}`;
  const detail =
    change > 0
      ? `${percent(change)} below what needs no learning (${than})`
      : `not below what needs no learning (${than})`;
  return [tile(`${chart.title}: held-out loss`, short(heldOut), detail, change > 0 ? 'good' : 'poor')];
}

/** The first row of a table against the best of those that learnt nothing, and against the package's own encoder. */
function probeTiles(table: ProbeTable): Html[] {
  const [own, ...others] = table.rows;
  if (!own) return [];
  const title = html`${name(table.task)}: ${own.features}`;
  const unlearnt = others.filter((row) => row.features !== pretrainedName);
  const best = unlearnt.toSorted((a, b) => b.probe.accuracy - a.probe.accuracy)[0];
  const rivals = [best, others.find((row) => row.features === pretrainedName)].filter((row) => row !== undefined);
  if (rivals.length === 0) return [tile(title, percent(own.probe.accuracy), 'accuracy of a linear probe', 'neutral')];
  return rivals.map((rival) => {
    const found = table.differences?.find(({ against }) => against === rival.features);
    const difference = found?.difference ?? own.probe.accuracy - rival.probe.accuracy;
    const clear = found !== undefined && (found.interval.low > 0 || found.interval.high < 0);
    const verdict = !clear ? 'neutral' : difference > 0 ? 'good' : 'poor';
    const interval = found && ` (95 %: ${points(found.interval.low)} to ${points(found.interval.high)})`;
    const detail =
      `${points(difference)} points${interval ?? ''} against ${rival.features}, ${percent(rival.probe.accuracy)}` +
      `${clear ? '' : ': may be chance'}`;
    return tile(title, percent(own.probe.accuracy), detail, verdict);
  });
}
