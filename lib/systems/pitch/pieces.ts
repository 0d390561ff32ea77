// Pieces of sound for training, drawn by the step: recordings without labels, tones of known pitch, noise without any; and
// their views as constant-Q pictures.
import { kernelFor } from '../../features/compute.js';
import { cqtFrontEnd } from '../../features/cqt.js';
import type { CqtConfig } from '../../features/cqt-config.js';
import type { FeatureStore } from '../../features/feature-store.js';
import type { FrontEndKernel } from '../../features/front-end.js';
import type { Random } from '../../util/random.js';
import { DB_MEAN, DB_STD, marginFrames, type WideCqt } from './front-end.js';
import { equalise, mix, rms, scale } from './sounds.js';
import type { Melody } from './tones.js';
import { unvoiced } from './unvoiced.js';

/** A piece of sound with its fundamental at every frame: 0 where nothing with pitch sounds, undefined if not known. */
export interface Piece {
  samples: Float32Array;
  hz?: Float32Array;
}

/** Where pieces come from. */
export interface Sources {
  store: FeatureStore;
  /** Clips that are drawn from. */
  clips: readonly number[];
  tones: Melody;
  noises: readonly Float32Array[];
  /** Other sound to mix with recordings; may be empty. */
  backgrounds: readonly Float32Array[];
}

/** Bins to move a piece by, up to an octave up or down, for half of the pieces. */
export function octaveMove({ below, above }: WideCqt, random: Random): number {
  return random.uniform() < 0.5 ? 0 : random.int(below + above + 1) - below;
}

/** Shares of what {@link Pieces.noise} draws. */
const UNKNOWN = 0.2;
const WHISPERED = 0.35;
const SILENT = 0.03;

export class Pieces {
  readonly #cqt: CqtConfig;
  readonly #kernel: FrontEndKernel;
  /** The wide picture of the piece at hand. */
  readonly #db: Float32Array;
  readonly #margin: number;
  readonly #length: number;
  readonly #starts: Float64Array;
  readonly #usable: readonly number[];

