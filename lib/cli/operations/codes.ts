import { streamPcm } from '../../audio/index.js';
import { type DueCodes, SpeechCodes } from '../../systems/wav2vec-c/system.js';
import type { LiveInput } from '../live-input.js';
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
  const speech = await chosenCodes(request.model, threads);
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

export interface CodesLiveRequest extends Pick<CodesRequest, 'model' | 'vectors'> {
  input: LiveInput;
}

/** A code frame of live sound. */
export interface LiveCodes {
  /** Its middle, from the start of the sound. */
  seconds: number;
  /** One of each book. */
  codes: number[];
  /** If they were asked for. */
  vectors?: number[];
}

/** Every code frame of live sound as soon as it is known. */
export async function* codesLive(
  { model, vectors, input }: CodesLiveRequest,
  { signal }: Pick<During, 'signal'>,
): AsyncIterable<LiveCodes> {
  const speech = await chosenCodes(model, 1); // streams work on one thread
  const { books } = speech;
  const width = vectors ? speech.widths[vectors] : 0;
  const stream = speech.stream({ vectors });
  const frames = ({ codes, timestamps, vectors: beside }: DueCodes) =>
    Array.from(timestamps, (ms, i) => ({
      seconds: ms / 1000,
      codes: [...codes.subarray(i * books, (i + 1) * books)],
      ...(beside && { vectors: [...beside.subarray(i * width, (i + 1) * width)] }),
    }));
  const { source, ...pcm } = input;
  for await (const samples of streamPcm(source, { ...pcm, signal, name: 'standard input' })) {
    yield* frames(stream.push(samples));
  }
  yield* frames(stream.flush());
}

/** The speech codes that a command was given. */
async function chosenCodes(model: string | undefined, threads?: number): Promise<SpeechCodes> {
  const options = { threads };
  const speech = await (model === undefined
    ? SpeechCodes.pretrained(options)
    : SpeechCodes.load(await modelFile(model, 'codes'), options));
  checkRate(speech.frontEnd, model ?? 'the pretrained model');
  return speech;
}
