// Labelled recordings → a classifier, in seconds: the encoder stays as it is, and a linear probe reads its embeddings.
import { resolve } from 'node:path';
import { listAudio } from '../audio/index.js';
import type { Encoder } from '../embed/encoder.js';
import { type LabelledFolder, readLabelledFolder } from '../evaluate/labelled-folder.js';
import { fitLinearProbe, type LinearProbe } from '../evaluate/linear-probe.js';
import { stratifiedFolds } from '../evaluate/splits.js';
import { checkOptions } from '../util/arguments.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { Random } from '../util/random.js';
import type { ClassifierModel } from './classifier-file.js';
import { type Gathered, gather, type Item, joined } from './gather.js';
import { guess, type LinearModel, linearModel } from './linear-model.js';
import { chooseListening, chooseThreshold, type HeldOut, heldOutScores, measure } from './operating-point.js';

export interface FitOptions {
  /** Decides the split, the folds and the order in which recordings are played. Default 1. */
  seed?: number;
  /** The label of recordings that are none of the others; default `none`, if there is one. */
  none?: string;
  /** The share of held-out recordings told right that are to stay above the threshold of "none of these"; 0.95. What sounds
   * of other kinds it refuses is among the figures. */
  keep?: number;
  /** Folder of long recordings without any of the labels (a room, a street): false alarms are counted in them as well. */
  background?: string;
  /** The most false alarms an hour of live sound; default: misses and false alarms count alike. */
  falseAlarmsPerHour?: number;
  /** Of live sound; default 1. */
  refractorySeconds?: number;
  signal?: AbortSignal;
  onProgress?: (progress: { done: number; total: number }) => void;
}

/** Names of {@link FitOptions}. */
export const fitOptions = [
  ...(['seed', 'none', 'keep', 'background', 'falseAlarmsPerHour'] as const),
  ...(['refractorySeconds', 'signal', 'onProgress'] as const),
] as const satisfies (keyof FitOptions)[];

export interface Fitted {
  model: ClassifierModel;
  split: LabelledFolder['split'];
  /** Recordings that could not be read, and why. */
  skipped: { file: string; reason: string }[];
}

/** From slice to slice of live sound: a quarter of one. */
export const listenHop = 0.24;
const FOLDS = 5;

/** See `Classifier.fit`. */
export async function fitFolder(folder: string, encoder: Encoder, options: FitOptions): Promise<Fitted> {
  const { seed = 1, signal } = options;
  checkOptions('options', options, fitOptions);
  checkFitOptions(options);
  const data = await readLabelledFolder(folder, { seed, signal });
  const random = new Random(seed);
  const folds = stratifiedFolds(data.train.labels, Math.min(FOLDS, data.train.labels.length), random.fork('folds'));
  const background = await backgroundItems(options.background, FOLDS, signal);
  const train = [...data.train.files.map((file, i) => item(folder, file, data.train.labels[i]!, folds[i]!))];
  const test = data.test.files.map((file, i) => item(folder, file, data.test.labels[i]!, 0));

  const skipped: Fitted['skipped'] = [];
  const total = train.length + test.length + background.train.length + background.test.length;
  let done = 0;
  const reading = (label: string) => ({
    ...{ hopSeconds: listenHop, random: random.fork(label), signal, skipped },
    onFile: () => options.onProgress?.({ done: ++done, total }),
  });
  const parts = await gather(encoder, '', [...train, ...background.train], FOLDS, reading('order of training'));
  const [tested] = await gather(encoder, '', [...test, ...background.test], 1, reading('order of testing'));
  const labels = { labels: data.labels, none: noneOf(data.labels, options.none) };
  checkReadable(folder, data.labels, parts, tested!, skipped);

  const all = merged(parts);
  const probe = await probeOf(all, data.labels.length, { seed, signal });
  const fitted = linearModel(labels, probe.raw(), all.scenes, all.labels);
  const without = async (others: Gathered): Promise<LinearModel> => {
    const again = await probeOf(others, data.labels.length, { seed, signal, strengths: probe.strength });
    return linearModel(labels, again.raw(), others.scenes, others.labels);
  };
  const heldOut: HeldOut[] = [];
  for (const part of parts.filter((p) => p.track.sounds.length > 0)) {
    heldOut.push({ data: part, model: await without(merged(parts.filter((p) => p !== part))) });
  }
  const left = labels.none === undefined ? await scoresOfLabelsLeftOut(all, labels, without) : [];

  const model = withThresholds(fitted, heldOut, { model: fitted, data: tested! }, left, options);
  return { model, split: data.split, skipped };
}

/** Chooses thresholds on what was held out, and measures them on what was not seen at all.
 * @param left scores of recordings whose labels were left out */
