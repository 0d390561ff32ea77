// A selection as text for a terminal.
import { textTable } from '../../util/text-table.js';
import type { LabelEstimate } from './label-estimate.js';
import type { Group, Selection } from './weigh.js';

export function renderSelection(selection: Selection): string {
  const { groups } = selection;
  const number = (title: string) => ({ title, numeric: true });
  const columns = [
    { title: 'label' },
    ...['score', 'null', 'z', 'p', 'left', 'class explains', 'within class', 'weight'].map(number),
  ];
  const row = (e: LabelEstimate) => [
    e.name,
    small(e.score),
    `${small(e.nullInterval.low)}–${small(e.nullInterval.high)}`,
    e.z.toFixed(1),
    e.pValue.toFixed(3),
    leftText(e),
    `${(100 * e.classExplains).toFixed(0)} %`,
    e.withinDeviation.toFixed(2),
    (groups.sparsemax.weights[e.name] ?? 0).toFixed(2),
  ];
  const rows = [...selection.labels, selection.control].map(row);
  const group = (name: string, g: Group) => [name, shown(g), small(g.score), g.step === undefined ? '' : `${g.step}`];
  const { sparsemax, softmax, bestSingle, equal } = groups;
  return [
    textTable(columns, rows, selection.labels.length),
    '',
    textTable(
      [{ title: 'group' }, { title: 'weights' }, number('score'), number('stopped after')],
      [
        group('sparsemax', sparsemax),
        group('softmax', softmax),
        group('best single', bestSingle),
        group('all, equal', equal),
        ['control', selection.control.name, small(selection.control.score), ''],
      ],
    ),
    '',
    'Scores are 1000 · HSIC given the class; lower is preferred. They are lowest for what log-mel hardly shows, noise too:',
    'compare with the control. left: the share of the dependence that is left once the class is known.',
    '',
    `--task "${selection.task}"`,
  ].join('\n');
}

const small = (v: number) => (1000 * v).toFixed(2);

function leftText({ left, leftDeviation }: LabelEstimate): string {
  if (left === undefined) return '–';
  return `${left.toFixed(2)}${leftDeviation === undefined ? '' : ` ± ${leftDeviation.toFixed(2)}`}`;
}

function shown({ weights }: Group): string {
  const kept = Object.entries(weights).filter(([, w]) => w >= 0.005);
  if (kept.length > 4 && kept.every(([, w]) => w === kept[0][1])) return `each ${kept[0][1].toFixed(2)}`;
  return kept
    .sort((a, b) => b[1] - a[1])
    .map(([name, w]) => (w === 1 ? name : `${name}:${w.toFixed(2)}`))
    .join(' ');
}
