// The registry of pretext tasks, and how a choice of them is written: "cbow", "cbow+contrastive:0.5",
// "temporal-gap(maxFrames=720)".
import { argumentError } from '../../util/errors.js';
import { autoencoder } from './autoencoder.js';
import { cbow } from './cbow.js';
import { contrastive } from './contrastive.js';
import { skipGram } from './skip-gram.js';
import type { Task } from './task.js';
import { temporalGap } from './temporal-gap.js';
import { triplet } from './triplet.js';

/** Every pretext task, in the order `--help` lists them. To add one: write its file, add it here. */
export const tasks = [cbow, skipGram, temporalGap, autoencoder, triplet, contrastive] as readonly Task[];

/** A task with its weight and options decided. Plain data but for `task`, which is found again by its name. */
export interface TaskChoice {
  task: Task;
  weight: number;
  options: Record<string, number>;
}

/** A task as users give it in code. */
export interface TaskSpec {
  task: string;
  /** Weight of its loss; default 1. */
  weight?: number;
  /** Only the options that differ from the defaults. */
  options?: Record<string, number>;
}

/** The task of that name; `ERR_ARGUMENT` lists the names there are. */
export function findTask(name: string): Task {
  const found = tasks.find((t) => t.name === name);
  if (!found) throw argumentError('task', `one of ${tasks.map((t) => t.name).join(', ')}`, name);
  return found;
}

/** Checks specs and fills in defaults for slices of `frames` frames. */
export function chooseTasks(specs: string | readonly TaskSpec[], frames: number): TaskChoice[] {
  const list = typeof specs === 'string' ? parseTasks(specs) : specs;
  if (list.length === 0) throw argumentError('task', 'at least one task', '');
  const choices = list.map(({ task: name, weight = 1, options: given = {} }) => {
    const task = findTask(name);
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
    task.check(options, frames);
    return { task, weight, options };
  });
  const twice = choices.find((c, i) => choices.findIndex((d) => d.task === c.task) !== i);
  if (twice) throw argumentError('task', 'a list without repetitions', twice.task.name);
  return choices;
}

/** Reads `name`, `name:weight`, `name(option=value,…):weight`, joined by `+`. */
export function parseTasks(text: string): TaskSpec[] {
  return text.split('+').map((part) => {
    const match = /^\s*([a-z-]+)\s*(?:\(([^()]*)\))?\s*(?::\s*([^\s:]+))?\s*$/.exec(part);
    if (!match) throw argumentError('task', 'like "cbow" or "cbow+contrastive:0.5"', text);
    const [, task, inside, weight] = match;
    const options: Record<string, number> = {};
    for (const pair of inside?.split(',') ?? []) {
      const [key, value, rest] = pair.split('=').map((s) => s.trim());
      if (!key || !value || rest !== undefined || !Number.isFinite(Number(value))) {
        throw argumentError(`options of ${task}`, 'like (gap=2,past=1)', inside);
      }
      options[key] = Number(value);
    }
    return { task: task!, weight: weight === undefined ? 1 : Number(weight), options };
  });
}

/** The inverse of {@link parseTasks}: a short exact name of a choice, with the options that differ from the defaults. */
export function formatTasks(choices: readonly TaskChoice[], frames: number): string {
  return choices
    .map(({ task, weight, options }) => {
      const defaults = task.defaults(frames) as Record<string, number>;
      const changed = Object.entries(options).filter(([key, value]) => defaults[key] !== value);
      const inside = changed.length ? `(${changed.map(([key, value]) => `${key}=${value}`).join(',')})` : '';
      return `${task.name}${inside}${weight === 1 ? '' : `:${weight}`}`;
    })
    .join('+');
}
