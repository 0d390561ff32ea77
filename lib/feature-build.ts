// Turns a corpus into a feature store.
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { finished } from 'node:stream/promises';
import { Audio2VecError, argumentError } from './errors.js';
import {
  type FeatureStore,
  openFeatureStore,
  PREAMBLE_BYTES,
  preamble,
  STD_FLOOR,
  type StoreIndex,
} from './feature-store.js';
import { checkFrontEnd, type FrontEnd, frameCount, logMel } from './log-mel.js';

/** How clips are found and decoded; lib/audio has both. */
export interface ClipReader {
  /** Audio files below a folder, as paths that start with it. */
  list(folder: string): Promise<string[]>;
  /** Mono samples at `sampleRate`. */
  read(file: string, options: { sampleRate: number; signal?: AbortSignal }): Promise<Float32Array>;
}

export interface BuildOptions {
  reader: ClipReader;
  frontEnd?: Partial<FrontEnd>;
  signal?: AbortSignal;
  /** Called after each file, in order. */
  onProgress?: (progress: { done: number; total: number; file: string; frames: number }) => void;
  /** Files in work at once; default: the number of cores. The result doesn't depend on it. */
  concurrency?: number;
}

export interface BuildResult {
  store: FeatureStore;
  /** True if `outFile` was already there and nothing had changed. */
  reused: boolean;
  /** Why it was reused or built, for people. */
  reason: string;
}

interface SourceFile {
  path: string;
  /** Relative to the corpus folder. */
  name: string;
  size: number;
  mtimeMs: number;
}

/** Log-mel of a whole corpus in `outFile`, or that file as it is if the same files (by name, size and time of change)
 * went through the same front end. Files that can't be used are listed in `store.bad`, and the rest go on.
 *
 * The file appears only when it is complete; a build that is killed leaves `outFile` as it was.
 * @param source a folder, or a list of files
 * @throws `ERR_DATASET` if no file gives a frame, `ERR_FILE` if the store can't be written, the signal's reason. */
export async function buildFeatureStore(
  source: string | readonly string[],
  outFile: string,
  options: BuildOptions,
): Promise<BuildResult> {
  const { signal, reader } = options;
  const frontEnd = checkFrontEnd(options.frontEnd);
  const concurrency = options.concurrency ?? availableParallelism();
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw argumentError('concurrency', 'a positive integer', concurrency);
  }
  signal?.throwIfAborted();
  const files = await findFiles(source, reader);
  const old = await openFeatureStore(outFile).catch((error: Audio2VecError) => error);
  if (!(old instanceof Error)) {
    const difference = whatChanged(old.index, frontEnd, files);
    if (difference === undefined) return { store: old, reused: true, reason: 'nothing has changed' };
    old.close();
    await write(files, outFile, frontEnd, concurrency, options);
    return { store: await openFeatureStore(outFile), reused: false, reason: difference };
  }
  await write(files, outFile, frontEnd, concurrency, options);
  const reason = old.code === 'ERR_FILE' ? 'there was none' : old.message;
  return { store: await openFeatureStore(outFile), reused: false, reason };
}

async function findFiles(source: string | readonly string[], reader: ClipReader): Promise<SourceFile[]> {
  const paths = typeof source === 'string' ? await reader.list(source) : source;
  if (paths.length === 0) throw new Audio2VecError('ERR_DATASET', `There are no audio files in ${source || 'the list'}.`);
  const base = typeof source === 'string' ? resolve(source) : undefined;
  return Promise.all(
    paths.map(async (path) => {
      const { size, mtimeMs } = await stat(path).catch((cause) => {
        throw new Audio2VecError('ERR_FILE', `${path} can't be read: ${cause.message}.`, { cause });
      });
      return { path, name: base === undefined ? path : relative(base, resolve(path)), size, mtimeMs };
    }),
  );
}

/** In words, or undefined if the store is what building it again would give. */
function whatChanged(index: StoreIndex, frontEnd: FrontEnd, files: readonly SourceFile[]): string | undefined {
  for (const key of Object.keys(frontEnd) as (keyof FrontEnd)[]) {
    if (index.frontEnd[key] !== frontEnd[key]) {
      return `the front end's ${key} is ${frontEnd[key]}, was ${index.frontEnd[key]}`;
    }
  }
  const before = new Map([...index.clips, ...index.bad].map((file) => [file.name, file]));
  const isSame = (file: SourceFile) => {
    const old = before.get(file.name);
    return old !== undefined && old.size === file.size && old.mtimeMs === file.mtimeMs;
  };
  const changed = files.filter((file) => !isSame(file)).length;
  const gone = before.size - files.filter((file) => before.has(file.name)).length;
  return changed || gone ? `${changed} files are new or changed and ${gone} are gone` : undefined;
}

async function write(
  files: readonly SourceFile[],
  outFile: string,
  frontEnd: FrontEnd,
  concurrency: number,
  { reader, signal, onProgress }: BuildOptions,
): Promise<void> {
  const temporary = `${outFile}.${process.pid}.${Math.random().toString(36).slice(2)}.tmp`;
  try {
    await mkdir(dirname(resolve(outFile)), { recursive: true });
    const index: StoreIndex = { frontEnd, mean: [], std: [], clips: [], bad: [] };
    const moments = new Moments(frontEnd.bands);
    const stream = createWriteStream(temporary);
    const written = finished(stream);
    written.catch(() => {}); // reported below
    const put = async (bytes: Uint8Array) => {
      if (!stream.write(bytes)) await Promise.race([once(stream, 'drain'), written]);
    };

    await put(Buffer.alloc(PREAMBLE_BYTES));
    const extract = async ({ path }: SourceFile): Promise<Float32Array | string> => {
      try {
        const samples = await reader.read(path, { sampleRate: frontEnd.sampleRate, signal });
        if (frameCount(samples.length, frontEnd) > 0) return await logMel(samples, { frontEnd, signal });
        return `too short: ${samples.length} samples, a window needs ${frontEnd.windowLength}`;
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof Audio2VecError) return error.message;
        throw error;
      }
    };
    let done = 0;
    for await (const [file, features] of inOrder(files, concurrency, extract)) {
      const { path, ...source } = file;
      if (typeof features === 'string') {
        index.bad.push({ ...source, reason: features });
      } else {
        await moments.add(features);
        index.clips.push({ ...source, frames: features.length / frontEnd.bands });
        await put(new Uint8Array(features.buffer, features.byteOffset, features.byteLength));
      }
      const frames = typeof features === 'string' ? 0 : features.length / frontEnd.bands;
      onProgress?.({ done: ++done, total: files.length, file: path, frames });
    }
    if (index.clips.length === 0) {
      const [first] = index.bad;
      throw new Audio2VecError(
        'ERR_DATASET',
        `None of the ${files.length} files can be used. The first, ${first!.name}: ${first!.reason}`,
      );
    }

    Object.assign(index, moments.result());
    const json = Buffer.from(JSON.stringify(index));
    await put(json);
    stream.end();
    await written;
    await finish(temporary, preamble(moments.frames, frontEnd.bands, json));
    await rename(temporary, outFile);
  } catch (error) {
    await rm(temporary, { force: true });
    if (error instanceof Audio2VecError || signal?.aborted || !(error as NodeJS.ErrnoException).syscall) throw error;
    throw new Audio2VecError('ERR_FILE', `The feature store ${outFile} can't be written: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}
