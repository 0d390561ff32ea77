// The whole path on real recordings, in a minute or two: pretrain, look, probe, export, report, search.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Encoder } from '../embed/encoder.js';
import { pretrainedName, withBaselines } from '../evaluate/clip-features.js';
import type { Comparison } from '../evaluate/evaluate.js';
import { gainSentence } from '../evaluate/evaluation-table.js';
import { exportEncoder } from '../export/export-encoder.js';
import type { Exported } from '../export/export-onnx.js';
import { requireRuntimeFor } from '../export/formats.js';
import { defaultFrontEnd } from '../features/front-end-config.js';
import { confusionOf, embeddingMap, probeTable } from '../report/from-results.js';
import { writeReport } from '../report/report.js';
import { trainingReport } from '../report/run-report.js';
import { renderSearchPage } from '../report/search-page.js';
import type { TaskReport } from '../systems/audio2vec/held-out.js';
import { runFiles } from '../systems/run-files.js';
import type { Step } from '../train/loop.js';
import { pretrain } from '../train/pretrain.js';
import { readRunLog } from '../train/run-log.js';
import { writeFileAtomic } from '../util/atomic-write.js';
import { Audio2VecError } from '../util/errors.js';
import { type DemoDataset, demoDataset } from './dataset.js';
import { describe, hear, pageSeconds, score, searchClips, searchOrder } from './listen.js';

export interface DemoOptions {
  /** Folder for everything; an earlier demo in it is replaced. */
  out: string;
  /** Training steps, default 200. */
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
  /** The page to search by example. */
  search: string;
  onnx: string;
  /** Steps trained, and the seconds they took. */
  steps: number;
  seconds: number;
  /** Held-out loss and that of chance. */
  heldOut?: TaskReport;
  comparison: Comparison;
  /** What was gained, in one sentence. */
  gain: string;
  exported: Exported;
}

/** Training begins with the encoder of the package. At the rate of the recipe, 2·10⁻³, so few recordings make it forget what it
 * has learnt of others; at this one it gets to know them as well (docs/results.md). */
const schedule = { from: 'pretrained', batchSize: 32, learningRate: 3e-4, warmUp: 50, heldOut: 0.1 };
const defaultSteps = 200;

/** Runs the demo. Needs the npm packages supersonic-scsynth-samples and onnxruntime-node, and no network.
 * @throws `ERR_DATASET`, `ERR_PEER_MISSING`, `ERR_PARITY`; the signal's reason */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const { out, minutes, seed, threads, signal, onStage, onStep, onFile } = options;
  const steps = options.steps ?? (minutes === undefined ? defaultSteps : undefined);
  const [onnx, report, search] = ['encoder.onnx', 'report.html', 'search.html'].map((file) => join(out, file));
  const dataset = await prerequisites(onnx!);
  const { source, folder, labels, clips, recordings } = dataset;
  await mkdir(out, { recursive: true });
  for (const file of [runFiles.checkpoint, runFiles.log, runFiles.encoder]) await rm(join(out, file), { force: true });

  onStage?.(`1  the pretrained encoder gets to know the recordings of ${source}, without labels`);
  const run = { ...{ corpus: folder, out, ...schedule, steps, minutes }, ...{ seed, threads, signal, onFile } };
  for await (const step of pretrain(run)) onStep?.(step);
  const log = await readRunLog(out);

  onStage?.(`2  telling ${labels.length} labels apart, each recording by what the others teach`);
  const heard = await hear(dataset, { signal, onFile });
  const trained = await Encoder.load(join(out, runFiles.encoder), { threads, readOut: 'whitened' });
  const sets = await describe(heard, labels, await withBaselines('encoder', trained, { seed, threads }), signal);
  const comparison = await score(dataset, sets, { seed, signal });
  const gain = gainSentence(comparison, [pretrainedName]);

  onStage?.('3  exporting to ONNX and verifying it in ONNX Runtime');
  const some = heard.filter((_, i) => i % 4 === 0).map(({ samples }) => samples);
  const encoder = await Encoder.load(join(out, runFiles.encoder), { threads });
  const exported = await exportEncoder(onnx!, encoder.model, { clips: some, threads, signal });

  onStage?.('4  drawing the pages');
  const labelOf = new Map(clips.map(({ file, label }) => [recordings.indexOf(file), labels[label]!]));
  const name = (index: number) => labelOf.get(index) ?? 'no label';
  const by = searchOrder('the encoder', sets[0]!);
  const shown = heard.map((clip, i) => ({
    ...{ name: clip.name, label: name(i) },
    samples: clip.samples.slice(0, pageSeconds * 16_000),
  }));
  const title = 'audio2vec demo';
  const length = log.seconds < 100 ? `${Math.round(log.seconds)} s` : `${(log.seconds / 60).toFixed(1)} min`;
  await writeReport(report!, {
    ...(await trainingReport(out, log)),
    ...{ title, gain },
    subtitle: `The pretrained encoder, trained on for ${length} without labels on the ${log.corpus.clips} recordings of ${source}`,
    probes: [probeTable('sample packs', comparison)],
    confusions: [confusionOf('sample packs', comparison.rows[0]!)],
    map: await embeddingMap(shown, by.embeddings, by.dim, { seed, signal }),
  });
  const page = await renderSearchPage(
    await searchClips(heard, name, signal),
    [by, searchOrder('log-mel mean + std', sets.at(-1)!)],
    defaultFrontEnd.bands,
    {
      ...{ seconds: pageSeconds, signal },
      title: 'Search by example',
      subtitle: `Pick a sound and hear its neighbours: ${heard.length} recordings of ${source}`,
    },
  );
  await writeFileAtomic(search!, page);
  return {
    ...{ source, report: report!, search: search!, onnx: onnx!, comparison, gain, exported },
    ...{ steps: log.step, seconds: log.seconds, heldOut: log.tasks?.[0] },
  };
}

/** The recordings; what is missing of all the demo needs is told at once. */
async function prerequisites(onnx: string): Promise<DemoDataset> {
  const [runtime, dataset] = await Promise.allSettled([requireRuntimeFor(onnx), demoDataset()]);
  if (runtime.status === 'rejected' && dataset.status === 'rejected') {
    const { code, message } = runtime.reason as Audio2VecError;
    throw new Audio2VecError(code, `${message} ${dataset.reason.message}`, { cause: runtime.reason });
  }
  if (runtime.status === 'rejected') throw runtime.reason;
  if (dataset.status === 'rejected') throw dataset.reason;
  return dataset.value;
}
