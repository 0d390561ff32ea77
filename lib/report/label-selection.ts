// A selection as one SVG file: scores beside what chance gives, what the class leaves, and the weights.
import type { LabelEstimate } from '../systems/pretext-selection/label-estimate.js';
import type { Selection } from '../systems/pretext-selection/weigh.js';
import { escapeHtml } from './html.js';

const rowHeight = 22;
const top = 58;
const nameWidth = 80;
const panel = { width: 200, gap: 34 };

/** An SVG document, readable in light and dark; nothing is loaded. */
export function drawSelection(selection: Selection): string {
  const rows = [...selection.labels, selection.control];
  const height = top + rows.length * rowHeight + 30;
  const width = nameWidth + 3 * (panel.width + panel.gap);
  const names = rows.map((row, i) => text(nameWidth - 8, middle(i), row.name, 'end'));
  const panels = [scorePanel(rows), leftPanel(rows), weightPanel(selection, rows)];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Pretext labels by their dependence on signal and class">`,
    '<style>svg{background:#fff;font:12px system-ui,sans-serif}text{fill:#222}.quiet{fill:#666}.bar{fill:#0072b2}.null{fill:#e69f00;fill-opacity:.75}.line{stroke:#222;fill:none}.grid{stroke:#ccc}</style>',
    text(8, 16, `${selection.clips} recordings, ${selection.classes.length} classes. ${selection.task}`, 'start'),
    ...names,
    ...panels.map((content, i) => {
      return `<g transform="translate(${nameWidth + i * (panel.width + panel.gap)} 0)">${content.join('')}</g>`;
    }),
    '</svg>\n',
  ].join('\n');
}

/** Bars of the score; the orange mark is the central 95 % of permutations. */
function scorePanel(rows: readonly LabelEstimate[]): string[] {
  const most = Math.max(...rows.flatMap((r) => [r.score, r.nullInterval.high]));
  const x = (v: number) => (panel.width * v) / most;
  return [
    ...title('HSIC given the class', 'orange: 95 % of permutations'),
    ...rows.flatMap((r, i) => [
      `<rect class="bar" x="0" y="${rowTop(i)}" width="${fixed(x(r.score))}" height="12"><title>${escapeHtml(r.name)}: ${r.score.toPrecision(3)}, z ${r.z.toFixed(1)}</title></rect>`,
      `<rect class="null" x="${fixed(x(r.nullInterval.low))}" y="${rowTop(i) - 2}" width="${fixed(Math.max(1, x(r.nullInterval.high - r.nullInterval.low)))}" height="16"/>`,
    ]),
  ];
}

/** Points with two standard errors to either side; at 1 the class explains nothing. */
function leftPanel(rows: readonly LabelEstimate[]): string[] {
  const most = 1.2;
  const x = (v: number) => fixed((panel.width * Math.min(most, Math.max(0, v))) / most);
  return [
    ...title('left once the class is known', 'at the line the class explains nothing'),
    `<path class="grid" d="M${x(1)} ${top - 6}V${top + rows.length * rowHeight}"/>`,
    ...rows.flatMap(({ name, left, leftDeviation: d = 0 }, i) => {
      if (left === undefined) return [];
      return [
        `<path class="line" d="M${x(left - 2 * d)} ${middle(i) - 4}H${x(left + 2 * d)}"/>`,
        `<circle class="bar" cx="${x(left)}" cy="${middle(i) - 4}" r="4"><title>${escapeHtml(name)}: ${left.toFixed(2)} ± ${d.toFixed(2)}</title></circle>`,
      ];
    }),
  ];
}

function weightPanel({ groups }: Selection, rows: readonly LabelEstimate[]): string[] {
  return [
    ...title('weights', 'of the task line'),
    ...rows.flatMap((r, i) => {
      const w = groups.sparsemax.weights[r.name] ?? 0;
      const bar = `<rect class="bar" x="0" y="${rowTop(i)}" width="${fixed(panel.width * 0.8 * w)}" height="12"/>`;
      return w > 0 ? [bar, text(panel.width * 0.8 * w + 5, middle(i), w.toFixed(2), 'start')] : [];
    }),
  ];
}

const rowTop = (i: number) => top + i * rowHeight;
const middle = (i: number) => rowTop(i) + 10;
const fixed = (v: number) => v.toFixed(1);
const title = (first: string, second: string) => [
  text(0, 36, first, 'start'),
  `<text class="quiet" x="0" y="50" font-size="10">${escapeHtml(second)}</text>`,
];

function text(x: number, y: number, content: string, anchor: 'start' | 'end'): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}">${escapeHtml(content)}</text>`;
}
