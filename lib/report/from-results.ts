// From what training and evaluation give to what a report shows.
import type { Comparison, Evaluation } from '../evaluate/evaluate.js';
import { nearestNeighbours } from '../evaluate/knn.js';
import { pca, umap } from '../evaluate/projection.js';
import { type FrontEndConfig, frameWidth, frontEndOf } from '../features/front-ends.js';
import type { Reconstruction } from '../systems/audio2vec/held-out.js';
import { chanceLabel, trivialPredictors } from '../systems/audio2vec/results.js';
import type { RunLog } from '../train/run-log.js';
import type { ConfusionMatrix, EmbeddingMap, Fact, LossChart, ProbeTable, Reconstructions } from './data.js';

/** One chart for each pretext task of a run, in the task's own unit, whatever its weight; a joint run also gets one of the
 * weighted total. */
export function lossCharts(
  log: Pick<RunLog, 'system' | 'losses' | 'heldOut' | 'tasks' | 'chance' | 'captions'>,
): LossChart[] {
  const { system, losses, heldOut, tasks, chance = {}, captions } = log;
  const names = Object.keys(losses).filter((name) => name !== 'loss');
  const charts = names.length === 1 ? names : ['loss', ...names];
  return charts.map((name) => {
    const task = tasks?.find((t) => t.task === name);
    const by = (values: readonly (readonly [number, number])[]) =>
      values.map(([step, loss]): [number, number] => [step, loss / (task?.weight ?? 1)]);
    const points = heldOut.flatMap((p): [number, number][] => {
      return p.loss === undefined ? [] : [[p.step, (name === 'loss' ? p.loss : p.parts[name]) ?? Number.NaN]];
    });
    const known = trivialPredictors(task);
    return {
      title: name === 'loss' ? 'weighted total' : (captions?.losses?.[name] ?? name),
      unit: system === undefined ? unitOf(name) : 'loss, weighted',
      training: [curve('training', by(losses[name]!))],
      ...(points.length > 0 && { heldOut: [curve('held out', by(points))] }),
      result: task?.loss,
      references: known.length === 0 && name in chance ? [{ label: chanceLabel, loss: chance[name]! }] : known,
    };
  });
}

const units: Record<string, string> = {
  cbow: 'MSE of normalised log-mel',
  'skip-gram': 'MSE of normalised log-mel',
  autoencoder: 'MSE of normalised log-mel',
  'temporal-gap': 'cross-entropy, nats',
  contrastive: 'cross-entropy, nats',
  triplet: 'hinge of squared distances',
};

function unitOf(name: string): string {
  return units[name] ?? 'loss';
}

function curve(label: string, points: readonly (readonly [number, number])[]) {
  return { label, steps: points.map(([step]) => step), losses: points.map(([, loss]) => loss) };
}

/** Held-out slices and what the decoder made of them, each named by its clip and its start. */
export function reconstructionsOf(slices: readonly Reconstruction[], frontEnd: FrontEndConfig): Reconstructions {
  const bands = frameWidth(frontEnd);
  return {
    frames: slices.length ? slices[0].real.length / bands : 0,
    bands,
    hopSeconds: frontEnd.hop / frontEnd.sampleRate,
    bandHz: bandCentres(frontEnd),
    unit: `${frontEndOf(frontEnd).title}, in standard deviations from the mean of each band`,
    examples: slices.map(({ real, rebuilt, clip, seconds }) => {
      const mse = real.reduce((sum, value, i) => sum + (value - rebuilt[i]) ** 2, 0) / real.length;
      return { name: `${clip} at ${seconds.toFixed(2)} s`, real, reconstructed: rebuilt, mse };
    }),
  };
}

/** A comparison of feature sets on one labelled folder. */
export function probeTable(task: string, { rows, pairs, folds }: Comparison): ProbeTable {
  const [first] = rows;
  return {
    task,
    classes: first.labels.length,
    train: first.trainClips,
    test: first.testClips,
    ...(folds !== undefined && { folds }),
    chance: first.majority,
    rows: rows.map(({ name, probe, knn }) => ({ features: name, probe, knn })),
    differences: pairs.map(({ against, difference, interval, pValue }) => ({ against, difference, interval, pValue })),
  };
}

export function confusionOf(task: string, { name, labels, probe }: Evaluation): ConfusionMatrix {
  return { title: `${task}: ${name}, linear probe`, labels, counts: probe.confusion };
}

export interface MapOptions {
  /** Nearest neighbours listed for each clip; default 8. */
  neighbours?: number;
  seed?: number;
  signal?: AbortSignal;
}

/** Clips with their embeddings `[clips, dim]` on a plane, with their neighbours in the full embedding. Two clips or more;
 * fewer than ten have no neighbourhoods that UMAP could keep, so they are shown by principal components. */
export async function embeddingMap(
  clips: readonly { name: string; label: string; samples?: Float32Array }[],
  embeddings: Float32Array,
  dim: number,
  { neighbours = 8, seed, signal }: MapOptions = {},
): Promise<EmbeddingMap> {
  const few = clips.length < 10;
  const { points } = few ? await pca(embeddings, dim, { signal }) : await umap(embeddings, dim, { seed, signal });
  const near = await nearestNeighbours(embeddings, embeddings, dim, { k: neighbours, excludeSelf: true, signal });
  return {
    method: few ? 'principal components' : 'UMAP',
    distance: 'Euclidean distance',
    points: clips.map((clip, i) => ({
      ...clip,
      x: points[2 * i],
      y: points[2 * i + 1],
      neighbours: Array.from(near.indices.subarray(i * near.k, (i + 1) * near.k), (index, nth) => ({
        index,
        distance: near.distances[i * near.k + nth],
      })),
    })),
  };
}

/** Centre frequencies of the front end's bands in Hz; NaN for values that are not bands. */
export function bandCentres(frontEnd: FrontEndConfig): Float64Array {
  const entry = frontEndOf(frontEnd);
  return entry.bandHz?.(frontEnd) ?? new Float64Array(entry.width(frontEnd)).fill(Number.NaN);
}

/** What decided a run, for the end of its report. */
export function runFacts({ config, corpus, step, seconds }: RunLog): Fact[] {
  const { encoder, batchSize, schedule, seed, task, from } = config;
  const values: [string, string | number][] = [
    ['pretext task', task],
    [
      'encoder',
      `${encoder.frames} × ${encoder.bands} slices, channels ${encoder.channels.join(' ')}, ${encoder.embedding} outputs`,
    ],
    ...(from ? [['begins with', `${from.name}, fingerprint ${from.fingerprint}`] as [string, string]] : []),
    ['batch', `${batchSize} examples`],
    ['learning rate', `${schedule.peak}, ${schedule.decay}`],
    ['steps', `${step.toLocaleString('en-US')} in ${(seconds / 60).toFixed(1)} min`],
    ['seed', seed],
    ['corpus', `${corpus.clips.toLocaleString('en-US')} clips, ${corpus.hours.toFixed(2)} h`],
    ['fingerprint of the corpus', corpus.fingerprint],
  ];
  if (corpus.folder !== undefined) values.push(['folder', corpus.folder]);
  return values.map(([label, value]) => ({ label, value }));
}
