// A run's folder, and labelled recordings if there are some, to what its report shows.
import { basename, join, resolve } from 'node:path';
import { Encoder } from '../embed/encoder.js';
import { pretrainedName, withBaselines } from '../evaluate/clip-features.js';
import { type Comparison, compareFeatures, type FeatureSet } from '../evaluate/evaluate.js';
import { type FolderFeaturesOptions, folderFeatures } from '../evaluate/evaluate-folder.js';
import { gainSentence } from '../evaluate/evaluation-table.js';
import { type LabelledFolder, readLabelledFolder } from '../evaluate/labelled-folder.js';
import { readReconstructions } from '../systems/audio2vec/reconstructions.js';
import { runFiles } from '../systems/run-files.js';
import { type RunLog, readRunLog } from '../train/run-log.js';
import { argumentError } from '../util/errors.js';
import { aboutRun } from './about-run.js';
import type { EmbeddingMap, ReportData } from './data.js';
import { confusionOf, embeddingMap, probeTable, reconstructionsOf, runFacts } from './from-results.js';
import { systemReport } from './system-report.js';

export interface RunReportOptions extends Omit<FolderFeaturesOptions, 'onClip'> {
  /** Labelled recordings, laid out as for `evaluate`, for probes and a map. */
  data?: string;
  /** Default 1. */
  seed?: number;
  /** Default: all cores. */
  threads?: number;
}

/** What the report of the run in `folder` shows: losses, reconstructions, and with `data` probes, a confusion matrix and
 * a map of the test clips. `renderReport` or `writeReport` make the page.
 * @throws `ERR_FILE` if there is no run or no such data, `ERR_DATASET`, `ERR_MODEL_FORMAT`; the signal's reason */
export async function runReport(folder: string, options: RunReportOptions = {}): Promise<ReportData> {
  const { data, seed = 1, threads } = options;
  const log = await readRunLog(folder);
  if (log.system !== undefined) {
    if (data === undefined) return systemReport(folder, log);
    throw argumentError('data', `absent: this is a run of ${log.system}, which makes no embeddings`, data);
  }
  const report = await trainingReport(folder, log);
  if (data === undefined) return report;
  const encoder = await Encoder.load(join(folder, runFiles.encoder), { threads });
  const labelled = await readLabelledFolder(data, { seed, signal: options.signal });
  const name = basename(resolve(data));
  const { comparison, map, skipped } = await labelledReport(data, labelled, encoder, { ...options, seed, threads });
  return {
    ...report,
    notes: [...(report.notes ?? []), ...skipped.map(({ file, reason }) => `${file} was left out: ${reason}`)],
    gain: gainSentence(comparison, [pretrainedName]),
    probes: [probeTable(name, comparison)],
    confusions: [confusionOf(name, comparison.rows[0]!)],
    map,
  };
}

/** The part of a report that the run's folder alone has. */
export async function trainingReport(folder: string, log: RunLog): Promise<ReportData> {
  const slices = await readReconstructions(folder);
  return {
    ...aboutRun(log, log.config.task),
    reconstructions: slices.length ? reconstructionsOf(slices, log.corpus.frontEnd) : undefined,
    facts: runFacts(log),
  };
}

/** Clips on the map: more would be neither drawn nor read. */
const mapClips = 1500;
/** Seconds of each that the map plays. */
const mapSeconds = 2;

/** The part of a report that labels are needed for. */
async function labelledReport(
  folder: string,
  data: Pick<LabelledFolder, 'labels' | 'train' | 'test'>,
  encoder: Encoder,
  options: RunReportOptions & { seed: number },
) {
  const { seed, threads, signal } = options;
  const clips: { name: string; label: string; samples: Float32Array }[] = [];
  const kinds = await withBaselines('encoder', encoder, { seed, threads });
  const { sets, skipped } = await folderFeatures(folder, data, kinds, {
    ...options,
    onClip: ({ part, file, label, samples }) => {
      if (part !== 'test') return;
      clips.push({ name: file, label: data.labels[label]!, samples: samples.slice(0, mapSeconds * 16_000) });
    },
  });
  const comparison: Comparison = await compareFeatures(sets, { seed, signal });
  const map: EmbeddingMap | undefined = await mapOf(clips, sets[0]!, seed, signal);
  return { comparison, map, skipped };
}

async function mapOf(
  clips: readonly { name: string; label: string; samples: Float32Array }[],
  { dim, test }: FeatureSet,
  seed: number,
  signal?: AbortSignal,
): Promise<EmbeddingMap | undefined> {
  if (clips.length < 2) return undefined;
  const every = Math.ceil(clips.length / mapClips);
  const shown = clips.filter((_, i) => i % every === 0);
  const rows = new Float32Array(shown.length * dim);
  shown.forEach((_, i) => {
    rows.set(test.embeddings.subarray(i * every * dim, (i * every + 1) * dim), i * dim);
  });
  return embeddingMap(shown, rows, dim, { seed, signal });
}
