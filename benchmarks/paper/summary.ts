// From cells to rows: means and spreads over seeds.

import type { TaskReport } from '../../lib/systems/audio2vec/held-out.js';
import { tasks as pretextTasks } from '../../lib/systems/audio2vec/tasks/index.js';
import { meanAndSpread, normalisedScore } from '../../lib/util/metrics.js';
import { labelCounts, recipeRow, untrainedRow, widths } from './grid.js';
import { type CellResult, type FeaturesResult, type LabelsResult, queryShifts } from './run-cell.js';

/** A measurement over seeds. Fractions. */
export interface Measured {
  mean: number;
  spread: number;
  n: number;
}

/** One method: a value for each task, and their mean (each seed's mean over tasks, then over seeds). */
export interface Row {
  name: string;
  tasks: Record<string, Measured>;
  mean: Measured;
}

export interface Curve {
  name: string;
  points: { x: number; y: Measured }[];
}

export interface Summary {
  taskNames: string[];
  testClips: Record<string, number>;
  probe: Row[];
  knn: Row[];
  /** kNN on the mean of the tasks, by shift of the queries in frames. */
  shifted: Curve[];
  /** Accuracy on the mean of the tasks by labels per class (the last point: all of them). */
  labels: Curve[];
  /** Probe accuracy on the mean of the tasks by width. */
  widths: Curve[];
  /** (accuracy − untrained) / (supervised − untrained) of the probes. */
  normalised: { name: string; tasks: Record<string, number>; mean: number }[];
  /** Steps and seconds of each pretraining. */
  training: { id: string; task: string; steps: number; seconds: number; heldOut: readonly TaskReport[] }[];
}

export const supervisedRow = 'supervised';

export function summarise(results: readonly CellResult[]): Summary {
  const features = results.filter((r): r is FeaturesResult => r.cell.kind === 'features');
  const labels = results.filter((r): r is LabelsResult => r.cell.kind === 'labels');
  const atWidth1 = features.filter((r) => r.cell.width === 1);
  const testClips: Record<string, number> = {};
  for (const r of features) for (const s of r.scores) testClips[s.task] = s.testClips;
  for (const r of labels) testClips[r.cell.task] = r.testClips;
  const taskNames = Object.keys(testClips).sort();
  const names = ['log-mel', untrainedRow, ...pretextTasks.map((t) => t.name), recipeRow];
  const present = names.filter((name) => atWidth1.some((r) => r.cell.row === name));
  const rows = (value: (s: FeaturesResult['scores'][number]) => number) =>
    present.map((name) => {
      const own = atWidth1.filter((r) => r.cell.row === name);
      return row(
        name,
        taskNames,
        own.map((r) => Object.fromEntries(r.scores.map((s) => [s.task, value(s)]))),
      );
    });
  const probe = rows((s) => s.probe);
  const scratch = labels.filter((r) => r.cell.start === 'scratch' && r.cell.perClass === undefined);
  if (scratch.length > 0) probe.push(row(supervisedRow, taskNames, bySeed(scratch)));
  return {
    taskNames,
    testClips,
    probe,
    knn: rows((s) => s.knn),
    shifted: present.map((name) => ({
      name,
      points: [0, ...queryShifts].map((x) => ({
        x,
        y: rows((s) => (x === 0 ? s.knn : s.shifted[x]!)).find((r) => r.name === name)!.mean,
      })),
    })),
    labels: labelCurves(labels, taskNames),
    widths: widthCurve(features, taskNames),
    normalised: normalise(probe, taskNames),
    training: features.flatMap((r) => (r.training ? [{ id: r.cell.id, ...r.training }] : [])),
  };
}

/** @param seeds accuracy by task, of each seed */
function row(name: string, taskNames: readonly string[], seeds: readonly Record<string, number>[]): Row {
  const tasks = taskNames.flatMap((task) => {
    const values = seeds.flatMap((s) => (s[task] === undefined ? [] : [s[task]]));
    return values.length > 0 ? [[task, meanAndSpread(values)] as const] : [];
  });
  const whole = seeds.filter((s) => taskNames.every((task) => s[task] !== undefined));
  const means = whole.map((s) => taskNames.reduce((sum, task) => sum + s[task]!, 0) / taskNames.length);
  const mean = means.length > 0 ? meanAndSpread(means) : { mean: Number.NaN, spread: Number.NaN, n: 0 };
  return { name, tasks: Object.fromEntries(tasks), mean };
}

function bySeed(results: readonly LabelsResult[]): Record<string, number>[] {
  const seeds = new Map<number, Record<string, number>>();
  for (const { cell, accuracy } of results) {
    seeds.set(cell.seed, { ...seeds.get(cell.seed), [cell.task]: accuracy });
  }
  return [...seeds.values()];
}

function labelCurves(results: readonly LabelsResult[], taskNames: readonly string[]): Curve[] {
  return (['scratch', 'fine-tuned'] as const).flatMap((start) => {
    const points = labelCounts.flatMap((count) => {
      const own = results.filter((r) => r.cell.start === start && r.cell.perClass === count);
      const { mean: y } = row(start, taskNames, bySeed(own));
      return y.n > 0 ? [{ x: count ?? Number.POSITIVE_INFINITY, y }] : [];
    });
    return points.length > 1 ? [{ name: start, points }] : [];
  });
}

function widthCurve(results: readonly FeaturesResult[], taskNames: readonly string[]): Curve[] {
  const points = widths.flatMap((x) => {
    const own = results.filter((r) => r.cell.row === recipeRow && r.cell.width === x);
    const seeds = own.map((r) => Object.fromEntries(r.scores.map((s) => [s.task, s.probe])));
    const { mean: y } = row(recipeRow, taskNames, seeds);
    return y.n > 0 ? [{ x, y }] : [];
  });
  return points.length > 1 ? [{ name: recipeRow, points }] : [];
}

function normalise(probe: readonly Row[], taskNames: readonly string[]): Summary['normalised'] {
  const untrained = probe.find((r) => r.name === untrainedRow);
  const supervised = probe.find((r) => r.name === supervisedRow);
  if (!untrained || !supervised) return [];
  return probe
    .filter((r) => r !== untrained && r !== supervised)
    .map((r) => {
      const known = taskNames.filter((t) => r.tasks[t] && untrained.tasks[t] && supervised.tasks[t]);
      const of = (a: Measured, u: Measured, s: Measured) => normalisedScore(a.mean, u.mean, s.mean);
      const tasks = known.map((t) => [t, of(r.tasks[t]!, untrained.tasks[t]!, supervised.tasks[t]!)] as const);
      return { name: r.name, tasks: Object.fromEntries(tasks), mean: of(r.mean, untrained.mean, supervised.mean) };
    });
}
