// Pitch of recordings: samples → constant-Q frames → network → track.

import { fileURLToPath } from 'node:url';
import { MAX_RATE, MIN_RATE, resample, SAMPLE_RATE } from '../../audio/index.js';
import { StreamResampler } from '../../audio/pieces.js';
import { features } from '../../features/compute.js';
import { cqtFrontEnd } from '../../features/cqt.js';
import type { CqtConfig } from '../../features/cqt-config.js';
import type { DeployedModel } from '../../models/deployed-model.js';
import { checkOptions, notFiniteOr } from '../../util/arguments.js';
import { partOf } from '../../util/copied.js';
import { Audio2VecError, argumentError } from '../../util/errors.js';
import { deployedPitch } from './deployed.js';
import { FrameReader } from './frame-reader.js';
import { checkSamples, marginFrames } from './front-end.js';
import { checkPitchModel, loadPitchModel, objectiveOf, type PitchModel } from './model.js';
import { PitchStream, type PitchStreamOptions } from './pitch-stream.js';
import {
  checkTrackOptions,
  lookahead,
  type PitchFrame,
  PitchTracker,
  type TrackOptions,
  trackOptions,
} from './track.js';

/** Pitch of a recording, an entry for each frame. */
export interface PitchTrack {
  /** Centre of each frame in seconds: frame m stands for the time m · `hopSeconds`. */
  times: Float64Array;
  /** Fundamental frequency. Where `voiced` is 0 it is the best guess of what may be no pitch at all; 0 in silence. */
  hz: Float32Array;
  /** 0 to 1. */
  confidence: Float32Array;
  /** 1 where something with pitch sounds: the confidence against the threshold, by stretches unless there is no smoothing. */
  voiced: Uint8Array;
}

export interface EstimateOptions extends TrackOptions {
  /** Of the samples given; default: the model's (16 kHz). Others are resampled. */
  sampleRate?: number;
  /** Stops between two blocks; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called with the share that is done. */
  onProgress?: (share: number) => void;
}

export interface EstimatorOptions {
  /** Instruction set by name; default: the one in use. */
  isa?: string;
}

/** Frames in one call of the network. The fewer, the more a frame takes; what is left at the end is read in small blocks, so that
 * little is computed for frames that are not there: a clip of 2 s has 101. */
const BLOCKS = [32, 8] as const;
/** Frames whose constant-Q picture is held at once: 20 seconds. */
const SPAN = 1024;

type Readers = readonly [long: FrameReader, short: FrameReader];

/** Estimates fundamental frequency, with a confidence that something with pitch sounds.
 *
 * Samples are mono, normally in ±1. There are ⌊samples / hop⌋ + 1 frames, frame m centred on sample m · hop (at 16 kHz),
 * 20 ms apart in the model that comes with the package. Recordings may be of any length: besides samples and results,
 * memory does not grow with it. Calls may overlap; each has a network of its own. */
export class PitchEstimator {
  readonly model: PitchModel;
  readonly #isa: string | undefined;
  /** A network that no call is using: making one takes as long as some seconds of sound. */
  #idle: Readers | undefined;

  private constructor(model: PitchModel, options: EstimatorOptions) {
    checkOptions('options', options, ['isa']);
    checkPitchModel(model);
    this.model = model;
    this.#isa = options.isa;
    this.#idle = this.#readers(); // which complains of an instruction set that is not there
  }

  /** Reads a model file (`pitch.safetensors` of a training run).
   * @throws `ERR_FILE`, `ERR_MODEL_FORMAT`, `ERR_ISA` */
  static async load(file: string, options: EstimatorOptions = {}): Promise<PitchEstimator> {
    return new PitchEstimator(await loadPitchModel(file), options);
  }

  /** @throws `ERR_ARGUMENT` if the model is not whole */
  static fromModel(model: PitchModel, options: EstimatorOptions = {}): PitchEstimator {
    return new PitchEstimator(model, options);
  }

  /** The model that comes with the package; models/README.md says what it was trained on. */
  static pretrained(options: EstimatorOptions = {}): Promise<PitchEstimator> {
    return PitchEstimator.load(fileURLToPath(new URL('../../../models/pitch.safetensors', import.meta.url)), options);
  }

  get frontEnd(): CqtConfig {
    return this.model.frontEnd;
  }

  /** Seconds from frame to frame. */
  get hopSeconds(): number {
    return this.frontEnd.hop / this.frontEnd.sampleRate;
  }

  /** @throws `ERR_ARGUMENT` for samples that are empty, not finite or no audio; the signal's reason */
  async estimate(samples: Float32Array, options: EstimateOptions = {}): Promise<PitchTrack> {
    checkOptions('options', options, [...trackOptions, 'sampleRate', 'signal', 'onProgress']);
    const { signal, onProgress, sampleRate = this.frontEnd.sampleRate } = options;
    signal?.throwIfAborted();
    const settings = checkTrackOptions(options, this.model);
    if (!(samples instanceof Float32Array)) throw argumentError('samples', 'a Float32Array', samples);
    if (samples.length === 0) throw new Audio2VecError('ERR_ARGUMENT', 'samples must not be empty.');
    checkRate(sampleRate, this.frontEnd);
    try {
      const mono = sampleRate === this.frontEnd.sampleRate ? samples : await resample(samples, sampleRate, { signal });
      return await this.#track(mono, settings, { signal, onProgress });
    } catch (error) {
      const isAudio = error instanceof Audio2VecError && ['ERR_ARGUMENT', 'ERR_AUDIO_FORMAT'].includes(error.code);
      throw isAudio ? notFiniteOr('samples', samples, error) : error;
    }
  }

