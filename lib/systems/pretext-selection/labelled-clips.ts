// Labelled recordings as the estimate needs them: views, label means, classes. The sound itself is not kept.
import { readFolder } from '../../audio/index.js';
import { defaultFrontEnd } from '../../features/front-end-config.js';
import { logMel } from '../../features/log-mel.js';
import { pseudoLabelNames, pseudoLabels } from '../../features/pseudo-labels.js';
import { Audio2VecError } from '../../util/errors.js';
import { Random } from '../../util/random.js';
import { clipView, positions } from './clip-view.js';
import { LabelMeans } from './label-means.js';
import { fewest } from './recording-blocks.js';

/** A sample of labelled recordings. */
export interface LabelledClips {
  /** Names of the classes. */
  classNames: string[];
  /** Class of each recording. */
  classes: Int32Array;
  /** `[recordings, positions · bands]` */
  views: Float64Array;
  bands: number;
  /** Means of all pseudo-labels, standardised, `[recordings, labels]` in the order of the table. */
  values: Float64Array;
  skipped: { file: string; reason: string }[];
}

export interface LabelledClipsOptions {
  /** At most so many recordings of a class, drawn by the seed; default 300, as published. */
  perClass?: number;
  seed?: number;
  threads?: number;
  signal?: AbortSignal;
  onProgress?: (progress: { done: number; total: number }) => void;
}

/** Reads recordings of a folder; bad ones are listed and the rest go on.
 * @param files relative to the folder, with the class of each
 * @throws `ERR_DATASET` when fewer than two classes have enough recordings; `ERR_FILE`; the signal's reason */
export async function readLabelledClips(
  folder: string,
  classNames: string[],
  files: readonly string[],
  classes: ArrayLike<number>,
  options: LabelledClipsOptions = {},
): Promise<LabelledClips> {
  const { perClass = 300, seed = 1, threads, signal, onProgress } = options;
  const chosen = draw(classes, perClass, new Random(seed).fork('recordings'));
  const { bands, windowLength } = defaultFrontEnd;
  const means = new LabelMeans(pseudoLabelNames.length);
  const views: Float64Array[] = [];
  const used: number[] = [];
  const skipped: LabelledClips['skipped'] = [];
  let next = 0;
  const reading = { files: chosen.map((i) => files[i]), signal, concurrency: threads };
  for await (const { file, samples, error } of readFolder(folder, reading)) {
    const index = chosen[next++];
    if (error) {
      skipped.push({ file, reason: error.message });
    } else {
      // A recording shorter than a window is followed by silence.
      const whole = samples.length >= windowLength ? samples : padded(samples, windowLength);
      const [mel, { columns }] = await Promise.all([logMel(whole, { signal }), pseudoLabels(whole, { signal })]);
      views.push(clipView(mel, bands));
      means.add(pseudoLabelNames.map((name) => columns[name]));
      used.push(classes[index]);
    }
    onProgress?.({ done: next, total: chosen.length });
  }
  checkClasses(folder, classNames, used, skipped);
  const all = new Float64Array(views.length * positions * bands);
  views.forEach((view, i) => {
    all.set(view, i * view.length);
  });
  return {
    classNames,
    classes: Int32Array.from(used),
    views: all,
    bands,
    values: means.standardised().values,
    skipped,
  };
}

/** Indices of at most `perClass` of each class, in their order. */
function draw(classes: ArrayLike<number>, perClass: number, random: Random): number[] {
  const members = new Map<number, number[]>();
  for (let i = 0; i < classes.length; i++) {
    const list = members.get(classes[i]) ?? [];
    list.push(i);
    members.set(classes[i], list);
  }
  const lists = [...members.values()].map((list) => {
    return list.length <= perClass ? list : random.sample(list.length, perClass).map((i) => list[i]);
  });
  return lists.flat().sort((a, b) => a - b);
}

function padded(samples: Float32Array, length: number): Float32Array {
  const out = new Float32Array(length);
  out.set(samples);
  return out;
}

function checkClasses(
  folder: string,
  names: readonly string[],
  used: readonly number[],
  skipped: LabelledClips['skipped'],
): void {
  const large = names.filter((_, c) => used.filter((u) => u === c).length >= fewest);
  if (large.length >= 2) return;
  const [bad] = skipped;
  throw new Audio2VecError(
    'ERR_DATASET',
    `${folder} has ${large.length} classes with at least ${fewest} readable recordings; two are needed to tell what a ` +
      `class says of a label.${bad ? ` ${skipped.length} files are bad, such as ${bad.file}: ${bad.reason}` : ''}`,
  );
}
