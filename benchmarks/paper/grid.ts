// The grid: everything that is trained and measured for the table, one cell each. A cell's result is one JSON file, and
// a cell whose file is there is not run again.

import { defaultEncoder, type EncoderConfig } from '../../lib/models/blocks.js';
import { tasks } from '../../lib/systems/audio2vec/tasks/index.js';
import { argumentError } from '../../lib/util/errors.js';

export const groups = ['table', 'widths', 'labels'] as const;
export type Group = (typeof groups)[number];

/** What turns clips into vectors. */
export type Features =
  | { kind: 'log-mel' }
  | { kind: 'untrained' }
  /** `task` undefined: the recipe, all defaults. */
  | { kind: 'pretrained'; task?: string };

/** Frozen features, read by a linear probe and by nearest neighbours, on all labelled tasks. */
export interface FeaturesCell {
  kind: 'features';
  id: string;
  group: Group;
  /** Name of the row in tables. */
  row: string;
  features: Features;
  /** Factor on the widths of all blocks. */
  width: number;
  seed: number;
}

/** The encoder trained on labels, from pretrained or from random weights. */
export interface LabelsCell {
  kind: 'labels';
  id: string;
  group: Group;
  task: string;
  /** Labelled clips of each class; undefined: all there are. */
  perClass?: number;
  start: 'scratch' | 'fine-tuned';
  seed: number;
}

export type Cell = FeaturesCell | LabelsCell;

export const recipeRow = 'recipe';
export const untrainedRow = 'untrained';
export const labelCounts = [5, 10, 20, 50, undefined] as const;
export const widths = [0.5, 1, 2] as const;

export interface GridOptions {
  seeds: number;
  /** Groups, rows or cells to run; empty: all. */
  only?: readonly string[];
}

/** All cells in the order they run: what the main table needs first, one seed after the other. */
export function paperGrid(taskNames: readonly string[], { seeds, only = [] }: GridOptions): Cell[] {
  const cells: Cell[] = [features('table', 'log-mel', { kind: 'log-mel' }, 1, 1)];
  const each = Array.from({ length: seeds }, (_, i) => i + 1);
  for (const seed of each) {
    cells.push(features('table', untrainedRow, { kind: 'untrained' }, 1, seed));
    cells.push(features('table', recipeRow, { kind: 'pretrained' }, 1, seed));
    for (const { name, label } of tasks) {
      if (!label) cells.push(features('table', name, { kind: 'pretrained', task: name }, 1, seed));
    }
    for (const task of taskNames) cells.push(onLabels('table', task, undefined, 'scratch', seed));
  }
  for (const seed of each) {
    for (const width of widths.filter((w) => w !== 1)) {
      cells.push(features('widths', recipeRow, { kind: 'pretrained' }, width, seed));
    }
  }
  for (const seed of each) {
    for (const task of taskNames) {
      for (const count of labelCounts) {
        if (count !== undefined) cells.push(onLabels('labels', task, count, 'scratch', seed));
        cells.push(onLabels('labels', task, count, 'fine-tuned', seed));
      }
    }
  }
  const known = new Set<string>([...groups, ...cells.flatMap((c) => [c.id, ...('row' in c ? [c.row] : [])])]);
  const wrong = only.find((name) => !known.has(name));
  if (wrong) throw argumentError('only', `of ${groups.join(', ')}, or rows such as ${recipeRow}, cbow`, wrong);
  const chosen = (c: Cell) => [c.group, c.id, 'row' in c ? c.row : ''].some((name) => only.includes(name));
  return only.length === 0 ? cells : cells.filter(chosen);
}

function features(group: Group, row: string, kind: Features, width: number, seed: number): FeaturesCell {
  const id = `${row}${width === 1 ? '' : `-x${width}`}-seed${seed}`;
  return { kind: 'features', id, group, row, features: kind, width, seed };
}

function onLabels(
  group: Group,
  task: string,
  perClass: number | undefined,
  start: LabelsCell['start'],
  seed: number,
): LabelsCell {
  const id = `labels-${task}-${perClass ?? 'all'}-${start}-seed${seed}`;
  return { kind: 'labels', id, group, task, perClass, start, seed };
}

/** The default encoder with all blocks narrower or wider; the embedding keeps its size, so that probes compare. */
export function encoderOfWidth(width: number): EncoderConfig {
  return { ...defaultEncoder, channels: defaultEncoder.channels.map((c) => Math.max(1, Math.round(c * width))) };
}
