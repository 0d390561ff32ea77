// Folders of recordings: list them, read them in order, and go on past the bad ones.
import { setMaxListeners } from 'node:events';
import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { readAudio } from './read.js';

const READ = ['wav', 'wave', 'bwf', 'rf64', 'flac', 'mp3', 'mp2', 'ogg', 'oga', 'opus'];
/** Audio that nobody here decodes. Listed all the same: reading it says what it is and how to convert it. */
const CONVERT = ['m4a', 'm4b', 'mp4', 'aac', '3gp', 'amr', 'aif', 'aiff', 'aifc', 'caf', 'webm', 'weba', 'mka', 'wma'];
const RARE = ['au', 'snd', 'w64', 'wv', 'ape', 'spx', 'ogv', 'ac3'];
const EXTENSIONS = new Set([...READ, ...CONVERT, ...RARE]);

/** A recording that was read: mono, 16 kHz. */
export interface GoodFile {
  /** Path relative to the folder, with `/`. */
  file: string;
  samples: Float32Array;
  error?: undefined;
}

/** A recording that could not be read, and why. */
export interface BadFile {
  file: string;
  samples?: undefined;
  error: Audio2VecError;
}

export interface ReadFolderOptions {
  signal?: AbortSignal;
  /** Files read at once; default: one for each core. Memory holds that many recordings. */
  concurrency?: number;
  /** As in `readAudio`; longer files count as bad. */
  maxSeconds?: number;
  /** Which files, relative to the folder. Default: all that `listAudio` finds. */
  files?: readonly string[];
  /** Called after each file, in the order of the files. */
  onProgress?: (progress: { done: number; total: number; file: string }) => void;
}

/**
 * Paths of the recordings in a folder and its subfolders, relative to it, with `/`, sorted by code units (the same on
 * every machine). By extension, in either case: wav, wave, flac, mp3, ogg, oga, opus and the like, and what should be
 * converted first (m4a, aiff, webm …). Hidden files and folders are left out, links are followed.
 *
 * Nothing that may be a recording is left out without a word: a link that leads nowhere, a format that is not supported
 * and a subfolder that cannot be opened (with `/` at its end) are in the list, and reading them says what is wrong.
 * @throws {@link Audio2VecError} `ERR_FILE` when the folder does not exist, is a file or cannot be opened.
 */
export async function listAudio(folder: string, options: { signal?: AbortSignal } = {}): Promise<string[]> {
  if (typeof folder !== 'string') throw argumentError('folder', 'a path', folder);
  const info = await stat(folder).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOENT' ? 'no such folder' : error.message;
    throw new Audio2VecError('ERR_FILE', `${folder}: ${reason}.`, { cause: error });
  });
  if (!info.isDirectory()) throw new Audio2VecError('ERR_FILE', `${folder}: a file; name a folder of recordings.`);
  const files: string[] = [];
  await collect(folder, '', [], files, options.signal);
  return files.sort();
}

/** @param above real paths of the folders that lead here: a link to one of them would go on for ever */
async function collect(
  root: string,
  below: string,
  above: readonly string[],
  files: string[],
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  const folder = join(root, below);
  let entries: Dirent[];
  try {
    const real = await realpath(folder);
    if (above.includes(real)) return;
    above = [...above, real];
    entries = await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (below !== '') {
      files.push(below);
      return;
    }
    throw new Audio2VecError('ERR_FILE', `${folder}: it cannot be opened (${(error as Error).message}).`, {
      cause: error,
    });
  }
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const path = below + entry.name;
    const isFolder = entry.isDirectory() || (entry.isSymbolicLink() && (await leadsToFolder(join(root, path))));
    if (isFolder) await collect(root, `${path}/`, above, files, signal);
    else if (EXTENSIONS.has(/\.([^.]+)$/.exec(entry.name)?.[1].toLowerCase() ?? '')) files.push(path);
  }
}

const leadsToFolder = (path: string) =>
  stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  );

/**
 * Reads the recordings of a folder, a few at a time, and yields them in the order of their names: each with its
 * samples, or with the error that says why it could not be read. Leaving the loop stops what is under way.
 * @throws {@link Audio2VecError} `ERR_FILE`, `ERR_ARGUMENT`; the signal's reason when aborted.
 */
export async function* readFolder(
  folder: string,
  options: ReadFolderOptions = {},
): AsyncGenerator<GoodFile | BadFile, void, undefined> {
  const { concurrency = availableParallelism(), maxSeconds, onProgress } = options;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw argumentError('concurrency', 'a positive integer', concurrency);
  }
  const files = options.files ?? (await listAudio(folder, options));
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;

  setMaxListeners(0, signal); // every file under way listens

  const read = async (file: string): Promise<GoodFile | BadFile> => {
    try {
      return { file, samples: await readAudio(join(folder, file), { signal, name: file, maxSeconds }) };
    } catch (error) {
      if (error instanceof Audio2VecError && error.code !== 'ERR_ARGUMENT') return { file, error };
      throw error;
    }
  };

  const underWay: Promise<GoodFile | BadFile>[] = [];
  const startNext = (index: number) => {
    if (index >= files.length) return;
    const promise = read(files[index]);
    promise.catch(() => {}); // it is awaited in its turn; until then a rejection is not unhandled
    underWay.push(promise);
  };
  try {
    for (let i = 0; i < concurrency; i++) startNext(i);
    for (let done = 0; done < files.length; done++) {
      const result = await (underWay.shift() as Promise<GoodFile | BadFile>);
      startNext(done + concurrency);
      onProgress?.({ done: done + 1, total: files.length, file: result.file });
      yield result;
    }
  } finally {
    stop.abort();
  }
}
