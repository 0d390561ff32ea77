// A system that comes from outside, and what it prepares for a run, held against their types before anything is computed.
import { z } from 'zod';
import { checkFunction, checkObject, checkOptions } from '../util/arguments.js';
import { argumentError } from '../util/errors.js';
import { captionsSchema } from './results.js';
import type { System, Training } from './system.js';

/** @throws `ERR_ARGUMENT` for what is no {@link System} */
export function checkSystem(system: unknown): asserts system is System {
  checkObject('system', system);
  const { name, configure, features, prepare } = system as Partial<System>;
  if (typeof name !== 'string' || name === '') throw argumentError('system.name', 'a name', name);
  for (const [key, value] of Object.entries({ configure, features, prepare })) {
    checkFunction(`${key} of the system ${name}`, value);
  }
}

/** Throws `ERR_ARGUMENT`, which names the place, unless a value of a system fits the schema once it is JSON. */
export function checkBy(schema: z.ZodType, name: string, value: unknown): void {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (cause) {
    throw argumentError(name, `of what JSON can hold (${(cause as Error).message})`, typeof value);
  }
  const { error } = schema.safeParse(json === undefined ? undefined : JSON.parse(json));
  if (error) throw argumentError(name, `right (${z.prettifyError(error).replaceAll('\n', ' ')})`, value);
}

const members = [
  ...(['graph', 'network', 'maxExamples', 'initial', 'batch', 'heldOut', 'step', 'measure', 'captions'] as const),
  ...(['warnings', 'rounds', 'getState', 'setState', 'finish'] as const),
] satisfies (keyof Training)[];

/** @throws `ERR_ARGUMENT` for what is no {@link Training}, which `prepare` of the system `name` must give */
export function checkTraining(training: unknown, name: string): asserts training is Training {
  const of = (key: string) => `${key} of what prepare of the system ${name} gives`;
  checkOptions(`what prepare of the system ${name} gives`, training as Training, members);
  const { graph, batch, heldOut, finish, rounds, ...others } = training as Partial<Training>;
  checkObject(of('graph'), graph);
  if (!Array.isArray(graph!.nodes)) throw argumentError(of('graph'), 'a Graph', graph);
  checkFunction(of('batch'), batch);
  if (!Array.isArray(heldOut)) throw argumentError(of('heldOut'), 'a list of batches', heldOut);
  checkFunction(of('finish'), finish);
  if (others.captions !== undefined) checkBy(captionsSchema, of('captions'), others.captions);
  if ((others.getState === undefined) !== (others.setState === undefined)) {
    throw argumentError(of('getState and setState'), 'both or neither', others.getState ? 'getState' : 'setState');
  }
  for (const key of ['step', 'measure', 'warnings', 'getState', 'setState'] as const) {
    if (others[key] !== undefined) checkFunction(of(key), others[key]);
  }
  if (rounds === undefined) return;
  checkObject(of('rounds'), rounds);
  if (!(Number.isInteger(rounds.steps) && rounds.steps >= 1)) {
    throw argumentError(of('rounds.steps'), 'a whole number of at least 1', rounds.steps);
  }
  checkFunction(of('rounds.begin'), rounds.begin);
}
