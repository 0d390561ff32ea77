// What `compare` does: finds the pairs, reads and compares them; a bad file is told and the rest go on.
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { listAudio, readAudio, recordedRate, SAMPLE_RATE } from '../../audio/index.js';
import { comparisonPage, type PagePair } from '../../report/sound-comparison.js';
import { frontEnds } from '../../systems/cdpam/front-end.js';
import { PerceptualMetric } from '../../systems/cdpam/perceptual-metric.js';
import { Audio2VecError, argumentError } from '../../util/errors.js';
import type { ComparedPair, CompareRequest, Operations } from '../operations.js';
import { modelFile } from './models.js';

/** A pair by its files; `reference` and `test` are what it is called. */
interface Pair {
  id?: string;
  reference: string;
  test: string;
  files: [reference: string, test: string];
}

/** Pairs on a page: spectrograms and sound take room. */
const MOST_ON_A_PAGE = 100;

export const compare: Operations['compare'] = async (request, during) => {
  const { signal } = during;
  const pairs = await findPairs(request, signal);
  if (pairs.length === 0)
    throw new Audio2VecError('ERR_DATASET', `There is nothing to compare in ${request.reference}.`);
  using metric = await (request.model === undefined
    ? PerceptualMetric.pretrained({ threads: request.threads })
    : PerceptualMetric.load(await modelFile(request.model), { threads: request.threads }));
  const results: ComparedPair[] = [];
  const onPage: PagePair[] = [];
  const started = performance.now();
  // Tests of one reference mostly follow each other.
  let last: { file: string; sound: Promise<Read> } | undefined;
  for (const { files, ...names } of pairs) {
    signal.throwIfAborted();
    try {
      if (last?.file !== files[0]) last = { file: files[0], sound: read(files[0], signal) };
      const [reference, test] = [await last.sound, await read(files[1], signal)];
      const found = await metric.compare(reference.samples, test.samples, {
        sampleRate: [reference.sampleRate, test.sampleRate],
        align: request.align,
        signal,
      });
      const { distance, heard, alignment } = found;
      results.push({ ...names, distance, heard, ...alignment });
      if (request.page && onPage.length < MOST_ON_A_PAGE) onPage.push({ ...names, found, sounds: { reference, test } });
    } catch (error) {
      if (!(error instanceof Audio2VecError)) throw error;
      during.warn(error.message);
      results.push({ ...names, error: { code: error.code, message: error.message } });
    }
    const done = results.length;
    const secondsLeft = ((performance.now() - started) / 1000 / done) * (pairs.length - done);
    during.progress({ done, total: pairs.length, unit: 'pair', secondsLeft });
  }
  if (results.every((pair) => pair.error)) {
    throw new Audio2VecError('ERR_DATASET', `None of the ${pairs.length} pairs can be compared (see the warnings).`);
  }
  if (request.page && pairs.length > MOST_ON_A_PAGE) {
    during.warn(`The page has the first ${MOST_ON_A_PAGE} pairs; all ${pairs.length} are in its table.`);
  }
  return { pairs: results, html: request.page ? await comparisonPage(results, onPage) : undefined };
};

interface Read {
  samples: Float32Array;
  sampleRate: number;
}

/** A recording at 16 kHz if it has no higher rate, else at 32 kHz. */
async function read(file: string, signal: AbortSignal): Promise<Read> {
  const rate = await recordedRate(file, { signal });
  const width = rate !== undefined && rate <= SAMPLE_RATE ? 'narrow' : 'wide';
  const { sampleRate } = frontEnds[width];
  return { samples: await readAudio(file, { signal, sampleRate }), sampleRate };
}

async function findPairs({ reference, tests }: CompareRequest, signal: AbortSignal): Promise<Pair[]> {
  if (tests.length === 0) {
    if (/\.(csv|jsonl)$/i.test(reference)) return listedPairs(reference);
    throw argumentError('tests', 'given, unless the reference is a .csv or .jsonl list of pairs', 'nothing');
  }
  const pair = (a: string, b: string): Pair => ({ reference: a, test: b, files: [a, b] });
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
  return files.map((file) => pair(reference, file));
}

/** Files of two folders that have the same path in them, whatever their ending. */
async function matched(references: string, tests: string, signal: AbortSignal): Promise<Pair[]> {
  const stem = (name: string) => name.replace(/\.[^./\\]*$/, '');
  const byStem = new Map((await listAudio(references, { signal })).map((name) => [stem(name), name]));
  const names = await listAudio(tests, { signal });
  return names.flatMap((name) => {
    const found = byStem.get(stem(name));
    if (found === undefined) return [];
    const files: [string, string] = [join(references, found), join(tests, name)];
    return [{ reference: files[0], test: files[1], files }];
  });
}

/** Pairs of a list; paths are relative to it. */
async function listedPairs(file: string): Promise<Pair[]> {
  const text = await readFile(file, 'utf8').catch((cause) => {
    throw new Audio2VecError('ERR_FILE', `${file}: ${cause.message}.`, { cause });
  });
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

/** Rows of cells, in which quotes may stand around commas, ends of lines and doubled quotes (RFC 4180). */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let [cells, cell, quoted]: [string[], string, boolean] = [[], '', false];
  const end = () => {
    cells.push(cell);
    if (cells.length > 1 || cells[0] !== '') rows.push(cells);
    [cells, cell] = [[], ''];
  };
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (quoted) {
      if (c === '"' && text[i + 1] === '"') cell += text[++i];
      else if (c === '"') quoted = false;
      else cell += c;
    } else if (c === '"' && cell === '') quoted = true;
    else if (c === ',') {
      cells.push(cell);
      cell = '';
    } else if (c === '\n') end();
    else if (c !== '\r') cell += c;
  }
  end();
  return rows;
}

const isFolder = (path: string) =>
  stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  );
