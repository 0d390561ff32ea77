// Recordings as commands name them, found and read; a bad one is told and the rest go on.
import { stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { listAudio, readFolder, SAMPLE_RATE } from '../../../audio/index.js';
import type { FrontEndConfig } from '../../../features/front-end-config.js';
import { Audio2VecError } from '../../../util/errors.js';
import type { During } from '../../session.js';

/** A recording by its path, and where its output goes below an output folder. */
export interface Found {
  path: string;
  name: string;
}

/** Audio files as they are named, folders with all that they hold; each once. */
export async function findRecordings(inputs: readonly string[], signal: AbortSignal): Promise<Found[]> {
  const found = new Map<string, Found>();
  for (const input of inputs) {
    const info = await stat(input).catch(() => undefined); // a missing file is told when it is read
    const names = info?.isDirectory() ? await listAudio(input, { signal }) : undefined;
    const recordings = names?.map((name) => ({ path: join(input, name), name })) ?? [
      { path: input, name: basename(input) },
    ];
    for (const recording of recordings) found.set(recording.path, recording);
  }
  if (found.size === 0) throw new Audio2VecError('ERR_DATASET', `There are no audio files in ${inputs.join(', ')}.`);
  return namedApart([...found.values()]);
}

/** Recordings of the same name are called by their paths below the folder that they have in common, so that the output of
 * none replaces that of another. */
function namedApart(recordings: readonly Found[]): Found[] {
  const alike = new Map<string, Found[]>();
  for (const recording of recordings) alike.set(recording.name, [...(alike.get(recording.name) ?? []), recording]);
  const named = recordings.map((recording) => {
    const group = alike.get(recording.name)!;
    if (group.length === 1) return recording;
    const common = commonFolder(group.map(({ path }) => resolve(path)));
    return { ...recording, name: relative(common, resolve(recording.path)) };
  });
  const names = new Set(named.map(({ name }) => name));
  if (names.size === named.length) return named;
  throw new Audio2VecError(
    'ERR_ARGUMENT',
    'Some recordings have the same name: name the folder that holds all of them.',
  );
}

function commonFolder(paths: readonly string[]): string {
  const [first, ...others] = paths.map((path) => dirname(path).split(sep));
  const end = first!.findIndex((part, i) => others.some((other) => other[i] !== part));
  return first!.slice(0, end < 0 ? undefined : end).join(sep) || sep;
}

/** Reads them in order, with progress and a warning for each that cannot be read. */
export async function* read(files: readonly Found[], threads: number | undefined, during: During) {
  const started = performance.now();
  const options = { files: files.map((f) => f.path), signal: during.signal, concurrency: threads };
  let done = 0;
  for await (const result of readFolder('', options)) {
    if (result.error) during.warn(result.error.message);
    yield result;
    done++;
    const seconds = (performance.now() - started) / 1000;
    const secondsLeft = (seconds / done) * (files.length - done);
    during.progress({ done, total: files.length, unit: 'file', secondsLeft });
  }
}

/** One that could not be read, and why. */
export interface FailedFile {
  file: string;
  error: Audio2VecError;
}

export function checkRate({ sampleRate }: FrontEndConfig, model = 'the pretrained encoder'): void {
  if (sampleRate === SAMPLE_RATE) return;
  throw new Audio2VecError(
    'ERR_ARGUMENT',
    `${model} takes audio at ${sampleRate} Hz, but recordings are read at ${SAMPLE_RATE} Hz. Use the library with samples of your own.`,
  );
}

export function noneGood(files: number): Audio2VecError {
  return new Audio2VecError('ERR_DATASET', `None of the ${files} recordings can be read (see the warnings).`);
}
