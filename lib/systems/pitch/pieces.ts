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

  #places(clip: number): number {
    const { clipStarts } = this.sources.store;
    return Math.max(0, clipStarts[clip + 1]! - clipStarts[clip]! - this.span + 1);
  }

  /** From a recording; every place is equally likely. Its loudness is brought to about that of the others. */
  recording(random: Random): Piece {
    const place = random.int(this.places);
    const i = this.#starts.findIndex((end) => place < end);
    const first = this.sources.store.clipStarts[this.#usable[i]!]! + place - (this.#starts[i - 1] ?? 0);
    const read = this.sources.store.read(first, this.span);
    const samples = read.subarray(0, this.#length);
    scale(samples, 0.1 / Math.max(1e-3, rms(samples)));
    return { samples };
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

  /** Something else than tones: a background, of which nothing is known; or noise or digital silence, without pitch. */
  noise(random: Random): Piece {
    const { backgrounds } = this.sources;
    if (backgrounds.length > 0 && random.uniform() < 0.5) {
      const samples = this.#part(backgrounds, random);
      scale(samples, 0.1 / Math.max(1e-3, rms(samples)));
      return { samples };
    }
    const samples = random.uniform() < 0.1 ? new Float32Array(this.#length) : this.#part(this.sources.noises, random);
    scale(samples, 0.1);
    return { samples, hz: new Float32Array(this.frames) };
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
    const { bins: wide } = this.#cqt;
    const db = this.#db;
    this.#kernel.runSync(samples, db);
    for (let t = 0; t < this.frames; t++) {
      const from = (this.#margin + t) * wide + offset;
      for (let j = 0; j < bins; j++) out[t * bins + j] = (db[from + j]! - DB_MEAN) / DB_STD;
    }
  }
}
