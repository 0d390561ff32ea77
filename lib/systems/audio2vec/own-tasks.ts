// What a run remembers of tasks that are not of this package, and what it asks for when it is continued.
import { resolve } from 'node:path';
import { Audio2VecError } from '../../util/errors.js';
import type { PretrainingConfig } from './config.js';
import { parseTasks, type TaskSpec, type Tasks, tasks } from './tasks/index.js';
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
  for (const { task: name } of parseTasks(task)) {
    if (typeof name !== 'string' || known.has(name)) continue;
    const file = taskModules[name];
    throw new Audio2VecError(
      'ERR_ARGUMENT',
      `The run in ${out} was begun with the task "${name}", which is not of this package: give it again, ` +
        (file ? `--task ${file} or task: ${JSON.stringify(file)}.` : 'resumePretraining({ task: … }).'),
    );
  }
}
