// Held-out losses of the tasks beside predictors that learnt nothing, as results of a run.
import type { Results } from '../results.js';
import type { TaskReport } from './held-out.js';

export const chanceLabel = 'chance: all embeddings alike';

/** What predictors that learnt nothing get. */
export function trivialPredictors(task: TaskReport | undefined): { label: string; loss: number }[] {
  const known: [string, number | undefined][] = [
    ['training mean slice', task?.meanSlice],
    ['nearest slice', task?.nearestSlice],
    ['always the same answer', task?.constant],
    [chanceLabel, task?.chance],
  ];
  return known.flatMap(([label, loss]) => (loss === undefined ? [] : [{ label, loss }]));
}

export function heldOutResults(tasks: readonly TaskReport[] = []): Results {
  if (tasks.length === 0) return { headline: 'No clip was held out: nothing says how much was learnt.' };
  const losses = tasks.map((t) => `${t.task} ${t.loss.toFixed(4)}`);
  return {
    headline: `Loss on held-out clips: ${losses.join(', ')}.`,
    figures: Object.fromEntries(tasks.map((t) => [t.task, t.loss])),
    tables: tasks.map((t) => ({
      title: `${t.task}, held-out clips`,
      columns: [{ title: 'answer' }, { title: 'loss', numeric: true }],
      rows: [['this encoder', t.loss.toFixed(4)], ...trivialPredictors(t).map((r) => [r.label, r.loss.toFixed(4)])],
    })),
  };
}