  /** Pitch of sound as it comes in: in single precision the bits of {@link estimate} of all of it. */
  stream(options: PitchStreamOptions = {}): PitchStream {
    const { settings, sampleRate } = this.#streamOptions(options);
    return new PitchStream(this.model, settings, sampleRate, this.#isa);
  }

  /** Milliseconds from a sound to its estimate in a stream. */
  latency(options: PitchStreamOptions = {}): number {
    const { settings, sampleRate } = this.#streamOptions(options);
    const { hop, sampleRate: own } = this.frontEnd;
    const { context } = objectiveOf(this.model.objective);
    const resampling = sampleRate === own ? 0 : new StreamResampler(sampleRate, own).latency;
    const frames = context + lookahead(settings.smoothing);
    return 1000 * (resampling + (cqtFrontEnd.latency(this.frontEnd) + frames * hop) / own);
  }

  /** What runs on a phone: a waveform or decibels in, Hz and confidence of so many frames out (default: 50, a second),
   * without smoothing. The exports read nothing else. */
  deployed(frames?: number): DeployedModel {
    return deployedPitch(this.model, frames);
  }

  /** Gives the memory back at once; a later call takes it anew. */
  close(): void {
    for (const reader of this.#idle ?? []) reader.close();
    this.#idle = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #streamOptions(options: PitchStreamOptions) {
    checkOptions('options', options, [...trackOptions, 'sampleRate']);
    const { sampleRate = this.frontEnd.sampleRate } = options;
    checkRate(sampleRate, this.frontEnd);
    return { settings: checkTrackOptions(options, this.model), sampleRate };
  }

  async #track(
    mono: Float32Array,
    settings: Required<TrackOptions>,
    { signal, onProgress }: Pick<EstimateOptions, 'signal' | 'onProgress'>,
  ): Promise<PitchTrack> {
    const { length } = mono;
    const frames = cqtFrontEnd.frameCount(length, this.frontEnd);
    const track = emptyTrack(frames);
    const readers = this.#idle ?? this.#readers();
    this.#idle = undefined;
    const [long, short] = readers;
    const tracker = new PitchTracker(this.model, long.width, settings);
    const frame: PitchFrame = { time: 0, hz: 0, confidence: 0, voiced: false };
    let done = 0;
    const keep = () => {
      [track.times[done], track.hz[done]] = [frame.time, frame.hz];
      [track.confidence[done], track.voiced[done]] = [frame.confidence, frame.voiced ? 1 : 0];
      done++;
    };
    try {
      for (let first = 0; first < frames; first += SPAN) {
        const count = Math.min(SPAN, frames - first);
        const span = await this.#span(mono, length, first, count, frames, long.context, signal);
        for (let at = 0, block: number; at < count; at += block) {
          signal?.throwIfAborted();
          const reader = count - at > long.block - short.block ? long : short;
          block = reader.block;
          for (let i = 0; i < reader.block + 2 * reader.context; i++) reader.set(i, span, this.#clamp(at + i, span));
          await reader.runAsync();
          for (let t = 0; t < Math.min(reader.block, count - at); t++) {
            const { pitch, voiced } = reader.answers;
            const answer = pitch.subarray(t * reader.width, (t + 1) * reader.width);
            if (tracker.push(answer, voiced[t]!, reader.picture(t), frame)) keep();
          }
        }
        onProgress?.(Math.min(1, (first + count) / frames));
      }
    } finally {
      if (this.#idle) for (const reader of readers) reader.close();
      else this.#idle = readers;
    }
    while (tracker.flush(frame)) keep();
    return track;
  }

  /** Decibels of frames first - context … first + count + context, those beyond the recording being its first and last. */
  async #span(
    samples: Float32Array,
    length: number,
    first: number,
    count: number,
    frames: number,
    context: number,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array> {
    const { hop, bins } = this.frontEnd;
    const margin = marginFrames(this.frontEnd) + 1;
    const from = Math.max(0, first - context - margin);
    const end = Math.min(length, (first + count + context + margin) * hop);
    const part = partOf(samples, length, from * hop, end);
    checkSamples('samples', part, from * hop);
    const db = await features(part, {
      frontEnd: this.frontEnd,
      isa: this.#isa,
      signal,
    });
    const out = new Float32Array((count + 2 * context) * bins);
    for (let i = 0; i < count + 2 * context; i++) {
      const frame = Math.max(0, Math.min(frames - 1, first + i - context)) - from;
      out.set(db.subarray(frame * bins, (frame + 1) * bins), i * bins);
    }
    return out;
  }

  #readers(): Readers {
    const [long, short] = BLOCKS.map((block) => new FrameReader(this.model, block, this.#isa));
    return [long!, short!];
  }

  #clamp(place: number, span: Float32Array): number {
    return Math.min(place * this.frontEnd.bins, span.length - this.frontEnd.bins);
  }
}

function emptyTrack(frames: number): PitchTrack {
  return {
    times: new Float64Array(frames),
    hz: new Float32Array(frames),
    confidence: new Float32Array(frames),
    voiced: new Uint8Array(frames),
  };
}

function checkRate(rate: number, frontEnd: CqtConfig): void {
  if (!(Number.isInteger(rate) && rate >= MIN_RATE && rate <= MAX_RATE)) {
    throw argumentError('sampleRate', `an integer from ${MIN_RATE} to ${MAX_RATE}`, rate);
  }
  if (rate !== frontEnd.sampleRate && frontEnd.sampleRate !== SAMPLE_RATE) {
    throw argumentError('sampleRate', `${frontEnd.sampleRate}, as of the model`, rate);
  }
}
