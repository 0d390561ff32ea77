import { extname, join } from 'node:path';
import { listAudio, readFolder } from '../../audio/index.js';
import { findClassifier } from '../../classify/classifier-file.js';
import type { Encoder } from '../../embed/encoder.js';
import { sceneFeatures } from '../../evaluate/clip-features.js';
import { folderFeatures } from '../../evaluate/evaluate-folder.js';
import { readLabelledFolder } from '../../evaluate/labelled-folder.js';
import { fitLinearProbe } from '../../evaluate/linear-probe.js';
import type { Classifier } from '../../export/deployed-encoder.js';
import { exportEncoder } from '../../export/export-encoder.js';
import { exportModel as exportModelFile } from '../../export/export-model.js';
import { requireRuntimeFor } from '../../export/installed-runtime.js';
import { encoderFormat, loadDeployed } from '../../export/model-files.js';
import type { DeployedModel } from '../../models/deployed-model.js';
import { readRunLog } from '../../train/run-log.js';
import { Audio2VecError, argumentError } from '../../util/errors.js';
import type { During, ExportRequest, ExportResult, Operations } from '../operations.js';
import { chosenEncoder, modelFile } from './models.js';
import { warnSkipped } from './skipped.js';

export const exportModel: Operations['export'] = async (request, during) => {
  const { model, output, input, samples, precision, labels, seed, threads } = request;
  const { signal } = during;
  await requireRuntimeFor(output);
  const other = model === undefined ? undefined : await otherThanEncoder(await modelFile(model));
  if (other) return exportOther(other, request, during);
  const encoder = await chosenEncoder(model, threads);
  const clips = await clipsFor(request, during);
  const classifier =
    labels === undefined ? await storedClassifier(model) : await classifierOf(labels, encoder, seed, during);
  const isFixed = extname(output) === '.tflite' || (input === 'waveform' && samples === 'any');
  const batch = request.batch === 'dynamic' && isFixed ? undefined : request.batch;
  const exported = await exportEncoder(output, encoder.model, {
    ...{ samples, batch, precision, classifier, clips, threads, signal },
    input: input === 'waveform' ? input : 'log-mel',
  });
  return { output, bytes: exported.bytes, proof: described(clips), parity: exported.parity };
};

/** The classifier in the model's file, if there is one. */
async function storedClassifier(model: string | undefined): Promise<Classifier | undefined> {
  return model === undefined ? undefined : findClassifier(await modelFile(model));
}

/** The model in the file, unless it is an encoder, which has ways of its own. */
async function otherThanEncoder(file: string): Promise<DeployedModel | undefined> {
  const { format, deployed } = await loadDeployed(file);
  return format === encoderFormat ? undefined : deployed;
}

async function exportOther(model: DeployedModel, request: ExportRequest, during: During): Promise<ExportResult> {
  const { output, samples, precision, batch, labels, threads } = request;
  const { signal } = during;
  if (labels !== undefined) throw argumentError('labels', 'left out for a model that is no encoder', labels);
  const clips = await clipsFor(request, during);
  const isFixed = extname(output) === '.tflite' || samples === 'any';
  const exported = await exportModelFile(output, model, {
    ...{ samples, precision, clips, threads, signal },
    input: request.input === 'waveform' ? 'waveform' : 'features',
    batch: batch === 'dynamic' && isFixed ? undefined : batch,
  });
  return { output, bytes: exported.bytes, proof: described(clips), parity: exported.parity };
}

function described(clips: readonly unknown[]): string {
  return clips.length > 0 ? `${clips.length} recordings` : 'synthetic sounds; --clips takes recordings of yours';
}

/** Recordings to prove the export on: those asked for, or else some of the corpus that the model was trained on. */
const mostClips = 64;
/** Seconds of each that are used. */
const clipSeconds = 20;

async function clipsFor({ model, clips: folder }: ExportRequest, during: During): Promise<Float32Array[]> {
  const from = folder ?? (model && (await corpusOf(model)));
  if (from === undefined) return [];
  const all = await listAudio(from, during).catch((error) => {
    if (folder !== undefined) throw error;
    return [];
  });
  if (all.length === 0 && folder !== undefined) throw new Audio2VecError('ERR_DATASET', `${folder}: no recordings.`);
  const every = Math.ceil(all.length / mostClips);
  const files = all.filter((_, i) => i % every === 0);
  const clips: Float32Array[] = [];
  const skipped: { name: string; reason: string }[] = [];
  for await (const { file, samples, error } of readFolder(from, { files, signal: during.signal })) {
    if (error) skipped.push({ name: file, reason: error.message });
    else clips.push(samples.slice(0, clipSeconds * 16_000));
  }
  warnSkipped(during, folder === undefined ? [] : skipped);
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

/** A linear probe on all recordings of the folder's training part. */
async function classifierOf(folder: string, encoder: Encoder, seed: number, during: During): Promise<Classifier> {
  const { signal } = during;
  const data = await readLabelledFolder(folder, { seed, signal });
  const { sets, skipped } = await folderFeatures(folder, data, [sceneFeatures('encoder', encoder)], {
    signal,
    onProgress: ({ done, total }) => during.progress({ done, total, unit: 'recording' }),
  });
  warnSkipped(
    during,
    skipped.map(({ file, reason }) => ({ name: file, reason })),
  );
  const { train, dim } = sets[0]!;
  const probe = await fitLinearProbe({ ...train, dim, classes: data.labels.length }, { seed, signal });
  return { labels: data.labels, ...probe.raw() };
}