  /** @param frames of a piece, besides what its filters see before and after */
  constructor(
    private readonly sources: Sources,
    readonly wide: WideCqt,
    private readonly frames: number,
  ) {
    this.#cqt = wide.config;
    this.#margin = marginFrames(wide.config);
    this.#length = (frames - 1 + 2 * this.#margin) * this.#cqt.hop + 1;
    this.#kernel = kernelFor(this.#cqt);
    this.#db = new Float32Array(cqtFrontEnd.frameCount(this.#length, this.#cqt) * this.#cqt.bins);
    const { clips } = sources;
    this.#usable = clips.filter((c) => this.#places(c) > 0);
    this.#starts = new Float64Array(this.#usable.length);
    this.#usable.forEach((clip, i) => {
      this.#starts[i] = (this.#starts[i - 1] ?? 0) + this.#places(clip);
    });
  }

  /** Places where a piece can begin in all clips together. */
  get places(): number {
    return this.#starts.at(-1) ?? 0;
  }

  /** Frames of a recording that a piece takes. */
  get span(): number {
    return this.frames + 2 * this.#margin;
  }

  /** The same in seconds. */
  get seconds(): number {
    return this.#length / this.#cqt.sampleRate;
  }

  /** Whether all its recordings are digital silence. */
  get silent(): boolean {
    const { clipStarts } = this.sources.store;
    return this.#usable.every((clip) => {
      for (let at = clipStarts[clip]!; at + this.span <= clipStarts[clip + 1]!; at += this.span) {
        if (this.sources.store.read(at, this.span).some((x) => x !== 0)) return false;
      }
      return true;
    });
  }

  #places(clip: number): number {
    const { clipStarts } = this.sources.store;
    return Math.max(0, clipStarts[clip + 1]! - clipStarts[clip]! - this.span + 1);
  }

  /** From a recording; every place is equally likely. Its loudness is brought to about that of the others. */
  recording(random: Random): Piece {
    const { clip, first } = this.#place(random);
    return { samples: levelled(this.#read(clip, first)) };
  }

  /** The louder of two places of a recording: pauses are seldom. */
  sounding(random: Random): Piece {
    const { clip, first } = this.#place(random);
    const [a, b] = [first, random.int(this.#places(clip))].map((place) => this.#read(clip, place));
    return { samples: levelled(rms(a!) >= rms(b!) ? a! : b!) };
  }

  /** A recording, and where in it a piece begins. */
  #place(random: Random): { clip: number; first: number } {
    const place = random.int(this.places);
    const i = this.#starts.findIndex((end) => place < end);
    return { clip: this.#usable[i]!, first: place - (this.#starts[i - 1] ?? 0) };
  }

  #read(clip: number, first: number): Float32Array {
    const { store } = this.sources;
    return store.read(store.clipStarts[clip]! + first, this.span).subarray(0, this.#length);
  }

  tone(random: Random): Piece {
    const { hop } = this.#cqt;
    const { samples, hz } = this.sources.tones;
    const first = random.int(samples.length - this.#length);
    const at = first + this.#margin * hop;
    return {
      samples: samples.slice(first, first + this.#length),
      hz: Float32Array.from({ length: this.frames }, (_, t) => hz[at + t * hop]!),
    };
  }

  /** Something else than tones: a background, of which nothing is known; or what is known to have no pitch: a recording or a
   * background as if whispered, synthetic noise, digital silence. */
  noise(random: Random): Piece {
    const { backgrounds, noises } = this.sources;
    const kind = random.uniform();
    if (kind < UNKNOWN && backgrounds.length > 0) return { samples: levelled(this.#part(backgrounds, random)) };
    const background = backgrounds.length > 0 && random.uniform() < 0.5;
    const samples =
      kind < UNKNOWN + WHISPERED
        ? unvoiced(
            background ? this.#part(backgrounds, random) : this.recording(random).samples,
            this.#cqt.sampleRate,
            random,
          )
        : kind < 1 - SILENT
          ? this.#part(noises, random)
          : new Float32Array(this.#length);
    return { samples: levelled(samples), hz: new Float32Array(this.frames) };
  }

  /** Another sound to mix with, of the length of a piece: something without pitch if the piece is known to have none. */
  #other({ hz }: Piece, random: Random): Float32Array {
    const { backgrounds, noises } = this.sources;
    const pitched = hz === undefined || hz.some((f) => f > 0);
    return this.#part(pitched && backgrounds.length > 0 && random.uniform() < 0.6 ? backgrounds : noises, random);
  }

  #part(sounds: readonly Float32Array[], random: Random): Float32Array {
    const sound = sounds[random.int(sounds.length)]!;
    const out = new Float32Array(this.#length);
    const start = random.int(Math.max(1, sound.length - out.length));
    out.set(sound.subarray(start, start + out.length));
    return out;
  }

  /** A copy with other timbre, in noise and at another level. */
  altered(piece: Piece, snr: number, random: Random, equaliser = 0.6): Float32Array {
    const out = piece.samples.slice();
    if (random.uniform() < equaliser) equalise(out, this.#cqt.sampleRate, random);
    const before = rms(piece.samples);
    scale(out, before / Math.max(1e-9, rms(out)));
    mix(out, this.#other(piece, random), snr);
    scale(out, 10 ** (random.uniform(-35, 10) / 20));
    return out;
  }

  /** Writes the view that begins `offset` bins above the lowest of the wide picture, `[frames, bins]`. */
  view(samples: Float32Array, offset: number, bins: number, out: Float32Array): void {
    this.show(samples);
    for (let t = 0; t < this.frames; t++) this.cut(t, offset, bins, out.subarray(t * bins, (t + 1) * bins));
  }

  /** Makes the wide picture that {@link cut} cuts from. */
  show(samples: Float32Array): void {
    this.#kernel.runSync(samples, this.#db);
  }

  /** Writes `bins` values of frame t, from `offset` bins above the lowest on. */
  cut(t: number, offset: number, bins: number, out: Float32Array): void {
    const from = (this.#margin + t) * this.#cqt.bins + offset;
    for (let j = 0; j < bins; j++) out[j] = (this.#db[from + j]! - DB_MEAN) / DB_STD;
  }
}

/** The same array, as loud as all others. */
function levelled(samples: Float32Array): Float32Array {
  scale(samples, 0.1 / Math.max(1e-3, rms(samples)));
  return samples;
}
