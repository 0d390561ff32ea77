// Answers of the network → pitch over time, frame by frame, the same for whole recordings and streams.
import { checkNumber } from '../../util/arguments.js';
import { argumentError } from '../../util/errors.js';
import { hzOf, midiOf } from './calibration.js';
import type { PitchModel } from './model.js';
import { HarmonicPeaks } from './refine.js';
import { isSilent } from './silence.js';
import { peakBin, peakOffset, type Smoothing, smoothings, ViterbiPath } from './smoothing.js';
import { Voicing } from './voicing.js';

export interface TrackOptions {
  /** Confidence from which a frame is voiced, 0 to 1; default: the model's. */
  threshold?: number;
  /** Of pitch; unless `none`, also of confidence and voicing: see {@link Voicing}. Default: `viterbi` for models with classes,
   * `median` for others. */
  smoothing?: Smoothing;
  /** Reads the exact pitch from the harmonics of the frame, near where the network says it is. Default true. */
  refine?: boolean;
}

/** Their names. */
export const trackOptions = ['threshold', 'smoothing', 'refine'] as const satisfies (keyof TrackOptions)[];

/** Pitch at one time. */
export interface PitchFrame {
  /** Seconds from the start: the frame's centre. */
  time: number;
  /** Fundamental frequency; 0 in digital silence. An estimate is there where `voiced` is false, too: the best guess of what
   * may be no pitch at all. */
  hz: number;
  /** 0 to 1. */
  confidence: number;
  voiced: boolean;
}

/** Frames that smoothing looks ahead. */
const VITERBI_LAG = 8;
const MEDIAN_REACH = 2;

export function lookahead(smoothing: Smoothing): number {
  return { viterbi: VITERBI_LAG, median: MEDIAN_REACH, none: 0 }[smoothing];
}

export function checkTrackOptions(options: TrackOptions, model: PitchModel): Required<TrackOptions> {
  const classes = model.objective === 'pesto';
  const { threshold = model.threshold, smoothing = classes ? 'viterbi' : 'median', refine = true } = options;
  checkNumber('threshold', threshold, 0, 1);
  if (!smoothings.includes(smoothing)) throw argumentError('smoothing', smoothings.join(', '), smoothing);
  if (smoothing === 'viterbi' && !classes) {
    throw argumentError('smoothing', `median or none with a ${model.objective} model`, smoothing);
  }
  if (typeof refine !== 'boolean') throw argumentError('refine', 'true or false', refine);
  return { threshold, smoothing, refine };
}

/** Takes the answers of one frame after the other and gives pitch `lookahead` frames later. */
export class PitchTracker {
  readonly #model: PitchModel;
  readonly #options: Required<TrackOptions>;
  readonly #lag: number;
  readonly #path?: ViterbiPath;
  readonly #seconds: number;
  /** What is kept of the last frames, by frame modulo their number. */
  readonly #scores: Float32Array[];
  readonly #midi: Float64Array;
  readonly #confidence: Float64Array;
  readonly #pictures: Float32Array[];
  readonly #peaks: HarmonicPeaks;
  /** MIDI number of bin 0. */
  readonly #lowest: number;
  readonly #sorted: Float64Array;
  readonly #voicing: Voicing;
  #taken = 0;
  #given = 0;

