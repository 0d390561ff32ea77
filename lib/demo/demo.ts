// The whole path on real recordings, in minutes: pretrain, look, probe, export, report.
import { mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readAudio } from '../audio/index.js';
import { Encoder } from '../embed/encoder.js';
import type { Comparison } from '../evaluate/evaluate.js';
import { exportEncoder } from '../export/export-encoder.js';
import type { Exported } from '../export/export-onnx.js';
import { requireRuntimeFor } from '../export/installed-runtime.js';
import { confusionOf, probeTable } from '../report/from-results.js';
import { writeReport } from '../report/report.js';
import { labelledReport, trainingReport } from '../report/run-report.js';
import type { TaskReport } from '../systems/audio2vec/held-out.js';
import { runFiles } from '../systems/run-files.js';
import type { Step } from '../train/loop.js';
import { pretrain } from '../train/pretrain.js';
import { readRunLog } from '../train/run-log.js';
import { type DemoClip, demoDataset } from './dataset.js';

export interface DemoOptions {
  /** Folder for everything; an earlier demo in it is replaced. */
  out: string;
  /** Training steps, default 800: after more, so few recordings are known by heart and held-out loss rises. */
  steps?: number;
  /** Time to train instead. */
  minutes?: number;
  seed: number;
  threads?: number;
  signal?: AbortSignal;
  /** Told what happens next. */
  onStage?: (text: string) => void;
  onStep?: (step: Step) => void;
  onFile?: (progress: { done: number; total: number }) => void;
}

export interface DemoResult {
  /** Where the recordings are from, with their licence. */
  source: string;
  report: string;
  onnx: string;
  /** Steps trained, and the seconds they took. */
  steps: number;
  seconds: number;
  /** Held-out reconstruction error and those of trivial predictors. */
  heldOut?: TaskReport;
  comparison: Comparison;
  exported: Exported;
}

/** Most of the recordings are short: five slices of 96 frames, as CBoW takes them by default, would fit into 28 of them
 * only, slices of 32 frames fit into 73. */
const encoder = { frames: 32 };
/** Small batches, large steps and a short warm-up make the most of a minute, */
const schedule = { batchSize: 32, learningRate: 2e-3, warmUp: 50 };
/** altered slices keep the encoder from knowing so few recordings by heart, */
const augmentation = { gain: 6, timeMask: 8, bandMask: 12, mix: 0 };
/** and the held-out part must be larger than usual. */
const heldOut = 0.15;

/** Runs the demo. Needs the npm packages supersonic-scsynth-samples and onnxruntime-node, and no network.
 * @throws `ERR_DATASET`, `ERR_PEER_MISSING`, `ERR_PARITY`; the signal's reason */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const { out, minutes, seed, threads, signal, onStage, onStep, onFile } = options;
  const steps = options.steps ?? (minutes === undefined ? 800 : undefined);
  const onnx = join(out, 'encoder.onnx');
  await requireRuntimeFor(onnx);
  const { source, folder, labels, train, test } = await demoDataset();
  await mkdir(out, { recursive: true });
  for (const file of [runFiles.checkpoint, runFiles.log, runFiles.encoder]) await rm(join(out, file), { force: true });

  onStage?.(`1  pretraining on the recordings of ${source}: CBoW, no labels`);
  const run = {
    ...{ corpus: folder, out, task: 'cbow', encoder, ...schedule, augmentation, heldOut, steps, minutes },
    ...{ seed, threads, signal, onFile },
  };
  for await (const step of pretrain(run)) onStep?.(step);
  const log = await readRunLog(out);

  onStage?.(`2  probing with ${labels.length} labels`);
  const trained = await Encoder.load(join(out, runFiles.encoder), { threads });
  const data = { labels, train: labelled(train), test: labelled(test) };
  const { comparison, map } = await labelledReport(folder, data, trained, {
    ...{ seed, threads, signal },
    onProgress: onFile,
  });

  onStage?.('3  exporting to ONNX and verifying it in ONNX Runtime');
  const clips: Float32Array[] = [];
  for (const { file } of test) clips.push(await readAudio(file, { signal }));
  const exported = await exportEncoder(onnx, trained.model, { clips, threads, signal });

  const report = join(out, 'report.html');
  const task = 'sample packs';
  await writeReport(report, {
    ...(await trainingReport(out, log)),
    title: 'audio2vec demo',
    subtitle: `CBoW, trained without labels for ${clockOf(log.seconds)} on the ${log.corpus.clips} recordings of ${source}`,
    probes: [probeTable(task, comparison)],
    confusions: [confusionOf(task, comparison.rows[0]!)],
    map,
  });
  return {
    ...{ source, report, onnx, comparison, exported },
    ...{ steps: log.step, seconds: log.seconds, heldOut: log.tasks?.[0] },
  };
}

function clockOf(seconds: number): string {
  return seconds < 100 ? `${Math.round(seconds)} s` : `${(seconds / 60).toFixed(1)} min`;
}

function labelled(clips: readonly DemoClip[]) {
  return { files: clips.map(({ file }) => basename(file)), labels: Int32Array.from(clips, ({ label }) => label) };
}
