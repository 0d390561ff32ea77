// Turns a corpus into a feature store: which files there are, which of them are as they were, and what the rest become.

import { open, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { listAudio, readAudio, SAMPLE_RATE } from '../audio/index.js';
import { checkOptions } from '../util/arguments.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { features } from './compute.js';
import { type MappedFeatureStore, openFeatureStore } from './feature-store.js';
import { checkFrontEnd, type FrontEndConfig, frontEndOf, type PartialFrontEnd } from './front-ends.js';
import { inOrder } from './in-order.js';
import { replaceFile } from './replace-file.js';
import { type ClipToLabel, type ColumnPlan, type ColumnSource, planColumns } from './store-columns.js';
import { checkReplaceable, type StoreIndex } from './store-format.js';
import { columnChange, type Failure, filesByName, isUnchanged, type SourceFile, StoreReuse } from './store-reuse.js';
import { StoreWriter } from './store-writer.js';

export interface FeatureStoreOptions {
  /** The front end of the primary column, whose frames are the store's clock. Default: log-mel, 25 ms windows every
   * 10 ms, 64 bands. `sampleRate` must be 16000, which is what recordings are read at. */
  frontEnd?: PartialFrontEnd;
  /** Further columns by name: other front ends with the same hop, or labels of your own for each frame. */
  columns?: Readonly<Record<string, ColumnSource>>;
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

/** The {@link BuiltFeatureStore.reason} of a first build. */
export const NO_STORE = 'there was none';

/** What became of a file: its values for each column, or why there are none. */
type Result = { frames: number; values: Float32Array[] } | Failure;

/** What a build needs to know, all checked. */
interface Build extends FeatureStoreOptions {
  folder: string;
  files: readonly SourceFile[];
  frontEnd: FrontEndConfig;
  plans: readonly ColumnPlan[];
  concurrency: number;
  read: NonNullable<FeatureStoreOptions['read']>;
}

/** Features of a whole corpus in `outFile`; if that file is there already, has all the columns, and the same recordings
 * (by name, size and time of change) went through the same front ends, it is opened as it is. If some have changed, the
 * others' values are copied from it.
 *
 * Recordings that can't be used are listed in `store.bad`, and the rest go on. One that is damaged stays listed until it
 * changes; one that could not be read (permissions, too many open files, a missing decoder) is tried again each time.
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
  checkOptions('options', options, ['frontEnd', 'columns', 'signal', 'onProgress', 'concurrency', 'read']);
  if (typeof source !== 'string' && !(Array.isArray(source) && source.every((file) => typeof file === 'string'))) {
    throw argumentError('source', 'a folder, or a list of files', source);
  }
  if (typeof outFile !== 'string' || outFile === '') throw argumentError('outFile', 'a path', outFile);
  const frontEnd: FrontEndConfig = checkFrontEnd(options.frontEnd);
  if (frontEnd.sampleRate !== SAMPLE_RATE) {
    const expected = `${SAMPLE_RATE}, the rate that recordings are read at`;
    throw argumentError('frontEnd.sampleRate', expected, frontEnd.sampleRate);
  }
  const plans = planColumns(frontEnd, options.columns ?? {});
  const { concurrency = availableParallelism(), read = readAudio } = options;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw argumentError('concurrency', 'a positive integer', concurrency);
  }
  options.signal?.throwIfAborted();
  const folder = typeof source === 'string' ? source : '';
  const files = await describeFiles(folder, source === folder ? await listAudio(folder, options) : [...source]);
  const build: Build = { ...options, folder, files, frontEnd, plans, concurrency, read };

  const { old, reason } = await openOld(outFile);
  try {
    const difference = old ? await whatChanged(old.index, build) : reason;
    if (old && difference === undefined) return { store: old, reused: true, reason: 'nothing has changed' };
    await replaceFile(outFile, plans.length - 1, async (out, scratch) => {
      const writer = await StoreWriter.start(out, scratch, plans);
      await writer.finish(await writeFrames(writer, build, old), options.signal);
    });
    old?.close();
    return { store: await openFeatureStore(outFile), reused: false, reason: difference! };
  } catch (error) {
    old?.close();
    throw error;
  }
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

/** The store that `outFile` already is, or in words why it is none. */
async function openOld(outFile: string): Promise<{ old?: MappedFeatureStore; reason?: string }> {
  const there = await stat(outFile).catch(() => undefined);
  if (there && !there.isFile()) {
    throw new Audio2VecError('ERR_FILE', `${outFile} is no regular file and is not replaced: name another one.`);
  }
  try {
    return { old: await openFeatureStore(outFile) };
  } catch (error) {
    checkReplaceable(outFile, await headOf(outFile));
    const { code, message } = error as Audio2VecError;
    return { reason: code === 'ERR_FILE' ? NO_STORE : message.replace(/\. [^.]*build it again\.$/i, '') };
  }
}

/** The first bytes of a file; none of one that cannot be read. */
async function headOf(file: string): Promise<Buffer> {
  const head = Buffer.alloc(12);
  const handle = await open(file, 'r').catch(() => undefined);
  if (!handle) return head.subarray(0, 0);
  try {
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    return head.subarray(0, bytesRead);
  } catch {
    return head.subarray(0, 0);
  } finally {
    await handle.close();
  }
}

/** In words why `index` is not what a build would write; undefined if it is. */
async function whatChanged(index: StoreIndex, build: Build): Promise<string | undefined> {
  const { files, plans } = build;
  if (index.columns[0]!.name !== plans[0]!.name) return `${plans[0]!.name} is the primary column now`;
  for (const plan of plans) {
    const difference = columnChange(plan, index);
    if (difference !== undefined) return difference;
  }
  const before = filesByName(index);
  const changed = files.filter((file) => !isUnchanged(file, before.get(file.name))).length;
  const gone = before.size - files.filter(({ name }) => before.has(name)).length;
  if (changed > 0 || gone > 0) return `${changed} recordings are new or changed, ${gone} are gone`;

  const failed = new Set(index.bad.flatMap(({ name, retry }) => (retry ? [name] : [])));
  for (const file of files) {
    if (!failed.has(file.name)) continue;
    const result = await compute(file, build);
    if (!('reason' in result && result.retry)) return `${file.name} could not be read before, and can be now`;
  }
  return undefined;
}

/** Writes all frames; returns what became of the files. */
async function writeFrames(
  writer: StoreWriter,
  build: Build,
  old: MappedFeatureStore | undefined,
): Promise<Pick<StoreIndex, 'clips' | 'bad'>> {
  const { files, signal, onProgress, concurrency } = build;
  const reuse = old && new StoreReuse(old, build.plans);
  const { clips, bad }: Pick<StoreIndex, 'clips' | 'bad'> = { clips: [], bad: [] };
  for await (const [file, result] of inOrder(files, concurrency, (file) => compute(file, build, reuse))) {
    signal?.throwIfAborted();
    const frames = 'reason' in result ? 0 : result.frames;
    if ('reason' in result) {
      bad.push({ ...file, ...result });
    } else {
      await writer.append(frames, result.values);
      clips.push({ ...file, frames });
    }
    onProgress?.({ done: clips.length + bad.length, total: files.length, file: file.name, frames });
  }
  if (clips.length === 0) {
    const [{ name, reason } = { name: '', reason: '' }] = bad;
    throw new Audio2VecError('ERR_DATASET', `None of ${files.length} recordings can be used. ${name}: ${reason}`);
  }
  return { clips, bad };
}

/** A file's values for all columns, as far as possible those that the old store has. */
async function compute(file: SourceFile, build: Build, reuse?: StoreReuse): Promise<Result> {
  const { folder, frontEnd, plans, signal, read } = build;
  const known = reuse?.of(file);
  if (known && 'reason' in known) return known;
  if (known && plans.every(({ name }) => known.has(name))) {
    return { frames: known.frames, values: plans.map(({ name }) => known.read(name)) };
  }
  const failure = (error: unknown): Failure => {
    signal?.throwIfAborted();
    return { reason: (error as Error).message, ...(!saysOfContent(error) && { retry: true }) };
  };
  let clip: ClipToLabel;
  try {
    const path = join(folder, file.name);
    const samples = await read(path, { signal });
    const entry = frontEndOf(frontEnd);
    const frames = entry.frameCount(samples.length, frontEnd);
    if (frames === 0) {
      const least = entry.sampleCount(1, frontEnd);
      return { reason: `${samples.length} samples are too short for a window of ${least}.` };
    }
    const primary = known?.read(plans[0]!.name) ?? (await features(samples, { frontEnd, signal, inPlace: true }));
    clip = { file: path, samples, frames, features: primary };
  } catch (error) {
    return failure(error);
  }
  const values: Float32Array[] = [];
  for (const plan of plans) {
    try {
      values.push(known?.has(plan.name) ? known.read(plan.name) : await plan.compute(clip, { signal }));
    } catch (error) {
      if (!plan.frontEnd) throw error; // the caller's own
      return failure(error);
    }
  }
  return { frames: clip.frames, values };
}

/** Whether an error is about what is in a file, so that it will come again as long as the file is the same; not about
 * whether it can be read and decoded here and now. */
function saysOfContent(error: unknown): boolean {
  const facts = ['ERR_AUDIO_FORMAT', 'ERR_AUDIO_TOO_LONG', 'ERR_ARGUMENT'];
  return error instanceof Audio2VecError && facts.includes(error.code);
}
