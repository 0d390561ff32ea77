import { SAMPLE_RATE } from '../../audio/index.js';
import type { LiveEmbedding } from '../../embed/live.js';
import type { ReadOut } from '../../models/read-out.js';
import type { LiveInput } from '../live-input.js';
import type { Common, During } from '../session.js';
import { chosenEncoder } from './shared/models.js';
import { checkRate, type FailedFile, findRecordings, noneGood, read } from './shared/recordings.js';

export interface EmbedRequest extends Common {
  inputs: string[];
  /** Model file; default: the pretrained encoder of the package. */
  model?: string;
  readOut?: ReadOut;
  /** One vector for every slice instead of one for every clip. */
  timestamps: boolean;
  /** Seconds from slice to slice; default: half a slice. */
  hopSeconds?: number;
}

/** The embeddings of one clip; `seconds` are the middles of its slices if they were asked for. */
export interface EmbeddedFile {
  file: string;
  error?: undefined;
  /** `[rows, dim]`; one row for a scene embedding. */
  embeddings: Float32Array;
  dim: number;
  seconds?: number[];
}

/** Recordings are embedded together as long as they are not more than this: short ones fill a batch, long ones do not
 * pile up in memory. */
const TOGETHER = { files: 64, samples: 120 * SAMPLE_RATE };

interface Clip {
  file: string;
  samples: Float32Array;
}

/** Recordings in, vectors out, in the same order. */
export async function* embed(request: EmbedRequest, during: During): AsyncIterable<EmbeddedFile | FailedFile> {
  const { signal } = during;
  const { threads, hopSeconds } = request;
  const files = await findRecordings(request.inputs, signal);
  const encoder = await chosenEncoder(request.model, threads, request.readOut);
  checkRate(encoder.frontEnd, request.model);

  const embedded = async (clips: readonly Clip[]): Promise<EmbeddedFile[]> => {
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
    const results = clips.length > 0 ? await embedded(clips) : [];
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

export interface EmbedLiveRequest extends Pick<EmbedRequest, 'model' | 'readOut' | 'hopSeconds'> {
  input: LiveInput;
}

/** Every slice of live sound as soon as it is heard. */
export async function* embedLive(
  { model, readOut, hopSeconds, input }: EmbedLiveRequest,
  { signal }: Pick<During, 'signal'>,
): AsyncIterable<LiveEmbedding> {
  const encoder = await chosenEncoder(model, 1, readOut); // streams work on one thread
  const { source, ...pcm } = input;
  yield* encoder.live(source, { ...pcm, hopSeconds, signal, name: 'standard input' });
}
