// What a run remembers of tasks that are not of this package, and what it asks for when it is continued.
import { resolve } from 'node:path';
import { Audio2VecError } from '../../util/errors.js';
import type { PretrainingConfig } from './config.js';
import { chooseTasks, parseTasks, type TaskSpec, type Tasks, tasks } from './tasks/index.js';
import type { Task } from './tasks/task.js';

/** Absolute paths of the modules that were given, by the names of the tasks that they export. */
export function modulesOf(given: Tasks | undefined, loaded: readonly TaskSpec[]): Record<string, string> | undefined {
  const specs = typeof given === 'string' ? parseTasks(given) : Array.isArray(given) ? (given as TaskSpec[]) : [];
  const modules: Record<string, string> = {};
  specs.forEach(({ task: path }, i) => {
    const { task } = loaded[i]!;
    if (typeof path === 'string' && typeof task !== 'string') modules[task.name] = resolve(path);
  });
  return Object.keys(modules).length ? modules : undefined;
}

/** Throws `ERR_ARGUMENT`, which says what to give, unless every task of the run is there. */
export function checkOwnTasks({ task, taskModules = {} }: PretrainingConfig, own: readonly Task[], out: string): void {
  const known = new Set([...tasks, ...own].map((t) => t.name));
  const missing = parseTasks(task).flatMap(({ task: name }) =>
    typeof name === 'string' && !known.has(name) ? [name] : [],
  );
  if (missing.length === 0) return;
  // All modules of the run, also those that are there: what is given replaces what was given before.
  const modules = Object.values(taskModules).join('+');
  const how = missing.every((name) => taskModules[name])
    ? `--task '${modules}' or task: ${JSON.stringify(modules)}`
    : 'resumePretraining({ task: … })';
  throw new Audio2VecError(
    'ERR_ARGUMENT',
    `The run in ${out} was begun with ${missing.map((name) => `the task "${name}"`).join(' and ')}, not of this package: ` +
      `give ${missing.length === 1 ? 'it' : 'them'} again, ${how}.`,
  );
}

/** Throws `ERR_ARGUMENT` for tasks given to a run that goes on which it does not have, or has with another weight or other
 * options: it keeps those that it began with. What is not said of a task is as the run has it. */
export function checkKept(
  { task: text, encoder }: PretrainingConfig,
  given: readonly TaskSpec[],
  own: readonly Task[],
  out: string,
): void {
  const run = chooseTasks(text, encoder.frames, own);
  const other = (what: string) =>
    new Audio2VecError(
      'ERR_ARGUMENT',
      `The run in ${out} keeps the tasks that it began with (${text}), but is given ${what}: leave that out, or start a new run.`,
    );
  for (const { task, weight, options = {} } of given) {
    const name = typeof task === 'string' ? task : task.name;
    const kept = run.find((choice) => choice.task.name === name);
    if (!kept) throw other(`the task "${name}"`);
    if (weight !== undefined && weight !== kept.weight) throw other(`the weight ${weight} of ${name}`);
    for (const [key, value] of Object.entries(options)) {
      const was = (kept.options as Record<string, number>)[key];
      if (was !== value) throw other(`${key} = ${value} of ${name}`);
    }
  }
}
