// What `embed` and `features` do: recordings in, vectors or log-mel out; a bad file is told and the rest go on.
import { mkdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { listAudio, readFolder, SAMPLE_RATE } from '../../audio/index.js';
import { features } from '../../features/compute.js';
import { defaultFrontEnd, type FrontEndConfig } from '../../features/front-end-config.js';
import { frameTime, frameWidth } from '../../features/front-ends.js';
import { loadEncoderModel } from '../../models/encoder-model.js';
import { writeFileAtomic } from '../../util/atomic-write.js';
import { Audio2VecError, argumentError } from '../../util/errors.js';
import { writeNpy } from '../../util/npy.js';
import { csvLine, numbered } from '../csv.js';
import type {
  During,
  EmbeddedFile,
  EmbedRequest,
  EmbedResult,
  FeaturesRequest,
  FeaturesResult,
} from '../operations.js';
import { chosenEncoder, modelFile } from './models.js';

/** Recordings are embedded together as long as they are not more than this: short ones fill a batch, long ones do not
 * pile up in memory. */
const TOGETHER = { files: 64, samples: 120 * SAMPLE_RATE };

interface Clip {
  file: string;
  samples: Float32Array;
}

export async function* embedFiles(request: EmbedRequest, during: During): AsyncGenerator<EmbedResult> {
  const { signal } = during;
  const { threads, hopSeconds } = request;
  const files = await findRecordings(request.inputs, signal);
  const encoder = await chosenEncoder(request.model, threads);
  checkRate(encoder.frontEnd, request.model);

  const embed = async (clips: readonly Clip[]): Promise<EmbeddedFile[]> => {
    const dim = encoder.dimension;
    if (request.timestamps) {
      const [{ file, samples }] = clips as [Clip];
      const { embeddings, seconds } = await encoder.timestampEmbeddings(samples, { hopSeconds, signal });
      return [{ file, embeddings, dim, seconds: [...seconds] }];
    }
    const samples = clips.map((clip) => clip.samples);
    const all = await encoder.sceneEmbeddings(samples, { hopSeconds, signal });
    return clips.map(({ file }, i) => ({ file, embeddings: all.slice(i * dim, (i + 1) * dim), dim }));
  };

  let clips: Clip[] = [];
  let good = 0;
  const flush = async () => {
    const results = clips.length > 0 ? await embed(clips) : [];
    clips = [];
    return results;
  };
  const limit = request.timestamps ? 1 : TOGETHER.files;
  for await (const { file, samples, error } of read(files, threads, during)) {
    if (error) {
      yield* await flush(); // results come in the order of the files
      yield { file, error };
      continue;
    }
    good++;
    clips.push({ file, samples });
    const held = clips.reduce((n, clip) => n + clip.samples.length, 0);
    if (clips.length >= limit || held >= TOGETHER.samples) yield* await flush();
  }
  yield* await flush();
  if (good === 0) throw noneGood(files.length);
}

export async function writeFeatures(request: FeaturesRequest, during: During): Promise<FeaturesResult[]> {
  const { signal } = during;
  const files = await findRecordings(request.inputs, signal);
  const frontEnd =
    request.model === undefined ? defaultFrontEnd : (await loadEncoderModel(await modelFile(request.model))).frontEnd;
  checkRate(frontEnd, request.model);
  const outputs = outputFiles(files, request.output, request.csv ? '.csv' : '.npy');
  const written: FeaturesResult[] = [];
  for await (const { file, samples, error } of read(files, request.threads, during)) {
    if (error) continue;
    const output = outputs.get(file)!;
    const values = await features(samples, { frontEnd, signal, threads: request.threads });
    const bands = frameWidth(frontEnd);
    const frames = values.length / bands;
    await mkdir(dirname(output), { recursive: true });
    if (request.csv) await writeFileAtomic(output, csvOfFrames(values, frontEnd));
    else await writeNpy(output, values, [frames, bands]);
    written.push({ input: file, output, frames, bands });
  }
  if (written.length === 0) throw noneGood(files.length);
  return written;
}

/** A recording by its path, and where its output goes below an output folder. */
export interface Found {
  path: string;
  name: string;
}

/** Audio files as they are named, folders with all that they hold; each once. */
export async function findRecordings(inputs: readonly string[], signal: AbortSignal): Promise<Found[]> {
  const found = new Map<string, Found>();
  for (const input of inputs) {
    const info = await stat(input).catch(() => undefined); // a missing file is told when it is read
    const names = info?.isDirectory() ? await listAudio(input, { signal }) : undefined;
    const recordings = names?.map((name) => ({ path: join(input, name), name })) ?? [
      { path: input, name: basename(input) },
    ];
    for (const recording of recordings) found.set(recording.path, recording);
  }
  if (found.size === 0) throw new Audio2VecError('ERR_DATASET', `There are no audio files in ${inputs.join(', ')}.`);
  return [...found.values()];
}

/** Reads them in order, with progress and a warning for each that cannot be read. */
export async function* read(files: readonly Found[], threads: number | undefined, during: During) {
  const started = performance.now();
  const options = { files: files.map((f) => f.path), signal: during.signal, concurrency: threads };
  let done = 0;
  for await (const result of readFolder('', options)) {
    if (result.error) during.warn(result.error.message);
    yield result;
    done++;
    const seconds = (performance.now() - started) / 1000;
    const secondsLeft = (seconds / done) * (files.length - done);
    during.progress({ done, total: files.length, unit: 'file', secondsLeft });
  }
}

/** `seconds,b0,b1,…`: a line for each frame, with the time of its middle. */
function csvOfFrames(values: Float32Array, frontEnd: FrontEndConfig): string {
  const bands = frameWidth(frontEnd);
  const lines = [csvLine(['seconds', ...numbered('b', bands)])];
  for (let frame = 0, at = 0; at < values.length; frame++, at += bands) {
    lines.push(csvLine([frameTime(frame, frontEnd), ...values.subarray(at, at + bands)]));
  }
  return `${lines.join('\n')}\n`;
}

function outputFiles(files: readonly Found[], output: string, ending: '.csv' | '.npy'): Map<string, string> {
  if (output.endsWith(ending)) {
    if (files.length === 1) return new Map([[files[0]!.path, output]]);
    throw argumentError('--output', `a folder for ${files.length} recordings`, output);
  }
  const outputs = new Map(files.map(({ path, name }) => [path, join(output, name + ending)]));
  const taken = new Map<string, string>();
  for (const [path, file] of outputs) {
    const other = taken.get(file);
    if (other) {
      throw new Audio2VecError(
        'ERR_ARGUMENT',
        `${other} and ${path} would both be written to ${file}. Do one at a time.`,
      );
    }
    taken.set(file, path);
  }
  return outputs;
}

export function checkRate({ sampleRate }: FrontEndConfig, model = 'the pretrained encoder'): void {
  if (sampleRate === SAMPLE_RATE) return;
  throw new Audio2VecError(
    'ERR_ARGUMENT',
    `${model} takes audio at ${sampleRate} Hz, but recordings are read at ${SAMPLE_RATE} Hz. Use the library with samples of your own.`,
  );
}

export function noneGood(files: number): Audio2VecError {
  return new Audio2VecError('ERR_DATASET', `None of the ${files} recordings can be read (see the warnings).`);
}
