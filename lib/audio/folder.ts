// Folders of recordings: list them, read them in order, and go on past the bad ones.
import { setMaxListeners } from 'node:events';
import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { glob } from 'tinyglobby';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { readAudio } from './read.js';

const EXTENSIONS = ['wav', 'wave', 'flac', 'mp3', 'ogg', 'oga', 'opus'];

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
 * every machine). By extension: wav, wave, flac, mp3, ogg, oga, opus in either case. Hidden files and folders are left
 * out, links are followed.
 * @throws {@link Audio2VecError} `ERR_FILE` when the folder does not exist or is a file.
 */
export async function listAudio(folder: string, options: { signal?: AbortSignal } = {}): Promise<string[]> {
  if (typeof folder !== 'string') throw argumentError('folder', 'a path', typeof folder);
  const info = await stat(folder).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOENT' ? 'no such folder' : error.message;
    throw new Audio2VecError('ERR_FILE', `${folder}: ${reason}.`, { cause: error });
  });
  if (!info.isDirectory()) throw new Audio2VecError('ERR_FILE', `${folder}: a file; name a folder of recordings.`);
  const files = await glob(`**/*.{${EXTENSIONS.join(',')}}`, {
    cwd: folder,
    caseSensitiveMatch: false,
    expandDirectories: false,
    signal: options.signal,
  });
  options.signal?.throwIfAborted();
  return files.sort();
}

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
