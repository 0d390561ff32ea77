// What `codes` does: recordings in, codes of their speech out; a bad file is told and the rest go on.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codesFile, pretrainedCodesFile, SpeechCodes } from '../../systems/wav2vec-c/index.js';
import type { CodesRequest, CodesResult, During } from '../operations.js';
import { checkRate, findRecordings, noneGood, readRecordings } from './recordings.js';

export async function* codeFiles(request: CodesRequest, during: During): AsyncGenerator<CodesResult> {
  const { signal } = during;
  const { threads, vectors } = request;
  const files = await findRecordings(request.inputs, signal);
  const speech = await SpeechCodes.load(await codesModelFile(request.model), { threads });
  checkRate(speech.frontEnd, request.model);
  const { books, width, frameSeconds: hop, bitsPerSecond } = speech;
  let good = 0;
  for await (const { file, samples, error } of readRecordings(files, threads, during)) {
    if (error) {
      yield { file, error };
      continue;
    }
    good++;
    const { codes, timestamps, vectors: values } = await speech.encode(samples, { vectors, signal });
    yield { file, codes, books, vectors: values, width, start: timestamps[0]! / 1000, hop, bitsPerSecond };
  }
  if (good === 0) throw noneGood(files.length);
}

/** A model file, or that of a run's folder. */
async function codesModelFile(model: string | undefined): Promise<string> {
  if (model === undefined) return pretrainedCodesFile;
  const info = await stat(model).catch(() => undefined);
  return info?.isDirectory() ? join(model, codesFile) : model;
}
