import { pretrainedCodesFile, SpeechCodes } from '../../systems/wav2vec-c/system.js';
import type { Common, During } from '../session.js';
import { modelFile } from './shared/models.js';
import { checkRate, type FailedFile, findRecordings, noneGood, read } from './shared/recordings.js';

export interface CodesRequest extends Common {
  inputs: string[];
  /** Model file or run; default: the pretrained speech codes of the package. */
  model?: string;
  /** What comes beside the codes. */
  vectors?: 'latents' | 'context';
}

/** Codes of one recording. */
export interface CodedFile {
  file: string;
  error?: undefined;
  /** `[frames, books]` */
  codes: Uint16Array;
  books: number;
  /** `[frames, width]`, if asked for. */
  vectors?: Float32Array;
  width: number;
  /** Middle of the first code frame, and time from frame to frame, in seconds. */
  start: number;
  hop: number;
  bitsPerSecond: number;
}

export type CodesResult = CodedFile | FailedFile;

/** Codes of the speech in recordings; a bad one is told and the rest go on. */
export async function* codes(request: CodesRequest, during: During): AsyncIterable<CodesResult> {
  const { signal } = during;
  const { threads, vectors } = request;
  const files = await findRecordings(request.inputs, signal);
  const speech = await SpeechCodes.load(
    request.model === undefined ? pretrainedCodesFile : await modelFile(request.model),
    { threads },
  );
  checkRate(speech.frontEnd, request.model);
  const { books, widths, frameSeconds: hop, bitsPerSecond } = speech;
  const width = widths[vectors ?? 'latents'];
  let good = 0;
  for await (const { file, samples, error } of read(files, threads, during)) {
    if (error) {
      yield { file, error };
      continue;
    }
    good++;
    const found = await speech.encode(samples, { vectors, signal });
    const [first] = found.timestamps;
    yield { file, codes: found.codes, books, vectors: found.vectors, width, start: first! / 1000, hop, bitsPerSecond };
  }
  if (good === 0) throw noneGood(files.length);
}
