// Labels from folder names: which recordings are for training a probe, which for testing it.
import { listAudio } from '../audio/folder.js';
import { Audio2VecError } from '../util/errors.js';
import { Random } from '../util/random.js';
import { stratifiedSplit } from './splits.js';

/** Recordings with the index of each one's label. */
export interface LabelledFiles {
  /** Paths relative to the folder, with `/`, sorted. */
  files: string[];
  labels: Int32Array;
}

export interface LabelledFolder {
  /** Names of the classes, sorted; label i is `labels[i]`. */
  labels: string[];
  train: LabelledFiles;
  test: LabelledFiles;
  /** Whether folders `train` and `test` decided, or a seeded draw. */
  split: 'folders' | 'seeded';
}

export interface SplitOptions {
  /** Seed of the draw where the folder has no split of its own; default 0. */
  seed?: number;
  /** Fraction of each label's recordings to test on in that case; default 0.25. */
  test?: number;
}

/** Lists the recordings of a folder on disk and sorts them with {@link labelledFolder}. Nothing is decoded yet.
 * @throws `ERR_FILE` when there is no such folder; `ERR_DATASET` when its layout does not serve. */
export async function readLabelledFolder(
  folder: string,
  options: SplitOptions & { signal?: AbortSignal } = {},
): Promise<LabelledFolder> {
  return labelledFolder(folder, await listAudio(folder, options), options);
}

/** Sorts the recordings of a folder into labels and parts. Two layouts:
 * - `train/<label>/…` and `test/<label>/…`: taken as they are; other top-level folders are left out;
 * - `<label>/…`: a random quarter of each label (see {@link SplitOptions}) becomes the test part. Clips cut from one
 *   recording may then fall on both sides, which flatters every method: prefer a split of your own.
 *
 * Subfolders of a label belong to it.
 * @param folder for messages.
 * @param files paths of recordings relative to the folder, with `/`, as `listAudio` gives them.
 * @throws {@link Audio2VecError} `ERR_DATASET`: one part missing, a recording outside any label, fewer than two labels,
 * a label to test that is not trained, too few recordings of a label. */
export function labelledFolder(
  folder: string,
  files: readonly string[],
  { seed = 0, test = 0.25 }: SplitOptions = {},
): LabelledFolder {
  if (files.length === 0) throw datasetError(folder, `holds no recordings. Expected ${layouts}`);
  const paths = files.map((file) => file.split('/'));
  const hasSplit = paths.some((path) => isPart(path[0]) && path.length > 2);
  const labelAt = hasSplit ? 1 : 0;
  const used = paths.filter((path) => !hasSplit || isPart(path[0])).sort(byCodeUnits);
  const stray = used.find((path) => path.length < labelAt + 2);
  if (stray) {
    throw datasetError(folder, `holds ${stray.join('/')} outside any label's folder. Expected ${layouts}`);
  }

  const labels = [...new Set(used.map((path) => path[labelAt]))].sort();
  if (labels.length < 2) {
    throw datasetError(folder, `has only one label, "${labels[0]}". A probe needs at least two. Expected ${layouts}`);
  }
  const all = part(used, labels, labelAt);
  if (!hasSplit) {
    const counts = countLabels(all.labels, labels.length);
    const rare = counts.findIndex((count) => count < 3);
    if (rare >= 0) {
      throw datasetError(
        folder,
        `has ${counts[rare]} of label "${labels[rare]}". At least 3 are needed, 2 to train on and 1 to test: ` +
          'add recordings or remove the folder.',
      );
    }
    const drawn = stratifiedSplit(all.labels, test, new Random(seed).fork('split'));
    const pick = (indices: Int32Array) =>
      part(
        Array.from(indices, (i) => used[i]),
        labels,
        labelAt,
      );
    return { labels, train: pick(drawn.train), test: pick(drawn.test), split: 'seeded' };
  }

  const train = part(
    used.filter((path) => path[0] === 'train'),
    labels,
    labelAt,
  );
  const testPart = part(
    used.filter((path) => path[0] === 'test'),
    labels,
    labelAt,
  );
  for (const [name, { files: present }] of Object.entries({ train, test: testPart })) {
    if (present.length === 0) {
      throw datasetError(folder, `has no recordings in ${name}/<label>/, only in the other part. Expected ${layouts}`);
    }
  }
  countLabels(train.labels, labels.length).forEach((count, label) => {
    if (count === 0) {
      throw datasetError(
        folder,
        `has label "${labels[label]}" only in test. Add recordings to train/${labels[label]} or remove it from test.`,
      );
    }
    if (count === 1) {
      throw datasetError(folder, `has a single recording in train/${labels[label]}. Add at least one more.`);
    }
  });
  return { labels, train, test: testPart, split: 'folders' };
}

const layouts = 'train/<label>/* and test/<label>/*, or <label>/* for a random split.';

const isPart = (name: string) => name === 'train' || name === 'test';

function part(paths: readonly string[][], labels: readonly string[], labelAt: number): LabelledFiles {
  const index = new Map(labels.map((label, i) => [label, i]));
  return {
    files: paths.map((path) => path.join('/')),
    labels: Int32Array.from(paths, (path) => index.get(path[labelAt])!),
  };
}

function countLabels(labels: Int32Array, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) counts[label]++;
  return counts;
}

function byCodeUnits(a: readonly string[], b: readonly string[]): number {
  const [x, y] = [a.join('/'), b.join('/')];
  return x < y ? -1 : x > y ? 1 : 0;
}

function datasetError(folder: string, problem: string): Audio2VecError {
  return new Audio2VecError('ERR_DATASET', `${folder} ${problem}`);
}
