// A classifier to be exported with its encoder, fitted on a labelled folder.
import type { Encoder } from '../embed/encoder.js';
import { sceneFeatures } from '../evaluate/clip-features.js';
import { type FolderFeatures, folderFeatures } from '../evaluate/evaluate-folder.js';
import { readLabelledFolder } from '../evaluate/labelled-folder.js';
import { fitLinearProbe } from '../evaluate/linear-probe.js';
import type { Classifier } from './deployed-encoder.js';

export interface FolderClassifierOptions {
  /** Default 1. */
  seed?: number;
  signal?: AbortSignal;
  onProgress?: (progress: { done: number; total: number }) => void;
}

/** A linear probe on all recordings of the folder's training part.
 * @throws `ERR_FILE`, `ERR_DATASET`; the signal's reason */
export async function folderClassifier(
  folder: string,
  encoder: Encoder,
  { seed = 1, signal, onProgress }: FolderClassifierOptions = {},
): Promise<{ classifier: Classifier; skipped: FolderFeatures['skipped'] }> {
  const data = await readLabelledFolder(folder, { seed, signal });
  const { sets, skipped } = await folderFeatures(folder, data, [sceneFeatures('encoder', encoder)], {
    signal,
    onProgress,
  });
  const { train, dim } = sets[0]!;
  const probe = await fitLinearProbe({ ...train, dim, classes: data.labels.length }, { seed, signal });
  return { classifier: { labels: data.labels, ...probe.raw() }, skipped };
}
