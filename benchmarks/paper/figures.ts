// Figures of the results page as SVG: grouped bars, and curves with error bars. Drawn by hand, because two shapes need
// no library.
import { labelColours } from '../../lib/report/colours.js';
import type { Curve, Row } from './summary.js';

const font = 'font-family="system-ui, sans-serif" font-size="11"';
const plot = { left: 44, top: 12, height: 220 };

/** Bars per task, one colour a row, with the spread over seeds. Values are fractions, shown in percent. */
export function barsFigure(taskNames: readonly string[], rows: readonly Row[]): string {
  const bar = 9;
  const groupWidth = rows.length * bar + 18;
  const names = [...taskNames, 'mean'];
  const width = plot.left + names.length * groupWidth + 10;
  const parts = axis(width);
  names.forEach((task, t) => {
    const x0 = plot.left + t * groupWidth + 9;
    rows.forEach((row, i) => {
      const value = task === 'mean' ? row.mean : row.tasks[task];
      if (!value || !Number.isFinite(value.mean)) return;
      const y = yOf(value.mean);
      const x = x0 + i * bar;
      parts.push(`<rect x="${x}" y="${y}" width="${bar - 1}" height="${round(yOf(0) - y)}" fill="${colour(i)}"/>`);
      if (value.spread > 0) parts.push(errorBar(x + (bar - 1) / 2, value.mean, value.spread));
    });
    parts.push(text(x0 + (rows.length * bar) / 2, plot.top + plot.height + 15, task, 'middle'));
  });
  return svg(
    width,
    parts,
    legend(
      rows.map((r) => r.name),
      width,
    ),
  );
}

/** Curves over a few values of x, evenly spaced; an infinite x is labelled "all". */
export function curvesFigure(curves: readonly Curve[], xTitle: string): string {
  const width = 460;
  const xs = [...new Set(curves.flatMap((c) => c.points.map((p) => p.x)))].sort((a, b) => a - b);
  const xAt = (x: number) =>
    round(plot.left + 20 + (xs.indexOf(x) * (width - plot.left - 50)) / Math.max(1, xs.length - 1));
  const parts = axis(width);
  curves.forEach(({ points }, i) => {
    const path = points.map((p) => `${xAt(p.x)},${yOf(p.y.mean)}`).join(' ');
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour(i)}" stroke-width="2"/>`);
    for (const p of points) {
      parts.push(`<circle cx="${xAt(p.x)}" cy="${yOf(p.y.mean)}" r="3" fill="${colour(i)}"/>`);
      if (p.y.spread > 0) parts.push(errorBar(xAt(p.x), p.y.mean, p.y.spread));
    }
  });
  for (const x of xs) {
    parts.push(text(xAt(x), plot.top + plot.height + 15, Number.isFinite(x) ? String(x) : 'all', 'middle'));
  }
  parts.push(text(width / 2, plot.top + plot.height + 30, xTitle, 'middle'));
  return svg(
    width,
    parts,
    legend(
      curves.map((c) => c.name),
      width,
    ),
  );
}

function axis(width: number): string[] {
  return [0, 0.2, 0.4, 0.6, 0.8, 1].flatMap((v) => [
    `<line x1="${plot.left}" x2="${width - 6}" y1="${yOf(v)}" y2="${yOf(v)}" stroke="#ddd"/>`,
    text(plot.left - 6, yOf(v) + 4, `${Math.round(100 * v)} %`, 'end'),
  ]);
}

function errorBar(x: number, mean: number, spread: number): string {
  return `<line x1="${round(x)}" x2="${round(x)}" y1="${yOf(mean - spread)}" y2="${yOf(mean + spread)}" stroke="#333"/>`;
}

function legend(names: readonly string[], width: number): { parts: string[]; height: number } {
  const column = 130;
  const columns = Math.max(1, Math.floor((width - plot.left) / column));
  const parts = names.flatMap((name, i) => {
    const [x, y] = [plot.left + (i % columns) * column, plot.top + plot.height + 46 + 16 * Math.floor(i / columns)];
    return [`<rect x="${x}" y="${y - 9}" width="10" height="10" fill="${colour(i)}"/>`, text(x + 15, y, name, 'start')];
  });
  return { parts, height: 16 * Math.ceil(names.length / columns) };
}

function svg(width: number, parts: readonly string[], { parts: keys, height }: { parts: string[]; height: number }) {
  const total = plot.top + plot.height + 42 + height;
  const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${total}" width="${width}" ${font}>`;
  return `${[open, `<rect width="${width}" height="${total}" fill="#fff"/>`, ...parts, ...keys, '</svg>'].join('\n')}\n`;
}

function text(x: number, y: number, value: string, anchor: 'start' | 'middle' | 'end'): string {
  const safe = value.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" fill="#333">${safe}</text>`;
}

/** The palette has seven colours; beyond those, darker. */
function colour(i: number): string {
  const base = labelColours[i % labelColours.length]!;
  if (i < labelColours.length) return base;
  const darker = [1, 3, 5].map((at) => Math.round(Number.parseInt(base.slice(at, at + 2), 16) * 0.5));
  return `#${darker.map((v) => v.toString(16).padStart(2, '0')).join('')}`;
}

function yOf(fraction: number): number {
  return round(plot.top + plot.height * (1 - Math.min(1, Math.max(0, fraction))));
}

function round(x: number): number {
  return Math.round(10 * x) / 10;
}
