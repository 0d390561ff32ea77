// Probe results: accuracies as bars with their 95 % intervals inside a table, and confusion matrices.
import { argumentError } from '../util/errors.js';
import type { ConfusionMatrix, ProbeScore, ProbeTable } from './data.js';
import { type Html, html, name } from './html.js';
import { percent, points } from './numbers.js';

export function probeSection(tables: readonly ProbeTable[]): Html {
  return html`<section id="probes" aria-labelledby="probes-title">
    <h2 id="probes-title">What the embeddings know</h2>
    <p class="how">${explanation(tables)}</p>
    <div class="probes">${tables.map(probeTable)}</div>
  </section>`;
}

/** Speaks of nothing that is not drawn. */
function explanation(tables: readonly ProbeTable[]): string {
  const knn = tables.some((t) => t.rows.some((row) => row.knn));
  const chance = tables.some((t) => t.chance !== undefined);
  const whole = tables.every((t) => t.folds !== undefined);
  const differences = tables.some((t) => t.differences?.length);
  return [
    `A linear classifier ${knn ? '(and the nearest neighbours) ' : ''}sees only the features of frozen encoders.`,
    `Bars are accuracies on ${whole ? 'all clips, each told by what the other parts taught' : 'the test split'}, whiskers their 95 % intervals${
      chance ? ', the dotted line always guesses the most frequent label' : ''
    }.`,
    differences &&
      'Below each table, the first row against the others on the same clips: where the interval includes zero, the ' +
        'difference may be chance.',
  ]
    .filter(Boolean)
    .join(' ');
}

function probeTable(table: ProbeTable): Html {
  const withKnn = table.rows.some((row) => row.knn);
  return html`<table class="probe">
    <caption>${name(table.task)} <span class="quiet">${table.classes} classes, ${
      table.folds === undefined
        ? `${table.train} clips to train, ${table.test} to test`
        : `${table.test} clips, cross-validated in ${table.folds} parts`
    }</span></caption>
    <thead><tr><th scope="col">features</th><th scope="col">linear probe</th>${
      withKnn ? html`<th scope="col">nearest neighbours</th>` : ''
    }</tr></thead>
    <tbody>${table.rows.map(
      (row, i) => html`<tr class="row-${Math.min(i, 3)}"><th scope="row">${row.features}</th>
        <td>${bar(row.probe, table.chance)}</td>${withKnn ? html`<td>${row.knn ? bar(row.knn, table.chance) : ''}</td>` : ''}
      </tr>`,
    )}</tbody>
    ${table.differences?.length ? html`<tfoot><tr><td colspan="3">${table.differences.map(difference)}</td></tr></tfoot>` : ''}
  </table>`;
}

/** `+8.1 points against untrained (95 %: +3.0 to +13.2, p = 0.002)`. */
function difference({ against, difference, interval, pValue }: NonNullable<ProbeTable['differences']>[number]): Html {
  const p = pValue < 0.001 ? 'p < 0.001' : `p = ${pValue.toFixed(3)}`;
  return html`<div>${points(difference)} points against ${against} (95 %: ${points(interval.low)} to ${points(interval.high)}, ${p})</div>`;
}

function bar({ accuracy, interval: { low, high } }: ProbeScore, chance: number | undefined): Html {
  const x = (share: number) => (200 * Math.min(1, Math.max(0, share))).toFixed(1);
  return html`<div class="bar"><svg viewBox="0 0 200 18" preserveAspectRatio="none" aria-hidden="true">
      <path class="grid" d="M0.5 0v18M50 0v18M100 0v18M150 0v18M199.5 0v18"/>
      <rect class="fill" x="0" y="3" width="${x(accuracy)}" height="12"/>
      ${chance === undefined ? '' : html`<path class="chance" d="M${x(chance)} 0v18"/>`}
      <path class="whisker" d="M${x(low)} 9H${x(high)}M${x(low)} 5.5v7M${x(high)} 5.5v7"/>
    </svg><span><b>${percent(accuracy)}</b> <span class="quiet">${(100 * low).toFixed(0)}–${(100 * high).toFixed(0)}</span></span></div>`;
}

export function confusionSection(matrices: readonly ConfusionMatrix[]): Html {
  return html`<section id="confusion" aria-labelledby="confusion-title">
    <h2 id="confusion-title">What is taken for what</h2>
    <p class="how">Test clips by their true label (rows) and what the probe said (columns). Colour is the share of the
      row, so that rare labels are as visible as frequent ones.</p>
    <div class="matrices">${matrices.map(confusionTable)}</div>
  </section>`;
}

function confusionTable({ title, labels, counts }: ConfusionMatrix): Html {
  if (counts.length !== labels.length || counts.some((row) => row.length !== labels.length)) {
    throw argumentError('confusion counts', `${labels.length} rows of ${labels.length} numbers`, counts.length);
  }
  const rows = counts.map((row, truth) => {
    const total = row.reduce((a, b) => a + b, 0);
    const cells = row.map((count, prediction) => {
      const share = total ? count / total : 0;
      const classes = [truth === prediction && 'right', share > 0.55 && 'strong'].filter(Boolean).join(' ');
      return html`<td class="${classes}" style="--share:${share.toFixed(3)}">${count || ''}</td>`;
    });
    return html`<tr><th scope="row">${name(labels[truth])}</th>${cells}<td class="recall">${
      total ? percent(row[truth] / total) : '–'
    }</td></tr>`;
  });
  return html`<div class="scroll"><table class="confusion">
    <caption>${title}</caption>
    <thead><tr><td></td>${labels.map((l) => html`<th scope="col"><span>${name(l)}</span></th>`)}<th scope="col"><span>right</span></th></tr></thead>
    <tbody>${rows}</tbody>
  </table></div>`;
}
