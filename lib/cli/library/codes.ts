// What `codes` does: recordings in, codes of their speech out; a bad file is told and the rest go on.
import { pretrainedCodesFile, SpeechCodes } from '../../systems/wav2vec-c/system.js';
import type { CodesRequest, CodesResult, During } from '../operations.js';
import { modelFile } from './models.js';
import { checkRate, findRecordings, noneGood, read } from './recordings.js';

export async function* codeFiles(request: CodesRequest, during: During): AsyncGenerator<CodesResult> {
  const { signal } = during;
  const { threads, vectors } = request;
  const files = await findRecordings(request.inputs, signal);
  const speech = await SpeechCodes.load(
    request.model === undefined ? pretrainedCodesFile : await modelFile(request.model),
    { threads },
  );
  checkRate(speech.frontEnd, request.model);
  const { books, width, frameSeconds: hop, bitsPerSecond } = speech;
  let good = 0;
  for await (const { file, samples, error } of read(files, threads, during)) {
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
