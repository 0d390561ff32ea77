import { streamAudio } from '../../audio/index.js';
import { type Classified, Classifier, type Heard } from '../../classify/classifier.js';
import { fitFolder } from '../../classify/fit.js';
import type { ReadOut } from '../../models/read-out.js';
import { Audio2VecError } from '../../util/errors.js';
import type { LiveInput } from '../live-input.js';
import type { Common, During } from '../session.js';
import { checkOutput, type FittedClassifier, fitted } from './shared/fitted.js';
import { encoderForLabels } from './shared/models.js';
import { checkRate, type FailedFile, findRecordings, noneGood, read } from './shared/recordings.js';

/** How a classifier is made of labelled recordings. */
export interface FitRequest extends Common {
  folder: string;
  /** File for the classifier with its encoder. */
  output: string;
  /** Encoder; default: the pretrained one of the package. */
  model?: string;
  readOut?: ReadOut;
  none?: string;
  keep?: number;
  background?: string;
  falseAlarmsPerHour?: number;
  refractorySeconds?: number;
}

export async function fitClassifier(request: FitRequest, during: During): Promise<FittedClassifier> {
  const { folder, output, model, readOut, threads, ...options } = request;
  checkOutput(output);
  const encoder = await encoderForLabels(model, threads, readOut);
  checkRate(encoder.frontEnd, model);
  const made = await fitFolder(folder, encoder, {
    ...options,
    signal: during.signal,
    onProgress: ({ done, total }) => during.progress({ done, total, unit: 'recording' }),
  });
  const classifier = Classifier.fromModel(encoder, made.model);
  await classifier.save(output);
  return fitted(output, classifier, made, during);
}

/** What of a classifier's settings is to be otherwise. */
export interface ListenRequest extends Common {
  classifier: string;
  threshold?: number;
  smoothSeconds?: number;
  refractorySeconds?: number;
}

/** A recording, or a time of one or of live sound. */
export type ClassifiedSound =
  | (Classified & Partial<Pick<Heard, 'seconds' | 'begins'>> & { file?: string; error?: undefined })
  | FailedFile;

/** One label for each recording. */
export async function* classify(
  { classifier: file, inputs, threads, threshold }: ListenRequest & { inputs: string[] },
  during: During,
): AsyncIterable<ClassifiedSound> {
  const classifier = await load(file, threads, threshold);
  const files = await findRecordings(inputs, during.signal);
  let good = 0;
  for await (const { file, samples, error } of read(files, threads, during)) {
    if (error) yield { file, error };
    else {
      good++;
      yield { file, ...(await classifier.classify(samples, { signal: during.signal })) };
    }
  }
  if (good === 0) throw noneGood(files.length);
}

/** Live sound, or recordings listened to as if they were. */
export async function* listen(
  request: ListenRequest & ({ inputs: string[]; input?: undefined } | { input: LiveInput }),
  during: During,
): AsyncIterable<ClassifiedSound> {
  const { classifier: file, threads, threshold, smoothSeconds, refractorySeconds } = request;
  const { signal } = during;
  const rule = { threshold, smoothSeconds, refractorySeconds, signal };
  const classifier = await load(file, threads);
  if (request.input) {
    const { source, ...pcm } = request.input;
    yield* classifier.live(source, { ...pcm, ...rule, name: 'standard input' });
    return;
  }
  const files = await findRecordings(request.inputs, signal);
  let good = 0;
  for (const [done, { path }] of files.entries()) {
    during.progress({ done, total: files.length, unit: 'file' });
    try {
      for await (const heard of classifier.live(streamAudio(path, { signal }), rule)) yield { file: path, ...heard };
      good++;
    } catch (error) {
      if (!(error instanceof Audio2VecError) || error.code === 'ERR_ARGUMENT') throw error;
      during.warn(error.message);
      yield { file: path, error };
    }
  }
  if (good === 0) throw noneGood(files.length);
}

/** @param threshold of recordings, instead of the one that was chosen */
async function load(file: string, threads: number | undefined, threshold?: number): Promise<Classifier> {
  const { encoder, model } = await Classifier.load(file, { threads });
  checkRate(encoder.frontEnd, file);
  return Classifier.fromModel(encoder, threshold === undefined ? model : { ...model, threshold });
}
