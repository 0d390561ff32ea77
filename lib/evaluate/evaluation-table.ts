// Evaluations as plain text for a terminal.

import type { Interval } from '../util/metrics.js';
import { textTable } from '../util/text-table.js';
import type { Comparison } from './evaluate.js';

const percent = (x: number) => (100 * x).toFixed(1);
const numeric = (title: string) => ({ title, numeric: true });
const range = ({ low, high }: Interval) => `${percent(low)} – ${percent(high)}`;

/** The table of a comparison: accuracies in percent with their 95 % intervals, then what of it is more than chance. */
export function renderComparison({ rows, pairs, folds }: Comparison): string {
  const { testClips, trainClips, labels, majority } = rows[0];
  const table = textTable(
    [{ title: 'features' }, ...['size', 'linear probe %', '95 % interval', 'kNN %', '95 % interval'].map(numeric)],
    rows.map((r) => [
      r.name,
      String(r.dim),
      percent(r.probe.accuracy),
      range(r.probe.interval),
      percent(r.knn.accuracy),
      range(r.knn.interval),
    ]),
  );
  const compared = pairs.map(({ name, against, difference, interval, pValue }) => {
    const p = pValue < 0.001 ? 'p < 0.001' : `p = ${pValue.toFixed(3)}`;
    return `${name} against ${against}: ${points(difference)} points (${range(interval).replaceAll('-', '−')}), ${p}`;
  });
  const clips =
    folds === undefined
      ? `${trainClips} clips to train on, ${testClips} to test`
      : `${testClips} clips, each tested once in cross-validation with ${folds} parts`;
  const data = `${labels.length} labels, ${clips}; ` + `always the most frequent label: ${percent(majority)} %`;
  return [table, '', ...compared, data].join('\n');
}

/** What was gained, in one sentence: the first features beside others that learnt nothing from recordings.
 * @param learnt names of features that are left out: they have learnt as well */
export function gainSentence({ rows, pairs }: Comparison, learnt: readonly string[] = []): string {
  const [own] = rows;
  const found = `With the ${own.name} a linear classifier names ${Math.round(100 * own.probe.accuracy)} of 100 recordings right`;
  const gains = pairs
    .filter(({ against }) => !learnt.includes(against))
    .map(({ against, difference, interval: { low, high } }) => {
      const chance = low > 0 || high < 0 ? '' : ', may be chance';
      return `${points(difference)} points against ${against} (95 %: ${points(low)} to ${points(high)}${chance})`;
    });
  return gains.length > 0 ? `${found}: ${gains.join(', ')}.` : `${found}.`;
}

const points = (share: number) => `${share < 0 ? '−' : '+'}${percent(Math.abs(share))}`;

/** A confusion matrix with the true labels down and the predicted ones across (numbered to save width); zeros as `·`. */
export function renderConfusion(confusion: readonly (readonly number[])[], labels: readonly string[]): string {
  const columns = [{ title: 'true \\ predicted' }, ...labels.map((_, i) => numeric(String(i + 1)))];
  const rows = confusion.map((row, label) => [
    `${label + 1} ${labels[label]}`,
    ...row.map((count) => (count === 0 ? '·' : String(count))),
  ]);
  return textTable(columns, rows);
}
