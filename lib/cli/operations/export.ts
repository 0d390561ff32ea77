import { extname, join } from 'node:path';
import { findClassifier } from '../../classify/classifier-file.js';
import { type Encoder, pretrainedFile } from '../../embed/encoder.js';
import type { Precision } from '../../export/checks.js';
import { clipsOfFolder } from '../../export/clips.js';
import type { Classifier } from '../../export/deployed-encoder.js';
import { encoderEndings, exportEncoder } from '../../export/export-encoder.js';
import { exportModel as exportModelFile } from '../../export/export-model.js';
import { folderClassifier } from '../../export/folder-classifier.js';
import { hasFixedRows, requireRuntimeFor } from '../../export/formats.js';
import { encoderFormat, loadDeployed } from '../../export/model-files.js';
import type { ModelParity } from '../../export/output-parity.js';
import type { Parity } from '../../export/parity.js';
import type { DeployedModel } from '../../models/deployed-model.js';
import type { ReadOut } from '../../models/read-out.js';
import { readRunLog } from '../../train/run-log.js';
import { counted } from '../../util/counted.js';
import { Audio2VecError, argumentError } from '../../util/errors.js';
import type { Common, During } from '../session.js';
import { chosenEncoder, modelFile } from './shared/models.js';
import { warnLeftOut } from './shared/warnings.js';

export interface ExportRequest extends Common {
  model?: string;
  /** Of an encoder. */
  readOut?: ReadOut;
  output: string;
  /** `log-mel` is what encoders' features are called. */
  input: 'features' | 'log-mel' | 'waveform';
  /** Of a waveform: exactly a slice in each row, or one recording of any length. */
  samples: 'slice' | 'any';
  batch: number | 'dynamic';
  precision: Precision;
  /** Folder of recordings to calibrate and to verify with; default: the corpus of the model's run if it is still there,
   * otherwise synthetic sounds. */
  clips?: string;
  /** Labelled folder to fit a classifier on, which the exported model gets. */
  labels?: string;
}

export interface ExportResult {
  output: string;
  bytes: number;
  /** What the export was verified on. */
  comparedOn: string;
  /** Of an encoder, or of every output of another model. */
  parity: Parity | ModelParity;
}

export async function exportModel(request: ExportRequest, during: During): Promise<ExportResult> {
  const { model, readOut, output, input, samples, precision, labels, threads } = request;
  const { signal } = during;
  await requireRuntimeFor(output);
  const other = await modelByItself(model, output);
  if (other) return exportOther(other, request, during);
  const encoder = await chosenEncoder(model, threads, readOut);
  const clips = await clipsFor(request, during);
  const classifier =
    labels === undefined ? await storedClassifier(model) : await classifierOf(labels, encoder, request, during);
  const isFixed = hasFixedRows(output) || (input === 'waveform' && samples === 'any');
  const batch = request.batch === 'dynamic' && isFixed ? undefined : request.batch;
  const exported = await exportEncoder(output, encoder.model, {
    ...{ samples, batch, precision, classifier, clips, threads, signal },
    input: input === 'waveform' ? input : 'log-mel',
  });
  return { output, bytes: exported.bytes, comparedOn: described(clips), parity: exported.parity };
}

/** The classifier in the model's file, if there is one. */
async function storedClassifier(model: string | undefined): Promise<Classifier | undefined> {
  return model === undefined ? undefined : findClassifier(await modelFile(model));
}

/** The model in the file, unless it is an encoder that is brought to this format by ways of its own. */
async function modelByItself(model: string | undefined, output: string): Promise<DeployedModel | undefined> {
  const encoderHasWays = encoderEndings.includes(extname(output));
  if (model === undefined && encoderHasWays) return undefined;
  const { format, deployed } = await loadDeployed(model === undefined ? pretrainedFile : await modelFile(model));
  return format === encoderFormat && encoderHasWays ? undefined : deployed;
}

async function exportOther(model: DeployedModel, request: ExportRequest, during: During): Promise<ExportResult> {
  const { readOut, output, samples, precision, batch, labels, threads } = request;
  const { signal } = during;
  for (const [name, value] of Object.entries({ labels, readOut })) {
    if (value !== undefined) throw argumentError(name, 'left out for a model that is no encoder', value);
  }
  const clips = await clipsFor(request, during);
  const isFixed = hasFixedRows(output) || samples === 'any';
  const exported = await exportModelFile(output, model, {
    ...{ samples, precision, clips, threads, signal },
    input: request.input === 'waveform' ? 'waveform' : 'features',
    batch: batch === 'dynamic' && isFixed ? undefined : batch,
  });
  return { output, bytes: exported.bytes, comparedOn: described(clips), parity: exported.parity };
}

function described(clips: readonly unknown[]): string {
  return clips.length > 0 ? counted(clips.length, 'recording') : 'synthetic sounds; --clips takes recordings of yours';
}

/** Recordings to compare the export on: those asked for, or else some of the corpus that the model was trained on, if it is
 * still there. */
async function clipsFor({ model, clips: asked }: ExportRequest, during: During): Promise<Float32Array[]> {
  const { signal } = during;
  if (asked === undefined) {
    const corpus = model && (await corpusOf(model));
    if (corpus === undefined) return [];
    const found = await clipsOfFolder(corpus, { signal }).catch((error) => {
      if (signal.aborted) throw error;
      return { clips: [] };
    });
    return found.clips;
  }
  const { clips, skipped } = await clipsOfFolder(asked, { signal });
  if (clips.length + skipped.length === 0) throw new Audio2VecError('ERR_DATASET', `${asked}: no recordings.`);
  warnLeftOut(during, skipped);
  return clips;
}

/** Folder of the recordings that the run of this model was trained on, if it knows it. */
async function corpusOf(model: string): Promise<string | undefined> {
  const file = await modelFile(model);
  return readRunLog(join(file, '..')).then(
    (log) => log.corpus.folder,
    () => undefined,
  );
}

async function classifierOf(
  folder: string,
  encoder: Encoder,
  { seed }: ExportRequest,
  during: During,
): Promise<Classifier> {
  const { classifier, skipped } = await folderClassifier(folder, encoder, {
    seed,
    signal: during.signal,
    onProgress: ({ done, total }) => during.progress({ done, total, unit: 'recording' }),
  });
  warnLeftOut(during, skipped);
  return classifier;
}
