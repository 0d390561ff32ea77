// Which recordings are to be compared: pairs by their names, by folders, or from a list.
import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { listAudio } from '../../audio/index.js';
import { parseCsv } from '../../util/csv.js';
import { Audio2VecError, argumentError } from '../../util/errors.js';
import { readWholeFile } from '../../util/read-file.js';

/** A pair by its files; `reference` and `test` are what it is called. */
export interface SoundPair {
  /** As a list has it. */
  id?: string;
  reference: string;
  test: string;
  files: [reference: string, test: string];
}

export interface SoundPairs {
  pairs: SoundPair[];
  /** Files of two folders that have no counterpart in the other. */
  alone: string[];
}

/** The pairs of a reference and its tests: a file and files or folders of them, two folders, or a list of pairs without tests.
 * @throws `ERR_ARGUMENT` if these do not go together, `ERR_FILE`, `ERR_DATASET` naming the line of a list that is wrong; the
 * signal's reason */
export async function findSoundPairs(
  reference: string,
  tests: readonly string[],
  { signal }: { signal?: AbortSignal } = {},
): Promise<SoundPairs> {
  const isList = /\.(csv|jsonl)$/i.test(reference);
  if (tests.length === 0) {
    if (isList) return { pairs: await listedPairs(reference), alone: [] };
    throw argumentError('tests', 'given, unless the reference is a .csv or .jsonl list of pairs', 'nothing');
  }
  if (isList) throw argumentError('tests', 'left out, as the reference is a list of pairs', tests.join(' '));
  const pair = (a: string, b: string): SoundPair => ({ reference: a, test: b, files: [a, b] });
  if (await isFolder(reference)) {
    const [folder] = tests;
    if (tests.length !== 1 || !(await isFolder(folder!))) {
      throw argumentError('tests', 'one folder, as the reference is a folder', tests.join(' '));
    }
    return matched(reference, folder!, signal);
  }
  const files: string[] = [];
  for (const test of tests) {
    if (await isFolder(test)) files.push(...(await listAudio(test, { signal })).map((name) => join(test, name)));
    else files.push(test);
  }
  return { pairs: files.map((file) => pair(reference, file)), alone: [] };
}

/** Files of two folders that have the same path in them, whatever their ending. */
async function matched(references: string, tests: string, signal?: AbortSignal): Promise<SoundPairs> {
  const stem = (name: string) => name.replace(/\.[^./\\]*$/, '');
  const byStem = new Map((await listAudio(references, { signal })).map((name) => [stem(name), name]));
  const names = await listAudio(tests, { signal });
  const alone: string[] = [];
  const used = new Set<string>();
  const pairs = names.flatMap((name): SoundPair[] => {
    const found = byStem.get(stem(name));
    const test = join(tests, name);
    if (found === undefined) {
      alone.push(test);
      return [];
    }
    used.add(found);
    const reference = join(references, found);
    return [{ reference, test, files: [reference, test] }];
  });
  for (const name of byStem.values()) if (!used.has(name)) alone.push(join(references, name));
  if (pairs.length === 0) {
    const message = `No file of ${tests} has the name of one of ${references}: there is nothing to compare.`;
    throw new Audio2VecError('ERR_DATASET', message);
  }
  return { pairs, alone };
}

/** Pairs of a list; paths are relative to it. */
async function listedPairs(file: string): Promise<SoundPair[]> {
  const text = (await readWholeFile(file)).toString('utf8');
  const rows = /\.jsonl$/i.test(file) ? jsonRows(file, text) : csvRows(file, text);
  return rows.map(({ id, reference, test }) => {
    const at = (path: string) => resolve(dirname(file), path);
    return { id, reference, test, files: [at(reference), at(test)] };
  });
}

type Row = { id?: string; reference: string; test: string };

function jsonRows(file: string, text: string): Row[] {
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return [];
    let row: Partial<Row> | null;
    try {
      row = JSON.parse(line) as Partial<Row> | null;
    } catch (cause) {
      throw new Audio2VecError('ERR_DATASET', `${file}, line ${i + 1}: no JSON.`, { cause });
    }
    return [checkRow(file, i + 1, row ?? {})];
  });
}

function csvRows(file: string, text: string): Row[] {
  const [head = [], ...rows] = parseCsv(text);
  const column = (name: string) => head.findIndex((title) => title.trim().toLowerCase() === name);
  const [id, reference, test] = [column('id'), column('reference'), column('test')];
  if (reference < 0 || test < 0) {
    throw new Audio2VecError('ERR_DATASET', `${file}: the first line must name the columns reference and test.`);
  }
  return rows.map((row, i) => checkRow(file, i + 2, { id: row[id], reference: row[reference], test: row[test] }));
}

function checkRow(file: string, line: number, { id, reference, test }: Partial<Row>): Row {
  if (typeof reference === 'string' && reference !== '' && typeof test === 'string' && test !== '') {
    return { id: id === undefined ? undefined : String(id), reference, test };
  }
  throw new Audio2VecError('ERR_DATASET', `${file}, line ${line}: reference and test must be paths.`);
}

const isFolder = (path: string) =>
  stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  );
