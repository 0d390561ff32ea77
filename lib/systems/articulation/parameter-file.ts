// Files of parameters: .json (values by name), .jsonl (a line for each frame), .npy (a row for each frame).
import { extname } from 'node:path';
import { writeFileAtomic, writeTextAtomic } from '../../util/atomic-write.js';
import { Audio2VecError, argumentError } from '../../util/errors.js';
import { readNpy, writeNpy } from '../../util/npy.js';
import { readWholeFile } from '../../util/read-file.js';
import type { Controls, ForwardProcess } from './forward-process.js';

/** What {@link controlsFrom} takes: a number for what stays, numbers for what moves. */
export type NamedValues = Record<string, number | number[]>;

/**
 * Values by name for a process, from
 *
 * - `.json`: an object, `{ "length": 15, "f0": [110, 120, 100], "radius1": 0.6 }`
 * - `.jsonl`: an object of numbers for each frame; a name that a line leaves out keeps its last value. Parameters of the
 *   utterance may stand in any one line.
 * - `.npy`: `[frames, columns]` in the order of `process.frameParameters`, of which the last may be missing.
 *
 * Names and ranges are checked by {@link controlsFrom}.
 * @throws `ERR_FILE`, `ERR_MODEL_FORMAT` naming the file, the line and what is wrong; `ERR_ARGUMENT` for another ending.
 */
export async function readParameterFile(file: string, process: ForwardProcess): Promise<NamedValues> {
  if (typeof file !== 'string') throw argumentError('file', 'a path', file);
  const ending = extname(file).toLowerCase();
  if (ending === '.npy') return fromMatrix(file, process);
  if (ending !== '.json' && ending !== '.jsonl') {
    throw new Audio2VecError('ERR_ARGUMENT', `${file} must be a .json, .jsonl or .npy file.`);
  }
  const text = (await readWholeFile(file)).toString('utf8');
  return ending === '.jsonl' ? fromLines(file, text, process) : fromObject(file, parse(file, text));
}

const bad = (where: string, problem: string) => new Audio2VecError('ERR_MODEL_FORMAT', `${where} ${problem}.`);

function parse(where: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw bad(where, `is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw bad(where, 'must be an object of parameters by name, such as {"f0": 120}');
  }
  return value as Record<string, unknown>;
}

function fromObject(file: string, object: Record<string, unknown>): NamedValues {
  for (const [name, value] of Object.entries(object)) {
    const numbers = Array.isArray(value) && value.length > 0 && value.every((x) => typeof x === 'number');
    if (typeof value !== 'number' && !numbers) throw bad(file, `has ${name} that is neither a number nor numbers`);
  }
  return object as NamedValues;
}

function fromLines(file: string, text: string, process: ForwardProcess): NamedValues {
  const rows = text.split('\n').flatMap((line, i) => (line.trim() ? [{ line, where: `${file}, line ${i + 1}:` }] : []));
  if (rows.length === 0) throw bad(file, 'has no frames');
  const once = new Set(process.utteranceParameters.map((p) => p.name));
  const known = new Map(process.frameParameters.map((p) => [p.name, p.default]));
  const values: NamedValues = {};
  for (const [frame, { line, where }] of rows.entries()) {
    for (const [name, value] of Object.entries(parse(where, line))) {
      if (name === 'time') continue; // what inference writes beside the values; frames are evenly spaced
      if (typeof value !== 'number') throw bad(where, `${name} must be a number`);
      if (once.has(name)) {
        if (name in values) throw bad(where, `${name} belongs to the utterance and was given before`);
        values[name] = value;
        continue;
      }
      if (!known.has(name)) {
        throw bad(
          where,
          `there is no parameter ${JSON.stringify(name)}; there are ${[...known.keys(), ...once].join(', ')}`,
        );
      }
      let column = values[name] as number[] | undefined;
      column ??= values[name] = new Array(frame).fill(known.get(name)!);
      while (column.length < frame) column.push(column.at(-1)!);
      column.push(value);
    }
  }
  // A last line without news is a frame all the same.
  for (const column of Object.values(values)) {
    while (Array.isArray(column) && column.length < rows.length) column.push(column.at(-1)!);
  }
  return values;
}

async function fromMatrix(file: string, process: ForwardProcess): Promise<NamedValues> {
  const { data, shape } = await readNpy(file);
  const [frames = 0, columns = 0] = shape;
  const names = process.frameParameters.map((p) => p.name);
  if (shape.length !== 2 || frames < 1 || columns < 1 || columns > names.length) {
    throw bad(file, `must be [frames, 1 to ${names.length} columns] (${names.join(', ')}), not [${shape.join(', ')}]`);
  }
  return Object.fromEntries(
    names
      .slice(0, columns)
      .map((name, c) => [name, Array.from({ length: frames }, (_, i) => Number(data[i * columns + c]))]),
  );
}

type Trajectories = Pick<Controls, 'frames' | 'utterance'>;

/** Writes what {@link readParameterFile} reads: `.jsonl`, a line for each frame with the utterance's parameters in the first;
 * or `.npy` with the columns' names and the utterance's parameters, which do not fit into an array, in a `.json` beside it.
 * @returns the files written
 * @throws `ERR_FILE` */
export async function writeParameterFile(
  file: string,
  values: Trajectories,
  process: ForwardProcess,
): Promise<string[]> {
  if (!file.endsWith('.npy')) {
    await writeTextAtomic(file, lines(values, process));
    return [file];
  }
  const width = process.frameParameters.length;
  await writeNpy(file, values.frames, [values.frames.length / width, width]);
  const about = { columns: process.frameParameters.map((p) => p.name), utterance: onceByName(values, process) };
  const beside = file.replace(/\.npy$/, '.json');
  await writeFileAtomic(beside, `${JSON.stringify(about, null, 1)}\n`);
  return [file, beside];
}

function* lines({ frames, utterance }: Trajectories, process: ForwardProcess): Iterable<string> {
  const { frameParameters, hop, sampleRate } = process;
  const width = frameParameters.length;
  for (let i = 0; i < frames.length / width; i++) {
    const row = {
      time: rounded((i * hop) / sampleRate),
      ...(i === 0 && onceByName({ utterance }, process)),
      ...Object.fromEntries(frameParameters.map(({ name }, c) => [name, rounded(frames[i * width + c]!)])),
    };
    yield `${JSON.stringify(row)}\n`;
  }
}

/** Trajectories by name. */
export function valuesByName(values: Trajectories, process: ForwardProcess) {
  const { frameParameters, hop, sampleRate } = process;
  const width = frameParameters.length;
  const rows = values.frames.length / width;
  const column = (c: number) => Array.from({ length: rows }, (_, i) => rounded(values.frames[i * width + c]!));
  return {
    hopSeconds: hop / sampleRate,
    utterance: onceByName(values, process),
    frames: Object.fromEntries(frameParameters.map((p, c) => [p.name, column(c)])),
  };
}

/** The utterance's parameters by name. */
export function onceByName(
  { utterance }: Pick<Controls, 'utterance'>,
  process: ForwardProcess,
): Record<string, number> {
  return Object.fromEntries(process.utteranceParameters.map((p, i) => [p.name, rounded(utterance[i]!)]));
}

const rounded = (x: number) => Number(x.toPrecision(6));