export function withThresholds(
  fitted: LinearModel,
  heldOut: readonly HeldOut[],
  test: HeldOut,
  left: readonly number[],
  { keep = 0.95, refractorySeconds = 1, falseAlarmsPerHour }: FitOptions,
): ClassifierModel {
  const known = heldOut.flatMap((h) => heldOutScores(h).known);
  const threshold = chooseThreshold({ known }, keep);
  const fixed = { hopSeconds: listenHop, refractorySeconds };
  const listening = chooseListening(heldOut, fixed, falseAlarmsPerHour);
  return { ...fitted, threshold, listening, figures: measure(test, heldOut, threshold, listening, left) };
}

export function noneOf(labels: readonly string[], asked: string | undefined): number | undefined {
  const at = labels.indexOf(asked ?? 'none');
  if (asked !== undefined && at < 0) throw argumentError('none', `a label (${labels.join(', ')})`, asked);
  return at < 0 ? undefined : at;
}

export function item(folder: string, file: string, label: number, part: number): Item {
  return { file: resolve(folder, file), label, part };
}

export function checkFitOptions({ keep, falseAlarmsPerHour: rate, refractorySeconds: wait }: FitOptions): void {
  if (keep !== undefined && !(keep > 0 && keep <= 1)) throw argumentError('keep', 'above 0, at most 1', keep);
  if (rate !== undefined && !(rate >= 0)) throw argumentError('falseAlarmsPerHour', 'a number of at least 0', rate);
  if (wait !== undefined && !(wait >= 0 && wait <= 3600))
    throw argumentError('refractorySeconds', 'from 0 to 3600', wait);
}

/** Recordings without labels: one half to choose thresholds on, one to count false alarms in. */
export async function backgroundItems(folder: string | undefined, folds: number, signal?: AbortSignal) {
  const files = folder === undefined ? [] : await listAudio(folder, { signal });
  const items = files.map((file, i) => item(folder!, file, -1, (i >> 1) % folds));
  const test = items.filter((_, i) => i % 2 === 1).map((one) => ({ ...one, part: 0 }));
  return { train: items.filter((_, i) => i % 2 === 0), test };
}

function merged(parts: readonly Gathered[]): Gathered {
  return {
    files: parts.flatMap((p) => p.files),
    labels: Int32Array.from(parts.flatMap((p) => [...p.labels])),
    scenes: joined(parts.map((p) => p.scenes)),
    track: { seconds: [], embeddings: [], sounds: [] },
  };
}

function probeOf(
  { scenes, labels }: Gathered,
  classes: number,
  options: { seed: number; signal?: AbortSignal; strengths?: number },
): Promise<LinearProbe> {
  return fitLinearProbe({ embeddings: scenes, dim: scenes.length / labels.length, labels, classes }, options);
}

/** What recordings score when their label is unknown: labels are left out in up to five groups, and the recordings of each
 * group are given to a classifier of the others. Needs three labels. */
async function scoresOfLabelsLeftOut(
  all: Gathered,
  { labels }: Pick<LinearModel, 'labels'>,
  modelOf: (of: Gathered) => Promise<LinearModel>,
): Promise<number[]> {
  if (labels.length < 3) return [];
  const groups = Math.min(FOLDS, labels.length);
  const dim = all.scenes.length / all.labels.length;
  const scores: number[] = [];
  for (let group = 0; group < groups; group++) {
    const out = (i: number) => all.labels[i]! % groups === group;
    const rows = Array.from(all.labels.keys());
    const known = rows.filter((i) => !out(i));
    const model = await modelOf(pick(all, known, dim));
    for (const i of rows.filter(out)) scores.push(guess(model, all.scenes.subarray(i * dim, (i + 1) * dim)).score);
  }
  return scores;
}

function pick(of: Gathered, rows: readonly number[], dim: number): Gathered {
  return {
    ...of,
    files: rows.map((i) => of.files[i]!),
    labels: Int32Array.from(rows, (i) => of.labels[i]!),
    scenes: joined(rows.map((i) => of.scenes.subarray(i * dim, (i + 1) * dim))),
  };
}

/** Every label needs two recordings to be fitted on, and there must be something to test. */
export function checkReadable(
  folder: string,
  labels: readonly string[],
  parts: readonly Gathered[],
  test: Gathered,
  skipped: Fitted['skipped'],
): void {
  const counts = labels.map((_, c) => parts.reduce((n, p) => n + p.labels.filter((l) => l === c).length, 0));
  const rare = counts.findIndex((n) => n < 2);
  if (rare < 0 && test.labels.length > 0) return;
  const what = rare < 0 ? 'No recording to test' : `Fewer than two recordings of label "${labels[rare]}" to train on`;
  const bad =
    skipped.length > 0 ? ` ${skipped.length} are bad, such as ${skipped[0]!.file}: ${skipped[0]!.reason}` : '';
  throw new Audio2VecError('ERR_DATASET', `${folder}: ${what} can be read.${bad}`);
}
