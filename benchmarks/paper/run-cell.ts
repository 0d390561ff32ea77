// What happens in a cell: train if need be, measure, return plain data.
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { evaluateFeatures } from '../../lib/evaluate/evaluate.js';
import { takeRows } from '../../lib/evaluate/features.js';
import { classifyByNeighbours } from '../../lib/evaluate/knn.js';
import { labelSubset } from '../../lib/evaluate/splits.js';
import type { FeatureStore } from '../../lib/features/feature-store.js';
import { type EncoderModel, encoderGraph, loadEncoderModel } from '../../lib/models/encoder-model.js';
import { initialParameters } from '../../lib/models/initial-weights.js';
import { noAugmentation } from '../../lib/systems/audio2vec/augment.js';
import type { TaskReport } from '../../lib/systems/audio2vec/held-out.js';
import { runFiles } from '../../lib/systems/run-files.js';
import { fineTune, runToEnd } from '../../lib/train/fine-tune.js';
import type { Step } from '../../lib/train/loop.js';
import { pretrain, resumePretraining } from '../../lib/train/pretrain.js';
import { readRunLog } from '../../lib/train/run-log.js';
import { accuracy } from '../../lib/util/metrics.js';
import { Random } from '../../lib/util/random.js';
import { type ClipFeatures, embedClips, logMelStatistics, shiftedStore } from './clip-features.js';
import type { LabelledStore, PaperData } from './data.js';
import { type Cell, encoderOfWidth, type FeaturesCell, type LabelsCell, recipeRow } from './grid.js';

/** Frames that queries start later than they were recorded. */
export const queryShifts = [8, 16, 32] as const;

/** Accuracies on one labelled task. Fractions. */
export interface FeaturesScore {
  task: string;
  testClips: number;
  probe: number;
  knn: number;
  /** kNN accuracy by shift of the queries, in frames. */
  shifted: Record<number, number>;
}

export interface FeaturesResult {
  cell: FeaturesCell;
  scores: FeaturesScore[];
  /** Of the pretraining: steps, seconds, held-out report. */
  training?: { task: string; steps: number; seconds: number; heldOut: readonly TaskReport[] };
}

export interface LabelsResult {
  cell: LabelsCell;
  accuracy: number;
  testClips: number;
  clips: number;
  steps: number;
}

export type CellResult = FeaturesResult | LabelsResult;

export interface Surroundings {
  data: PaperData;
  /** Where runs of pretraining are kept. */
  runs: string;
  /** Time for each pretraining, and for each training on all labels; on some of them it takes a quarter. */
  minutes: number;
  fineTuneMinutes: number;
  threads: number;
  signal?: AbortSignal;
  onStep?: (step: Step) => void;
  onPhase?: (what: string) => void;
}

export function runCell(cell: Cell, around: Surroundings): Promise<CellResult> {
  return cell.kind === 'features' ? runFeatures(cell, around) : runLabels(cell, around);
}

async function runFeatures(cell: FeaturesCell, around: Surroundings): Promise<FeaturesResult> {
  const { features, width, seed } = cell;
  const config = encoderOfWidth(width);
  let model: EncoderModel | undefined;
  let training: FeaturesResult['training'];
  if (features.kind === 'untrained') {
    const { frontEnd, mean, std } = around.data.pretrain;
    const weights = initialParameters(encoderGraph(config).graph, seed);
    model = { config, frontEnd, mean, std, weights, provenance: { untrained: { seed } } };
  } else if (features.kind === 'pretrained') {
    const run = await pretrained(cell, around);
    model = await loadEncoderModel(join(run, runFiles.encoder));
    const log = await readRunLog(run);
    training = { task: log.config.task, steps: log.step, seconds: log.seconds, heldOut: log.tasks ?? [] };
  }
  const read = (store: FeatureStore): Promise<ClipFeatures> =>
    model ? embedClips(model, store, around.threads) : Promise.resolve(logMelStatistics(store));
  const scores: FeaturesScore[] = [];
  for (const task of around.data.tasks) {
    around.onPhase?.(`evaluate on ${task.name}`);
    scores.push(await score(cell.row, task, read, around.signal));
  }
  return { cell, scores, training };
}

