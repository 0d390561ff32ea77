// Pretext labels for the classes of a folder: files → clips → weights.

import { chooseCandidates } from '../systems/pretext-selection/candidates.js';
import { type LabelledClips, readLabelledClips } from '../systems/pretext-selection/labelled-clips.js';
import { type Selection, type WeighOptions, weighLabels } from '../systems/pretext-selection/weigh.js';
import { checkOptions } from '../util/arguments.js';
import { readLabelledFolder } from './labelled-folder.js';

export interface WeighFolderOptions extends Omit<WeighOptions, 'onProgress'> {
  /** At most so many recordings of a class, drawn by the seed; default 300, as published. */
  perClass?: number;
  threads?: number;
  onProgress?: (progress: { done: number; total: number; unit: 'recording' | 'estimate' }) => void;
}

/** {@link Selection} for a folder. Plain data. */
export interface FolderSelection extends Selection {
  folder: string;
  /** Classes with too few recordings to say anything. */
  small: string[];
  skipped: LabelledClips['skipped'];
}

/** Which pseudo-labels to pretrain with, and how much of each, for the classes of these recordings. Nothing is trained. Test
 * recordings are not looked at.
 * @param folder `train/<label>/*` and `test/<label>/*`, or `<label>/*`, of which a quarter counts as test
 * @throws `ERR_FILE`, `ERR_DATASET`; `ERR_ARGUMENT` for candidates that are not functions of the signal; the signal's reason */
export async function weighFolder(folder: string, options: WeighFolderOptions = {}): Promise<FolderSelection> {
  const ways = ['candidates', 'kernel', 'blockSize', 'permutations', 'perClass'] as const;
  checkOptions('options', options, [...ways, 'threads', 'seed', 'signal', 'onProgress']);
  const { perClass, threads, seed = 1, signal, onProgress } = options;
  chooseCandidates(options.candidates); // a wrong name is told before the reading
  const { labels, train } = await readLabelledFolder(folder, { seed, signal });
  const clips = await readLabelledClips(folder, labels, train.files, train.labels, {
    ...{ perClass, seed, threads, signal },
    onProgress: (p) => onProgress?.({ ...p, unit: 'recording' }),
  });
  const selection = await weighLabels(clips, {
    ...options,
    onProgress: (p) => onProgress?.({ ...p, unit: 'estimate' }),
  });
  const small = labels.filter((name) => !selection.classes.some((c) => c.name === name));
  return { folder, ...selection, small, skipped: clips.skipped };
}
