// The registry of pretext tasks, and how a choice of them is written: "cbow", "cbow+contrastive:0.5",
// "temporal-gap(maxFrames=720)", "cbow+./my-task.mjs:0.5".
import { checkOptions as checkNames, checkObject } from '../../../util/arguments.js';
import { argumentError } from '../../../util/errors.js';
import { autoencoder } from './autoencoder.js';
import { cbow } from './cbow.js';
import { contrastive } from './contrastive.js';
import { labelTasks } from './label.js';
import { checkOptions, checkTask, importTask } from './own-task.js';
import { skipGram } from './skip-gram.js';
import type { Task } from './task.js';
import { temporalGap } from './temporal-gap.js';
import { triplet } from './triplet.js';

/** Every pretext task, in the order `--help` lists them. To add one: write its file, add it here. */
export const tasks = [cbow, skipGram, temporalGap, autoencoder, triplet, contrastive, ...labelTasks] as readonly Task[];

/** A task with its weight and options decided. Plain data but for `task`, which is found again by its name. */
export interface TaskChoice {
  task: Task;
  weight: number;
  options: Record<string, number>;
}

/** A task as users give it in code. */
export interface TaskSpec {
  /** A task of this package by name, or one of your own: see {@link Task}. */
  task: string | Task;
  /** Weight of its loss; default 1. */
  weight?: number;
  /** Only the options that differ from the defaults. */
  options?: Record<string, number>;
}

/** What to train on: text in the notation of {@link parseTasks}, a task of your own, or a list with weights and options. */
export type Tasks = string | Task | readonly (TaskSpec | Task)[];

/** The task of that name; `ERR_ARGUMENT` lists the names there are.
 * @param own tasks of the user's own, to be looked at as well */
export function findTask(name: string, own: readonly Task[] = []): Task {
  const found = [...tasks, ...own].find((t) => t.name === name);
  if (found) return found;
  const all = [...tasks, ...own].map((t) => t.name).join(', ');
  throw argumentError('task', isModule(name) ? `one of ${all}, as modules are not loaded here` : `one of ${all}`, name);
}

/** Checks what was given and fills in defaults for slices of `frames` frames.
 * @param own tasks of the user's own that text may name
 * @throws `ERR_ARGUMENT` */
export function chooseTasks(given: Tasks, frames: number, own: readonly Task[] = []): TaskChoice[] {
  const list = specsOf(given);
  if (list.length === 0) throw argumentError('task', 'at least one task', '');
  const choices = list.map((spec) => {
    checkNames('task', spec, ['task', 'weight', 'options']);
    const { task: named, weight = 1, options: given = {} } = spec;
    checkObject('options of a task', given);
    const task = typeof named === 'string' ? findTask(named, own) : named;
    checkTask(task);
    const { name } = task;
    const builtIn = tasks.find((t) => t.name === name);
    if (builtIn && builtIn !== task) {
      throw argumentError('name of the task', `another one, as this package has a task "${name}"`, name);
    }
    const defaults = task.defaults(frames) as Record<string, number>;
    for (const key of Object.keys(given)) {
      const known = Object.keys(defaults);
      if (!known.includes(key)) {
        throw argumentError(
          `option of ${name}`,
          known.length ? `one of ${known.join(', ')}` : 'absent (it has none)',
          key,
        );
      }
    }
    if (!(weight > 0 && Number.isFinite(weight))) throw argumentError(`weight of ${name}`, 'a positive number', weight);
    const options = { ...defaults, ...given };
    for (const [key, value] of Object.entries(options)) {
      if (!Number.isFinite(value)) throw argumentError(`option ${key} of ${name}`, 'a finite number', value);
    }
    checkOptions(task, options, frames);
    return { task, weight, options };
  });
  const twice = choices.find((c, i) => choices.findIndex((d) => d.task.name === c.task.name) !== i);
  if (twice) throw argumentError('task', 'a list without repetitions', twice.task.name);
  return choices;
}

/** The same with every module (`./my-task.mjs`) replaced by the task that it exports. Runs these modules.
 * @throws `ERR_FILE` for a module that cannot be loaded, `ERR_ARGUMENT` for one that exports no task */
export async function loadTasks(given: Tasks): Promise<TaskSpec[]> {
  return Promise.all(
    specsOf(given).map(async (spec) => {
      const { task } = spec;
      return typeof task === 'string' && isModule(task) ? { ...spec, task: await importTask(task) } : spec;
    }),
  );
}

/** Those that are not of this package, of tasks that {@link loadTasks} has loaded. */
export function ownTasks(specs: readonly TaskSpec[]): Task[] {
  return specs.map(({ task }) => task).filter((t): t is Task => typeof t !== 'string' && !tasks.includes(t));
}

/** The modules that a choice of tasks in text names. */
export function taskModules(text: string): string[] {
  return parseTasks(text).flatMap(({ task }) => (typeof task === 'string' && isModule(task) ? [task] : []));
}

function specsOf(given: Tasks): readonly TaskSpec[] {
  if (typeof given === 'string') return parseTasks(given);
  if (Array.isArray(given)) return given.map((spec) => (isSpec(spec) ? spec : { task: spec }));
  return [{ task: given as Task }];
}

/** In a list, a task may stand for itself. */
function isSpec(item: TaskSpec | Task): item is TaskSpec {
  return typeof item === 'object' && item !== null && 'task' in item;
}

function isModule(name: string): boolean {
  return /\.[cm]?[jt]s$/.test(name);
}

/** Reads `name`, `name:weight`, `name(option=value,…):weight`, joined by `+`. Instead of a name there may be the path of
 * a module, such as `./my-task.mjs`; the path must be without `+` and parentheses. */
export function parseTasks(text: string): TaskSpec[] {
  return text.split('+').map((part) => {
    const match = /^\s*([a-z][a-z0-9-]*|[^()]*?\.[cm]?[jt]s)\s*(?:\(([^()]*)\))?\s*(?::\s*([^\s:]+))?\s*$/.exec(part);
    if (!match) {
      const expected = 'like "cbow" or "cbow+contrastive:0.5" (the path of a module: without "+" and parentheses)';
      throw argumentError('task', expected, text);
    }
    const [, task, inside, weight] = match;
    const options: Record<string, number> = {};
    for (const pair of inside?.split(',') ?? []) {
      const [key, value, rest] = pair.split('=').map((s) => s.trim());
      if (!key || !value || rest !== undefined || !Number.isFinite(Number(value))) {
        throw argumentError(`options of ${task}`, 'like (gap=2,past=1)', inside);
      }
      if (Object.hasOwn(options, key)) throw argumentError(`options of ${task}`, 'given once each', inside);
      options[key] = Number(value);
    }
    return { task: task!, ...(weight !== undefined && { weight: Number(weight) }), options };
  });
}

/** The inverse of {@link parseTasks}: a short exact name of a choice, with the options that differ from the defaults;
 * of tasks that are not of this package with all options, as their defaults may change. */
export function formatTasks(choices: readonly TaskChoice[], frames: number): string {
  return choices
    .map(({ task, weight, options }) => {
      const defaults = task.defaults(frames) as Record<string, number>;
      const changed = Object.entries(options).filter(
        ([key, value]) => !tasks.includes(task) || defaults[key] !== value,
      );
      const inside = changed.length ? `(${changed.map(([key, value]) => `${key}=${value}`).join(',')})` : '';
      return `${task.name}${inside}${weight === 1 ? '' : `:${weight}`}`;
    })
    .join('+');
}
