// Pretext tasks of the user's own: objects of type `Task` given in code, or modules whose default export is one. They are
// checked when they are given, and what they draw and build is checked as it is used, so that a mistake is named where it
// was made.
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pseudoLabelNames } from '../../../features/pseudo-labels.js';
import type { Graph, Ref } from '../../../graph/graph.js';
import { Audio2VecError, argumentError } from '../../../util/errors.js';
import type { Clip } from '../../clip-draw.js';
import type { Example, Task } from './task.js';

/** Members of a task, and what each must be. */
const members: readonly [key: keyof Task, wanted: string, fits: (value: unknown) => boolean][] = [
  ['name', 'a word in small letters, such as "slice-order"', (v) => typeof v === 'string' && namePattern.test(v)],
  ['summary', 'a text', (v) => typeof v === 'string'],
  ...(['defaults', 'check', 'slices', 'span', 'head', 'sample'] as const).map(
    (key) => [key, 'a function', isFunction] as [keyof Task, string, typeof isFunction],
  ),
  ['target', '"slices", "values" or "none"', (v) => v === 'slices' || v === 'values' || v === 'none'],
  ['label', `a pseudo-label (${pseudoLabelNames.join(', ')}) or absent`, (v) => v === undefined || isLabel(v)],
  ['augmented', 'true or absent', (v) => v === undefined || v === true],
  ['negatives', '"batch", "example" or absent', (v) => v === undefined || v === 'batch' || v === 'example'],
  ['scalars', 'a function or absent', (v) => v === undefined || isFunction(v)],
  ['nearest', 'a function or absent', (v) => v === undefined || isFunction(v)],
];

const namePattern = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** They have a meaning of their own beside names of tasks: in loss curves and in the training graph. */
const reserved = new Set(['loss', 'slices', 'target', 'encoder']);

function isLabel(value: unknown): boolean {
  return (pseudoLabelNames as readonly unknown[]).includes(value);
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}

/** Throws `ERR_ARGUMENT`, which names every member that is missing or wrong, unless `value` is a {@link Task}.
 * @param source where it comes from, for the message */
export function checkTask(value: unknown, source = 'The task'): asserts value is Task {
  if (typeof value !== 'object' || value === null) throw argumentError(source, 'a Task object', typeof value);
  const task = value as Record<string, unknown>;
  const wrong = members.filter(([key, , fits]) => !fits(task[key]));
  const unknown = Object.keys(task).find((key) => !members.some(([known]) => known === key));
  if (unknown !== undefined) {
    throw argumentError(`member of ${source}`, `one of ${members.map(([key]) => key).join(', ')}`, unknown);
  }
  const say = (list: typeof members) => list.map(([key, wanted]) => `${key} (${wanted})`).join(', ');
  const missing = wrong.filter(([key]) => task[key] === undefined);
  const others = wrong.filter(([key]) => task[key] !== undefined);
  const parts = [
    ...(missing.length ? [`lacks ${say(missing)}`] : []),
    ...(others.length ? [`has a wrong ${say(others)}`] : []),
  ];
  const name = typeof task.name === 'string' ? ` "${task.name}"` : '';
  if (parts.length) throw new Audio2VecError('ERR_ARGUMENT', `${source}${name} ${parts.join(' and ')}.`);
  if (reserved.has(task.name as string)) {
    throw argumentError(`name of ${source}`, `none of ${[...reserved].join(', ')}`, task.name);
  }
}

/** The task that the module `file` exports by default. Runs the module. Throws `ERR_FILE` if it cannot be loaded,
 * `ERR_ARGUMENT` if it exports something else. */
export async function importTask(file: string): Promise<Task> {
  const path = resolve(file);
  try {
    // First, because a module that is missing and one that asks for a missing one fail alike.
    await stat(path);
  } catch (cause) {
    throw new Audio2VecError('ERR_FILE', `There is no task module ${file}: ${(cause as Error).message}.`, { cause });
  }
  let module: { default?: unknown };
  try {
    module = await import(pathToFileURL(path).href);
  } catch (cause) {
    throw new Audio2VecError('ERR_FILE', `The task module ${file} cannot be loaded: ${(cause as Error).message}.`, {
      cause,
    });
  }
  if (module.default === undefined) {
    throw argumentError(`The default export of ${file}`, 'a Task object ("export default { name: … }")', 'none');
  }
  checkTask(module.default, `The default export of ${file}`);
  return module.default;
}

