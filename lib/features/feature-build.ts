// Turns a corpus into a feature store.
import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { listAudio, readAudio, SAMPLE_RATE } from '../audio/index.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { features as compute } from './compute.js';
import { HEAD_BYTES, type MappedFeatureStore, openFeatureStore, type StoreIndex, storeHead } from './feature-store.js';
import type { FrontEndConfig } from './front-end-config.js';
import { checkFrontEnd, frameWidth, frontEndOf } from './front-ends.js';

/** Standard deviations are at least this: a band that never changes has no spread to divide by. */
const STD_FLOOR = 1e-3;

export interface FeatureStoreOptions {
  /** Default: 25 ms windows every 10 ms, 64 bands. `sampleRate` must be 16000, which is what recordings are read at. */
  frontEnd?: Partial<FrontEndConfig>;
  signal?: AbortSignal;
  /** Called after each file, in order; `frames` is 0 for a file that could not be used. */
  onProgress?: (progress: { done: number; total: number; file: string; frames: number }) => void;
  /** Files in work at once; default: the number of cores. The result doesn't depend on it. */
  concurrency?: number;
  /** How a file becomes samples at 16 kHz; default {@link readAudio}. */
  read?: (file: string, options: { signal?: AbortSignal }) => Promise<Float32Array>;
}

export interface BuiltFeatureStore {
  store: MappedFeatureStore;
  /** True if the file was there already and nothing had changed. */
  reused: boolean;
  /** Why it was reused or built, in words. */
  reason: string;
}

interface SourceFile {
  name: string;
  size: number;
  mtimeMs: number;
}

/** Log-mel of a whole corpus in `outFile`; if that file is there already and the same recordings (by name, size and
 * time of change) went through the same front end, it is opened as it is. Recordings that can't be used are listed in
 * `store.bad`, and the rest go on.
 *
 * The file appears only when it is complete: a build that fails or is killed leaves what was there before.
 * @param source a folder, or a list of files
 * @throws `ERR_DATASET` if there is no usable recording, `ERR_FILE` if the folder can't be read or the store can't be
 *   written, the signal's reason if it aborts. */
export async function buildFeatureStore(
  source: string | readonly string[],
  outFile: string,
  options: FeatureStoreOptions = {},
): Promise<BuiltFeatureStore> {
  const frontEnd = checkFrontEnd(options.frontEnd);
  if (frontEnd.sampleRate !== SAMPLE_RATE) {
    throw argumentError(
      'frontEnd.sampleRate',
      `${SAMPLE_RATE}, the rate that recordings are read at`,
      frontEnd.sampleRate,
    );
  }
  const concurrency = options.concurrency ?? availableParallelism();
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw argumentError('concurrency', 'a positive integer', concurrency);
  }
  options.signal?.throwIfAborted();
  const folder = typeof source === 'string' ? source : '';
  const files = await describeFiles(folder, source === folder ? await listAudio(folder, options) : [...source]);

  const reason = await whyBuild(outFile, frontEnd, files);
  if (typeof reason !== 'string') return { store: reason, reused: true, reason: 'nothing has changed' };
  await replaceFile(outFile, async (out) => {
    const index = await writeFrames(out, files, { ...options, folder, frontEnd, concurrency });
    const json = Buffer.from(JSON.stringify(index));
    await out.appendFile(json);
    const frames = index.clips.reduce((sum, clip) => sum + clip.frames, 0);
    await out.write(storeHead(frames, frameWidth(frontEnd), json), 0, HEAD_BYTES, 0);
  });
  return { store: await openFeatureStore(outFile), reused: false, reason };
}

async function describeFiles(folder: string, names: readonly string[]): Promise<SourceFile[]> {
  if (names.length === 0) {
    throw new Audio2VecError('ERR_DATASET', `${folder || 'source'}: no recordings (wav, flac, mp3, ogg, opus).`);
  }
  const files: SourceFile[] = [];
  for (const name of names) {
    // One that is not there will be among the bad files, with the reason that reading it gives.
    const info = await stat(join(folder, name)).catch(() => ({ size: -1, mtimeMs: 0 }));
    files.push({ name, size: info.size, mtimeMs: info.mtimeMs });
  }
  return files;
}

/** The store that `outFile` already is, or in words why it must be built. */
async function whyBuild(
  outFile: string,
  frontEnd: FrontEndConfig,
  files: readonly SourceFile[],
): Promise<MappedFeatureStore | string> {
  let old: MappedFeatureStore;
  try {
    old = await openFeatureStore(outFile);
  } catch (error) {
    return (error as Audio2VecError).code === 'ERR_FILE' ? 'there was none' : (error as Audio2VecError).message;
  }
  const difference = whatChanged(old.index, frontEnd, files);
  if (difference === undefined) return old;
  old.close();
  return difference;
}

function whatChanged(index: StoreIndex, frontEnd: FrontEndConfig, files: readonly SourceFile[]): string | undefined {
  for (const key of Object.keys(frontEnd) as (keyof FrontEndConfig)[]) {
    if (index.frontEnd[key] !== frontEnd[key]) {
      return `${key} of the front end is ${frontEnd[key]} now, was ${index.frontEnd[key]}`;
    }
  }
  const before = new Map([...index.clips, ...index.bad].map((file) => [file.name, file]));
  const unchanged = files.filter(({ name, size, mtimeMs }) => {
    const old = before.get(name);
    return old?.size === size && old.mtimeMs === mtimeMs;
  });
  const gone = before.size - files.filter(({ name }) => before.has(name)).length;
  if (unchanged.length === files.length && gone === 0) return undefined;
  return `${files.length - unchanged.length} recordings are new or changed, ${gone} are gone`;
}