/** Runs the pretraining of a cell, or goes on with what an interrupted one left; gives its folder. */
async function pretrained(cell: FeaturesCell, around: Surroundings): Promise<string> {
  const { features, width, seed } = cell;
  const { data, runs, minutes, threads, signal } = around;
  const out = join(runs, cell.id);
  if (await exists(join(out, runFiles.encoder))) return out;
  const shared = { corpus: data.pretrain, out, signal };
  const task = features.kind === 'pretrained' ? features.task : undefined;
  // The paper's methods as the paper has them: without augmentation and whitening.
  const method = task === undefined ? {} : { task, augmentation: noAugmentation, whiten: false };
  const started = await exists(join(out, runFiles.checkpoint));
  if (!started) await rm(out, { recursive: true, force: true });
  const steps = started
    ? resumePretraining(shared)
    : pretrain({ ...shared, ...method, encoder: encoderOfWidth(width), minutes, threads, seed });
  for await (const step of steps) around.onStep?.(step);
  return out;
}

async function score(
  row: string,
  task: LabelledStore,
  read: (store: FeatureStore) => Promise<ClipFeatures>,
  signal?: AbortSignal,
): Promise<FeaturesScore> {
  const { dim, vectors } = await read(task.store);
  const part = (clips: Int32Array, from = vectors) => ({
    embeddings: takeRows(from, dim, clips),
    labels: Int32Array.from(clips, (clip) => task.labels[clip]!),
  });
  const [train, test] = [part(task.train), part(task.test)];
  const set = { name: row, dim, labels: task.classes, train, test };
  const { probe, knn, testClips } = await evaluateFeatures(set, { signal });
  const shifted: Record<number, number> = {};
  for (const shift of queryShifts) {
    const queries = part(task.test, (await read(shiftedStore(task.store, shift))).vectors).embeddings;
    const base = { ...train, dim, classes: task.classes.length };
    shifted[shift] = accuracy(test.labels, await classifyByNeighbours(base, queries, { k: 10, signal }));
  }
  return { task: task.name, testClips, probe: probe.accuracy, knn: knn.accuracy, shifted };
}

async function runLabels(cell: LabelsCell, around: Surroundings): Promise<LabelsResult> {
  const { perClass, start, seed } = cell;
  const { data, runs, threads, signal } = around;
  const minutes = perClass === undefined ? around.fineTuneMinutes : around.fineTuneMinutes / 4;
  const task = data.tasks.find((t) => t.name === cell.task)!;
  const trained = join(runs, `${recipeRow}-seed${seed}`, runFiles.encoder);
  const from = start === 'fine-tuned' ? await loadEncoderModel(trained) : undefined;
  const classOf = Int32Array.from(task.train, (clip) => task.labels[clip]!);
  const rng = new Random(seed).fork(`labels of ${task.name}`);
  const chosen = labelSubset(classOf, perClass ?? Number.POSITIVE_INFINITY, rng);
  const labels = new Int32Array(task.labels.length).fill(-1);
  for (const i of chosen) labels[task.train[i]!] = classOf[i]!;

  let steps = 0;
  const options = { corpus: task.store, labels, classes: task.classes, from, minutes, threads, seed, signal };
  const tuned = await runToEnd(fineTune(options), (step) => {
    steps = step.step;
    around.onStep?.(step);
  });
  const classes = task.classes.length;
  const probabilities = await tuned.predict(task.store, task.test);
  const predicted = Int32Array.from(task.test, (_, i) => {
    const row = probabilities.subarray(i * classes, (i + 1) * classes);
    return row.indexOf(Math.max(...row));
  });
  const truth = Int32Array.from(task.test, (clip) => task.labels[clip]!);
  return { cell, accuracy: accuracy(truth, predicted), testClips: truth.length, clips: chosen.length, steps };
}

function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
