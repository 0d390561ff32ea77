// Pitch of sound as it comes in.

import { StreamResampler } from '../../audio/pieces.js';
import { cqtFrontEnd } from '../../features/cqt.js';
import type { CqtStream } from '../../features/cqt-stream.js';
import { argumentError } from '../../util/errors.js';
import { FrameReader } from './frame-reader.js';
import { checkSamples } from './front-end.js';
import type { PitchModel } from './model.js';
import { type PitchFrame, PitchTracker, type TrackOptions } from './track.js';

export interface PitchStreamOptions extends TrackOptions {
  /** Of the chunks; default: the model's (16 kHz). Others are resampled. */
  sampleRate?: number;
}

/** Samples that are taken at once from a larger chunk, so that memory does not depend on its size. */
const PIECE = 4096;

/** Push samples in chunks of any size, get the frames that became due: in single precision the bits of
 * `PitchEstimator.estimate` of all samples together. Works on the calling thread and, once it runs, allocates no arrays, only the frames that it returns; at another
 * sample rate than the model's also what it resamples. */
export class PitchStream {
  readonly #cqt: CqtStream;
  readonly #reader: FrameReader;
  readonly #tracker: PitchTracker;
  /** Unless chunks have the model's rate. */
  readonly #resampler: StreamResampler | undefined;
  /** The reader's frame in the middle. */
  readonly #picture: Float32Array;
  /** Frames of the front end from one piece. */
  #db: Float32Array;
  /** The last frame that came, `[bins]`. */
  readonly #last: Float32Array;
  #frames = 0;
  readonly #frame: PitchFrame = { time: 0, hz: 0, confidence: 0, voiced: false };

  /** @internal Use `PitchEstimator.stream`. */
  constructor(model: PitchModel, options: Required<TrackOptions>, sampleRate: number, isa?: string) {
    const { sampleRate: own } = model.frontEnd;
    if (sampleRate !== own) this.#resampler = new StreamResampler(sampleRate, own);
    this.#cqt = cqtFrontEnd.stream(model.frontEnd, isa);
    this.#reader = new FrameReader(model, 1, isa);
    this.#picture = this.#reader.picture(0);
    this.#tracker = new PitchTracker(model, this.#reader.width, options);
    this.#db = new Float32Array(this.#cqt.framesAfter(PIECE) * model.frontEnd.bins);
    this.#last = new Float32Array(model.frontEnd.bins);
  }

  /** Takes samples (mono, normally in ±1).
   * @throws `ERR_ARGUMENT` for a sample that is not finite or no audio; the stream is then as if just {@link reset} */
  push(chunk: Float32Array): PitchFrame[] {
    if (!(chunk instanceof Float32Array)) throw argumentError('chunk', 'a Float32Array', chunk);
    const due: PitchFrame[] = [];
    for (let at = 0; at < chunk.length; at += PIECE) {
      const piece = chunk.subarray(at, at + PIECE);
      try {
        checkSamples('chunk', piece, at, this.#resampler !== undefined);
      } catch (error) {
        this.reset();
        throw error;
      }
      this.#hear(this.#resampler ? this.#resampler.push(piece) : piece, due);
    }
    return due;
  }

  /** Ends the recording: the frames that wait. The next sample starts another. */
  flush(): PitchFrame[] {
    const due: PitchFrame[] = [];
    if (this.#resampler) this.#hear(this.#resampler.flush(), due);
    this.#room(this.#cqt.framesLeft);
    const frames = this.#cqt.flushInto(this.#db);
    for (let t = 0; t < frames; t++) this.#take(this.#db, t * this.#last.length, due);
    if (this.#frames > 0) for (let i = 0; i < this.#reader.context; i++) this.#take(this.#last, 0, due, true);
    while (this.#tracker.flush(this.#frame)) due.push({ ...this.#frame });
    this.reset();
    return due;
  }

  /** Forgets everything: the next sample starts a new recording. */
  reset(): void {
    this.#resampler?.reset();
    this.#cqt.reset();
    this.#tracker.reset();
    this.#frames = 0;
  }

  /** Gives the memory back at once; no call may follow. */
  close(): void {
    this.#reader.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Samples at the model's rate. */
  #hear(samples: Float32Array, due: PitchFrame[]): void {
    this.#room(this.#cqt.framesAfter(samples.length));
    let frames: number;
    try {
      frames = this.#cqt.pushInto(samples, this.#db);
    } catch (error) {
      this.reset();
      throw error;
    }
    for (let t = 0; t < frames; t++) this.#take(this.#db, t * this.#last.length, due);
  }

  #room(frames: number): void {
    const size = frames * this.#last.length;
    if (size > this.#db.length) this.#db = new Float32Array(size);
  }

  /** One more frame of the front end; the frame `context` frames before it becomes known. Before the first and after the
   * last frame there are copies of them. */
  #take(db: Float32Array, at: number, due: PitchFrame[], beyond = false): void {
    const { context } = this.#reader;
    const bins = this.#last.length;
    if (this.#frames === 0) for (let i = 0; i < 2 * context; i++) this.#reader.set(i + 1, db, at);
    this.#reader.shift();
    this.#reader.set(2 * context, db, at);
    if (!beyond) for (let j = 0; j < bins; j++) this.#last[j] = db[at + j]!;
    this.#frames++;
    if (this.#frames <= context) return;
    this.#reader.run();
    const { pitch, voiced } = this.#reader.answers;
    if (this.#tracker.push(pitch, voiced[0]!, this.#picture, this.#frame)) due.push({ ...this.#frame });
  }
}
