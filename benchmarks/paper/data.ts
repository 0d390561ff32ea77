// The recordings that the table is made on: a folder with `pretrain/` and `systems/audio2vec/<task>/<train|test>/<label>/`.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { listAudio } from '../../lib/audio/index.js';
import { labelledFolder } from '../../lib/evaluate/labelled-folder.js';
import { buildFeatureStore } from '../../lib/features/feature-build.js';
import type { FeatureStore } from '../../lib/features/feature-store.js';
import { Audio2VecError } from '../../lib/util/errors.js';

/** A labelled data set as log-mel. */
export interface LabelledStore {
  name: string;
  store: FeatureStore;
  classes: string[];
  /** Clips of the store in each part, and the class of every clip. */
  train: Int32Array;
  test: Int32Array;
  labels: Int32Array;
}

export interface PaperData {
  pretrain: FeatureStore;
  tasks: LabelledStore[];
}

/** Turns the corpus into feature stores in `cache`, or opens those of last time.
 * @param only names of tasks; empty: all
 * @throws `ERR_FILE` or `ERR_DATASET` when a folder is missing or holds nothing usable. */
export async function openPaperData(
  corpus: string,
  cache: string,
  {
    only = [],
    onFolder,
    signal,
  }: { only?: readonly string[]; onFolder?: (name: string) => void; signal?: AbortSignal },
): Promise<PaperData> {
  onFolder?.('pretrain');
  const open = async (folder: string, name: string) =>
    (await buildFeatureStore(folder, join(cache, `${name}.a2v`), { signal })).store;
  const pretrain = await open(join(corpus, 'pretrain'), 'pretrain');
  const folder = join(corpus, 'tasks');
  const found = await readdir(folder, { withFileTypes: true }).catch((cause: Error) => {
    throw new Audio2VecError(
      'ERR_FILE',
      `${folder}: ${cause.message}. It should hold a folder for each labelled task.`,
    );
  });
  const names = found.filter((e) => e.isDirectory()).map((e) => e.name);
  const missing = only.find((name) => !names.includes(name));
  if (missing) throw new Audio2VecError('ERR_DATASET', `${folder} has no task ${missing}, only ${names.join(', ')}.`);
  const tasks: LabelledStore[] = [];
  for (const name of names.sort()) {
    if (only.length > 0 && !only.includes(name)) continue;
    onFolder?.(name);
    const store = await open(join(folder, name), `task-${name}`);
    tasks.push(await labelled(name, join(folder, name), store));
  }
  if (tasks.length === 0) throw new Audio2VecError('ERR_DATASET', `${folder} holds no labelled tasks.`);
  return { pretrain, tasks };
}

/** Clips of the store under their labels; recordings that could not be read are in no part. */
async function labelled(name: string, folder: string, store: FeatureStore): Promise<LabelledStore> {
  const parts = labelledFolder(folder, await listAudio(folder));
  const clipOf = new Map(store.clipNames.map((clip, i) => [clip, i]));
  const labels = new Int32Array(store.clipNames.length).fill(-1);
  const [train, test] = [parts.train, parts.test].map(({ files, labels: of }) => {
    const readable = [...files.keys()].filter((i) => clipOf.has(files[i]!));
    for (const i of readable) labels[clipOf.get(files[i]!)!] = of[i]!;
    return Int32Array.from(readable, (i) => clipOf.get(files[i]!)!);
  });
  return { name, store, classes: parts.labels, train: train!, test: test!, labels };
}
