// Ours against each peer, round by round: what the machine does to one it mostly does to the other.
import { figure, metricTitle } from '../dist/bench/bench-table.js';
import { markdownTable } from '../dist/util/text-table.js';

/** Metrics of which less is better. */
const lowerIsBetter = /^(latency|peak_rss|ms$)/;

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

/**
 * @param {{ ours: object[], theirs: object[] }[]} turns one element a round
 * @returns {{ peer: string, config?: string, metric: string, ours: number, theirs: number, ratios: number[] }[]} how many times
 *   better we are, in each round
 */
export function ratios(turns) {
  const found = new Map();
  for (const { ours, theirs } of turns) {
    for (const line of theirs) {
      const own = ours.find((candidate) => candidate.metric === line.metric);
      if (!own) continue;
      const key = [line.peer, line.config, line.metric].join(' ');
      const row = found.get(key) ?? { peer: line.peer, metric: line.metric, ours: [], theirs: [], ratios: [] };
      row.ours.push(own.value);
      row.theirs.push(line.value);
      row.ratios.push(lowerIsBetter.test(line.metric) ? line.value / own.value : own.value / line.value);
      found.set(key, row);
    }
  }
  return [...found.values()].map((row) => ({ ...row, ours: median(row.ours), theirs: median(row.theirs) }));
}

/** Of each figure of ours, the line of the round that came out in the middle. */
export function middleOf(turns) {
  return turns[0].ours.map(({ metric }) => {
    const lines = turns.flatMap(({ ours }) => ours.filter((line) => line.metric === metric));
    return lines.sort((a, b) => a.value - b.value)[(lines.length - 1) >> 1];
  });
}

/** @param {Map<object, ReturnType<typeof ratios>>} compared by benchmark case */
export function ratiosTable(compared) {
  const rows = [...compared].flatMap(([bench, lines]) =>
    lines.map((line) => [
      bench.task,
      figure(bench.batch),
      figure(bench.threads),
      line.peer,
      metricTitle(line.metric),
      figure(line.ours),
      figure(line.theirs),
      `${figure(median(line.ratios))}×`,
      `${figure(Math.min(...line.ratios))}–${figure(Math.max(...line.ratios))}`,
    ]),
  );
  const titles = ['case', 'batch', 'threads', 'peer', 'unit', 'ours', 'peer’s', 'ratio', 'range'];
  const words = ['case', 'peer', 'unit'];
  return markdownTable(
    titles.map((title) => ({ title, numeric: !words.includes(title) })),
    rows,
  );
}
