// How good an encoder is for the labels of a folder of recordings: files → features → probe and neighbours.

import { readFolder } from '../audio/index.js';
import type { Encoder } from '../embed/encoder.js';
import { checkOptions } from '../util/arguments.js';
import { Audio2VecError } from '../util/errors.js';
import { type ClipFeatures, sceneFeatures, withBaselines } from './clip-features.js';
import { type Comparison, compareFeatures, type EvaluateOptions, type FeatureSet } from './evaluate.js';
import { type LabelledFiles, type LabelledFolder, readLabelledFolder } from './labelled-folder.js';

/** A clip that was read. */
export interface LabelledClip {
  part: 'train' | 'test';
  /** Path relative to the folder. */
  file: string;
  label: number;
  samples: Float32Array;
}

export interface FolderFeaturesOptions {
  signal?: AbortSignal;
  onProgress?: (progress: { done: number; total: number; file: string }) => void;
  /** Called with each clip, in the order of the rows, for those who want the sound as well. */
  onClip?: (clip: LabelledClip) => void;
}

/** Features of labelled recordings, and what could not be read. */
export interface FolderFeatures {
  /** One for each kind of features, all of the same clips. */
  sets: FeatureSet[];
  /** Files that the rows are of. */
  files: { train: string[]; test: string[] };
  /** Files that could not be read, and why. */
  skipped: { file: string; reason: string }[];
}

/** Clips held in memory at once. */
const batchClips = 64;
const batchSamples = 2 ** 23;

/** Reads every recording once and turns it into each kind of features. Recordings that can't be read are listed, and
 * the rest go on.
 * @throws `ERR_DATASET` if none of a label's recordings can be read to train on, or none at all to test. */
export async function folderFeatures(
  folder: string,
  data: Pick<LabelledFolder, 'labels' | 'train' | 'test'>,
  kinds: readonly ClipFeatures[],
  { signal, onProgress, onClip }: FolderFeaturesOptions = {},
): Promise<FolderFeatures> {
  const skipped: FolderFeatures['skipped'] = [];
  const total = data.train.files.length + data.test.files.length;
  let done = 0;
  const read = async (part: 'train' | 'test', { files, labels }: LabelledFiles) => {
    const rows = new RowBuilder(kinds, signal);
    const used: { file: string; label: number }[] = [];
    let next = 0;
    for await (const { file, samples, error } of readFolder(folder, { files, signal })) {
      const label = labels[next++]!;
      onProgress?.({ done: ++done, total, file });
      if (error) {
        skipped.push({ file, reason: error.message });
        continue;
      }
      used.push({ file, label });
      onClip?.({ part, file, label, samples });
      await rows.add(samples);
    }
    return { files: used.map((u) => u.file), labels: Int32Array.from(used, (u) => u.label), rows: await rows.end() };
  };
  const train = await read('train', data.train);
  const test = await read('test', data.test);
  checkReadable(folder, data, train.labels, test.labels, skipped);
  const sets = kinds.map(({ name, dim }, i) => ({
    name,
    dim,
    labels: data.labels,
    train: { embeddings: train.rows[i]!, labels: train.labels },
    test: { embeddings: test.rows[i]!, labels: test.labels },
  }));
  return { sets, files: { train: train.files, test: test.files }, skipped };
}

function checkReadable(
  folder: string,
  { labels }: Pick<LabelledFolder, 'labels'>,
  train: Int32Array,
  test: Int32Array,
  skipped: FolderFeatures['skipped'],
): void {
  const empty = labels.findIndex((_, label) => !train.includes(label));
  if (empty < 0 && test.length > 0) return;
  const what = empty < 0 ? 'recording to test' : `recording of label "${labels[empty]}" to train on`;
  const [first] = skipped;
  throw new Audio2VecError(
    'ERR_DATASET',
    `${folder}: no ${what} can be read. ${skipped.length} files are bad${first ? `, such as ${first.file}: ${first.reason}` : '.'}`,
  );
}

/** Gathers clips into batches and their features into matrices. */
class RowBuilder {
  private clips: Float32Array[] = [];
  private samples = 0;
  private readonly parts: Float32Array[][];

  constructor(
    private readonly kinds: readonly ClipFeatures[],
    private readonly signal?: AbortSignal,
  ) {
    this.parts = kinds.map(() => []);
  }

  async add(samples: Float32Array): Promise<void> {
    this.clips.push(samples);
    this.samples += samples.length;
    if (this.clips.length === batchClips || this.samples >= batchSamples) await this.flush();
  }

  /** A matrix of all rows for each kind. */
  async end(): Promise<Float32Array[]> {
    if (this.clips.length > 0) await this.flush();
    return this.parts.map(concatenate);
  }

  private async flush(): Promise<void> {
    for (const [i, kind] of this.kinds.entries()) {
      this.parts[i]!.push(await kind.extract(this.clips, { signal: this.signal }));
    }
    this.clips = [];
    this.samples = 0;
  }
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export interface EvaluateFolderOptions extends Omit<EvaluateOptions, 'probe'>, FolderFeaturesOptions {
  /** What tables call the encoder; default `encoder`. */
  name?: string;
  /** Also the encoder that ships with the package, the untrained encoder and log-mel statistics; default true. */
  baselines?: boolean;
  /** Of the baselines; default: all cores. */
  threads?: number;
}

/** {@link Comparison} of an encoder with its baselines. Plain data. */
export interface FolderEvaluation extends Comparison {
  folder: string;
  /** Whether folders `train` and `test` decided, or a seeded draw. */
  split: LabelledFolder['split'];
  skipped: FolderFeatures['skipped'];
}

/** Linear probe and nearest neighbours on the embeddings of labelled recordings, beside the encoder that ships with the
 * package, the same encoder untrained, and log-mel mean and deviation. The encoder's weights stay as they are.
 * @param folder `train/<label>/*` and `test/<label>/*`, or `<label>/*` to be split (see `readLabelledFolder`)
 * @throws `ERR_FILE`, `ERR_DATASET`; the signal's reason */
export async function evaluate(
  folder: string,
  encoder: Encoder,
  options: EvaluateFolderOptions = {},
): Promise<FolderEvaluation> {
  const ways = ['strengths', 'folds', 'seed', 'k', 'metric', 'onProgress', 'onClip'] as const;
  checkOptions('options', options, ['name', 'baselines', 'threads', 'signal', ...ways]);
  const { name = 'encoder', baselines = true, seed = 1, threads, signal } = options;
  const data = await readLabelledFolder(folder, { seed, signal });
  const kinds = baselines ? await withBaselines(name, encoder, { seed, threads }) : [sceneFeatures(name, encoder)];
  const { sets, skipped } = await folderFeatures(folder, data, kinds, options);
  return { folder, split: data.split, skipped, ...(await compareFeatures(sets, { ...options, seed })) };
}