  constructor(model: PitchModel, width: number, options: Required<TrackOptions>) {
    [this.#model, this.#options] = [model, options];
    this.#lag = lookahead(options.smoothing);
    const kept = 2 * this.#lag + 1;
    if (options.smoothing === 'viterbi') this.#path = new ViterbiPath(width, model.frontEnd.binsPerOctave, this.#lag);
    this.#scores = Array.from({ length: kept }, () => new Float32Array(width));
    this.#midi = new Float64Array(kept);
    this.#confidence = new Float64Array(kept);
    this.#voicing = new Voicing(this.#confidence, options.threshold, this.#lag);
    const { bins, binsPerOctave, lowestHz } = model.frontEnd;
    this.#pictures = Array.from({ length: kept }, () => new Float32Array(bins));
    this.#peaks = new HarmonicPeaks(binsPerOctave);
    this.#lowest = midiOf(lowestHz);
    this.#sorted = new Float64Array(2 * MEDIAN_REACH + 1);
    this.#seconds = model.frontEnd.hop / model.frontEnd.sampleRate;
  }

  /** Takes a frame; `out` is filled with the frame that is due.
   * @param answer scores of its bins (log probabilities up to a constant), or its position
   * @param picture normalised decibels of its bins
   * @returns whether one was due */
  push(answer: Float32Array, logit: number, picture: Float32Array, out: PitchFrame): boolean {
    const at = this.#taken % this.#scores.length;
    const scores = this.#scores[at]!;
    scores.set(answer);
    this.#pictures[at]!.set(picture);
    const midi = this.#midiOf(scores, answer.length > 1 ? peakBin(scores) : 0);
    this.#midi[at] = midi;
    this.#read(midi, picture);
    this.#confidence[at] = this.#peaks.seen / (1 + Math.exp(-logit));
    const bin = this.#path?.push(scores) ?? 0;
    this.#taken++;
    if (this.#taken - 1 - this.#given < this.#lag) return false;
    this.#give(bin, out);
    return true;
  }

  /** One of the frames that wait at the end of the recording.
   * @returns whether there was one */
  flush(out: PitchFrame): boolean {
    if (this.#given >= this.#taken) return false;
    this.#give(this.#path?.back(this.#taken - 1 - this.#given) ?? 0, out);
    return true;
  }

  reset(): void {
    this.#taken = 0;
    this.#given = 0;
    this.#voicing.reset();
    this.#path?.reset();
  }

  /** @param bin of the frame on the best path, if there is a path */
  #give(bin: number, out: PitchFrame): void {
    const at = this.#given % this.#scores.length;
    let midi = this.#midi[at]!;
    if (this.#path) {
      // The top of the peak that the path passes by.
      const scores = this.#scores[at]!;
      let top = bin;
      while (top > 0 && scores[top - 1]! > scores[top]!) top--;
      while (top < scores.length - 1 && scores[top + 1]! > scores[top]!) top++;
      midi = this.#midiOf(scores, Math.abs(top - bin) <= 3 ? top : bin);
    } else if (this.#options.smoothing === 'median') midi = this.#median();
    const picture = this.#pictures[at]!;
    const silent = isSilent(picture);
    out.time = this.#given * this.#seconds;
    out.hz = silent ? 0 : hzOf(this.#options.refine ? this.#read(midi, picture) : midi);
    const voiced = this.#voicing.decide(this.#given, this.#taken - 1);
    out.confidence = silent ? 0 : this.#voicing.confidence(this.#given, this.#taken - 1);
    out.voiced = voiced && out.hz > 0;
    this.#given++;
  }

  #midiOf(scores: Float32Array, bin: number): number {
    const { offset, slope } = this.#model.calibration;
    return offset + slope * (scores.length === 1 ? scores[0]! : bin + peakOffset(scores, bin));
  }

  /** Looks for the harmonics of a pitch.
   * @returns the pitch as they say */
  #read(midi: number, picture: Float32Array): number {
    const semitones = 12 / this.#model.frontEnd.binsPerOctave;
    this.#peaks.read(picture, (midi - this.#lowest) / semitones);
    return this.#lowest + semitones * this.#peaks.position;
  }

  /** Of the frame to be given and those around it, as far as there are any. */
  #median(): number {
    const values = this.#midi;
    const first = Math.max(0, this.#given - MEDIAN_REACH);
    const last = Math.min(this.#taken - 1, this.#given + MEDIAN_REACH);
    let n = 0;
    const sorted = this.#sorted;
    for (let t = first; t <= last; t++) {
      const value = values[t % values.length]!;
      let i = n++;
      for (; i > 0 && sorted[i - 1]! > value; i--) sorted[i] = sorted[i - 1]!;
      sorted[i] = value;
    }
    return n % 2 ? sorted[n >> 1]! : values[this.#given % values.length]!;
  }
}