/** Asks the task about its options, and checks what it says of itself. Throws `ERR_ARGUMENT`, whatever its `check`
 * throws. */
export function checkOptions(task: Task, options: object, frames: number): void {
  try {
    task.check(options, frames);
  } catch (cause) {
    if (cause instanceof Audio2VecError) throw cause;
    const message = `Wrong options of ${task.name}: ${(cause as Error).message}.`;
    throw new Audio2VecError('ERR_ARGUMENT', message, { cause });
  }
  const count = (key: 'slices' | 'span', value: number, min: number, max: number) => {
    if (Number.isInteger(value) && value >= min && value <= max) return;
    throw argumentError(`${key}() of the task ${task.name}`, `an integer from ${min} to ${max}`, value);
  };
  count('slices', task.slices(options), 1, 256);
  count('span', task.span(options, frames), frames, Number.MAX_SAFE_INTEGER);
}

/** Checks that a head has built what is looked for afterwards: its loss, its `target` and a prediction, and no other input.
 * @param before nodes that the graph had without it */
export function checkHead(
  task: Task,
  graph: Graph,
  prediction: Ref,
  { target, before }: { target?: string; before: number },
): void {
  const find = (name: string | undefined) => graph.nodes.find((n) => n.name === name);
  const demand = (fits: boolean, wanted: string, got: unknown) => {
    if (!fits) throw argumentError(`head() of the task ${task.name}`, wanted, got);
  };
  demand(find(prediction?.name) !== undefined, 'a function that returns a node of the graph', prediction);
  const loss = find(task.name);
  demand(loss?.op === 'loss', 'a function that appends a loss with the name `context.loss`', loss?.op ?? 'none');
  if (target !== undefined) {
    const found = find(target);
    const wanted = `a function that appends an input named ${JSON.stringify(target)} (context.prefix + "target")`;
    demand(found?.op === 'input', wanted, found?.op ?? 'none');
  }
  const other = graph.nodes.slice(before).find(({ op, name }) => op === 'input' && name !== target);
  demand(
    !other,
    `a function that appends ${target ? 'no other input' : 'no input, as its target is "none"'}`,
    other?.name,
  );
}

/** Throws `ERR_ARGUMENT` unless an example has as many slices and targets as the graph was built for, and every slice of
 * `frames` frames lies within the clip that it was drawn from, or one of the others that it asked for. */
export function checkExample(
  task: Task,
  example: Example,
  wanted: { count: number; targets: number },
  frames: number,
  clip: Clip,
  others?: readonly Clip[],
): void {
  const demand = (what: string, want: number, got: number | undefined) => {
    if (got !== want) throw argumentError(`${what} that sample() of the task ${task.name} draws`, `${want}`, got);
  };
  demand('slices', wanted.count, example?.slices?.length);
  demand('targets', wanted.targets, example.target?.length ?? 0);
  // Called for every example of every batch: without arrays of its own.
  for (let i = 0; i < wanted.count; i++) checkWithin(task, example.slices[i]!, frames, clip, others);
  for (let i = 0; i < wanted.targets; i++) {
    const value = example.target![i]!;
    if (!Number.isFinite(value)) {
      throw argumentError(`target[${i}] that sample() of the task ${task.name} draws`, 'a finite number', value);
    }
    if (task.target === 'slices') checkWithin(task, value, frames, clip, others);
  }
}

function checkWithin(task: Task, at: number, frames: number, clip: Clip, others?: readonly Clip[]): void {
  if (lies(at, frames, clip)) return;
  if (others) for (const other of others) if (lies(at, frames, other)) return;
  const expected = `first frames of slices within the clip, from ${clip.start} to ${clip.start + clip.frames - frames}`;
  throw argumentError(`slices that sample() of the task ${task.name} draws`, expected, at);
}

function lies(at: number, frames: number, clip: Clip): boolean {
  return Number.isInteger(at) && at >= clip.start && at + frames <= clip.start + clip.frames;
}