/** Writes a file under a temporary name beside `path`, flushes it to disk and renames it. */
async function replaceFile(path: string, write: (out: FileHandle) => Promise<void>): Promise<void> {
  const temporary = `${path}.${process.pid}-${randomUUID().slice(0, 8)}.tmp`;
  let out: FileHandle | undefined;
  try {
    await mkdir(dirname(resolve(path)), { recursive: true });
    await removeLeftovers(path);
    out = await open(temporary, 'w');
    await write(out);
    await out.sync();
    await out.close();
    await rename(temporary, path);
  } catch (error) {
    await out?.close().catch(() => {});
    await rm(temporary, { force: true });
    const isFromSystem = (error as NodeJS.ErrnoException).syscall !== undefined && !(error instanceof Audio2VecError);
    if (!isFromSystem) throw error;
    throw new Audio2VecError('ERR_FILE', `${path}: can't be written: ${(error as Error).message}.`, { cause: error });
  }
}

/** Deletes temporary files of processes that were killed. */
async function removeLeftovers(path: string): Promise<void> {
  const folder = dirname(resolve(path));
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${basename(path)}.`)) continue;
    const [, pid] = /\.(\d+)-[0-9a-f]{8}\.tmp$/.exec(name) ?? [];
    if (pid !== undefined && !isRunning(Number(pid))) await rm(join(folder, name), { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function writeFrames(
  out: FileHandle,
  files: readonly SourceFile[],
  options: FeatureStoreOptions & { folder: string; frontEnd: FrontEndConfig; concurrency: number },
): Promise<StoreIndex> {
  const { folder, frontEnd, signal, onProgress, concurrency, read = readAudio } = options;
  const entry = frontEndOf(frontEnd);
  const width = entry.width(frontEnd);
  const features = async ({ name }: SourceFile): Promise<Float32Array | string> => {
    try {
      const samples = await read(join(folder, name), { signal });
      if (entry.frameCount(samples.length, frontEnd) > 0) return await compute(samples, { frontEnd, signal });
      return `${samples.length} samples are too short for a window of ${entry.sampleCount(1, frontEnd)}.`;
    } catch (error) {
      signal?.throwIfAborted();
      return (error as Error).message;
    }
  };

  const moments = new Moments(width);
  const index: StoreIndex = { frontEnd, mean: [], std: [], clips: [], bad: [] };
  await out.appendFile(Buffer.alloc(HEAD_BYTES));
  let done = 0;
  for await (const [file, result] of inOrder(files, concurrency, features)) {
    signal?.throwIfAborted();
    const frames = typeof result === 'string' ? 0 : result.length / width;
    if (typeof result === 'string') {
      index.bad.push({ ...file, reason: result });
    } else {
      await moments.add(result);
      await out.appendFile(new Uint8Array(result.buffer, result.byteOffset, result.byteLength));
      index.clips.push({ ...file, frames });
    }
    onProgress?.({ done: ++done, total: files.length, file: file.name, frames });
  }
  if (index.clips.length === 0) {
    const [{ name, reason } = { name: '', reason: '' }] = index.bad;
    throw new Audio2VecError('ERR_DATASET', `None of ${files.length} recordings can be used. ${name}: ${reason}`);
  }
  return { ...index, ...moments.result() };
}

/** Results in the order of the items, while up to `concurrency` of them are in work. */
async function* inOrder<T, R>(
  items: readonly T[],
  concurrency: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<[T, R]> {
  const started: Promise<R>[] = [];
  const start = (item: T) => {
    const promise = work(item);
    promise.catch(() => {}); // whoever awaits it hears of the error
    started.push(promise);
  };
  for (const item of items.slice(0, concurrency)) start(item);
  try {
    for (const [i, item] of items.entries()) {
      const result = await started.shift()!;
      if (i + concurrency < items.length) start(items[i + concurrency]!);
      yield [item, result];
    }
  } finally {
    await Promise.allSettled(started);
  }
}

/** Mean and standard deviation of each band, summed in double precision. */
class Moments {
  private readonly sum: Float64Array;
  private readonly squares: Float64Array;
  private frames = 0;

  constructor(private readonly bands: number) {
    this.sum = new Float64Array(bands);
    this.squares = new Float64Array(bands);
  }

  /** Lets the event loop turn every million values. */
  async add(features: Float32Array): Promise<void> {
    const { sum, squares, bands } = this;
    for (let i = 0, b = 0; i < features.length; i++, b = b + 1 === bands ? 0 : b + 1) {
      const x = features[i]!;
      sum[b]! += x;
      squares[b]! += x * x;
      if (i % 2 ** 20 === 2 ** 20 - 1) await setImmediate();
    }
    this.frames += features.length / bands;
  }

  result(): { mean: number[]; std: number[] } {
    const mean = [...this.sum.map((s) => s / this.frames)];
    const std = mean.map((m, b) => Math.max(STD_FLOOR, Math.sqrt(Math.max(0, this.squares[b]! / this.frames - m * m))));
    return { mean, std };
  }
}
