// Embeddings of live audio in the form it comes: PCM → mono at 16 kHz → slices → embeddings to keep.
import { Transform, type TransformCallback } from 'node:stream';
import { type PcmChunk, type PcmOptions, PcmStream, SAMPLE_RATE, streamPcm } from '../audio/index.js';
import { pcmOptions } from '../audio/pcm-stream.js';
import { checkOptions } from '../util/arguments.js';
import { Audio2VecError } from '../util/errors.js';
import type { DueEmbeddings, EmbeddingStream, StreamOptions } from './streaming.js';

/** What is asked of an `Encoder`. */
interface Streams {
  readonly dimension: number;
  readonly frontEnd: { sampleRate: number };
  stream(options?: StreamOptions): EmbeddingStream;
}

/** What the sound is like ({@link PcmOptions}), and the time from slice to slice. */
export interface LiveOptions extends PcmOptions, Pick<StreamOptions, 'hopSeconds'> {}

/** Their names. */
export const liveOptions = [...pcmOptions, 'hopSeconds'] as const satisfies (keyof LiveOptions)[];

/** One slice of the sound. */
export interface LiveEmbedding {
  /** Its middle, from the start of the sound. */
  seconds: number;
  /** `[dimension]`: an array of its own. */
  embedding: Float32Array;
}

/** See `Encoder.live`. */
export async function* embedLive(
  encoder: Streams,
  source: AsyncIterable<PcmChunk> | Iterable<PcmChunk>,
  options: LiveOptions,
): AsyncGenerator<LiveEmbedding, void, undefined> {
  const { stream, pcm } = opened(encoder, options);
  for await (const samples of streamPcm(source, pcm)) yield* copies(stream.push(samples), encoder.dimension);
  yield* copies(stream.flush(), encoder.dimension);
}

/** PCM in (bytes, `Int16Array`, `Float32Array`), {@link LiveEmbedding}s out; what is left comes when the input ends. Made by
 * `Encoder.transform`. A chunk that is not audio destroys the stream with the error that `Encoder.live` throws. */
export class EmbeddingTransform extends Transform {
  readonly #pcm: PcmStream;
  readonly #stream: EmbeddingStream;
  readonly #dimension: number;

  /** @internal Use `Encoder.transform`. */
  constructor(encoder: Streams, options: LiveOptions) {
    const { stream, pcm } = opened(encoder, options);
    super({ writableObjectMode: true, readableObjectMode: true, signal: pcm.signal });
    this.#pcm = new PcmStream(pcm);
    this.#stream = stream;
    this.#dimension = encoder.dimension;
  }

  override _transform(chunk: PcmChunk, _: BufferEncoding, done: TransformCallback): void {
    this.#work(async () => this.#give(this.#stream.push(await this.#pcm.push(chunk))), done);
  }

  override _flush(done: TransformCallback): void {
    this.#work(async () => {
      this.#give(this.#stream.push(await this.#pcm.end()));
      this.#give(this.#stream.flush());
    }, done);
  }

  #give(due: DueEmbeddings): void {
    for (const embedding of copies(due, this.#dimension)) this.push(embedding);
  }

  #work(work: () => Promise<void>, done: TransformCallback): void {
    work().then(() => done(), done);
  }
}

function opened(encoder: Streams, options: LiveOptions): { stream: EmbeddingStream; pcm: PcmOptions } {
  checkOptions('options', options, liveOptions);
  const { hopSeconds, ...pcm } = options;
  const { sampleRate } = encoder.frontEnd;
  if (sampleRate !== SAMPLE_RATE) {
    throw new Audio2VecError(
      'ERR_ARGUMENT',
      `The encoder takes audio at ${sampleRate} Hz, but live audio becomes ${SAMPLE_RATE} Hz. Push samples of your own into stream().`,
    );
  }
  return { stream: encoder.stream({ hopSeconds }), pcm };
}

/** What a stream returned, in arrays that it will not overwrite. */
function copies({ embeddings, seconds }: DueEmbeddings, dimension: number): LiveEmbedding[] {
  return Array.from(seconds, (s, i) => ({
    seconds: s,
    embedding: embeddings.slice(i * dimension, (i + 1) * dimension),
  }));
}
