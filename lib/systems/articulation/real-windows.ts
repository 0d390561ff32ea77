// Windows of recordings, at the loudness of the process.
import type { FeatureStore } from '../../features/feature-store.js';
import { Audio2VecError } from '../../util/errors.js';
import { Random } from '../../util/random.js';
import { frameLevels, loudness, shiftLevel } from './level.js';

interface Clip {
  start: number;
  frames: number;
  /** By which its level is shifted; found when it is first read. */
  shift?: number;
}

export interface WindowRules {
  /** Frames of a window. */
  frames: number;
  /** Only the beginnings of clips. */
  fromStart: boolean;
  /** Where recordings are loud, they get this level. */
  level: number;
}

/** Windows in which something is heard are drawn from clips, each place in a recording as likely as any. */
export class RealWindows {
  readonly #clips: Clip[];
  readonly #cumulative: Float64Array;

  /** @param clips indices; those shorter than a window are left out
   * @throws `ERR_DATASET` if none is long enough */
  constructor(
    private readonly store: FeatureStore,
    clips: ArrayLike<number>,
    private readonly rules: WindowRules,
  ) {
    const all = Array.from(clips, (i): Clip => {
      return { start: store.clipStarts[i]!, frames: store.clipStarts[i + 1]! - store.clipStarts[i]! };
    });
    this.#clips = all.filter((clip) => clip.frames >= rules.frames);
    if (this.#clips.length === 0) {
      const longest = all.reduce((most, clip) => Math.max(most, clip.frames), 0);
      throw new Audio2VecError(
        'ERR_DATASET',
        `Articulation needs clips of at least ${rules.frames} frames, but the longest of ${all.length} has ${longest}. Add longer recordings.`,
      );
    }
    let places = 0;
    this.#cumulative = Float64Array.from(this.#clips, (clip) => {
      places += rules.fromStart ? 1 : clip.frames - rules.frames + 1;
      return places;
    });
  }

  /** That recordings are brought to. */
  get level(): number {
    return this.rules.level;
  }

  /** `count` windows `[frames, bands]`. */
  draw(count: number, random: Random): Float32Array[] {
    return Array.from({ length: count }, () => {
      // Pauses are drawn again a few times: there is little to hear in them.
      for (let tries = 0; ; tries++) {
        const window = this.#read(random.int(this.#cumulative.at(-1)!));
        if (tries === 5 || this.#loudEnough(window)) return window;
      }
    });
  }

  #loudEnough(window: Float32Array): boolean {
    const { bands, frontEnd } = this.store;
    const levels = frameLevels(window, bands, frontEnd);
    return levels.filter((l) => l > this.rules.level - 4).length >= this.rules.frames / 4;
  }

  #read(place: number): Float32Array {
    const i = this.#cumulative.findIndex((end) => place < end);
    const clip = this.#clips[i]!;
    const { bands, frontEnd } = this.store;
    clip.shift ??= this.rules.level - loudness(this.store.read(clip.start, clip.frames), bands, frontEnd);
    const offset = place - (this.#cumulative[i - 1] ?? 0);
    return shiftLevel(this.store.read(clip.start + offset, this.rules.frames), clip.shift, frontEnd);
  }
}

/** Which clips train and which are held out, by the seed; at least one of each if there are two. */
export function splitForArticulation(clips: number, fraction: number, seed: number) {
  const order = new Random(seed).fork('split').shuffle(Array.from({ length: clips }, (_, i) => i));
  const held = fraction > 0 && clips > 1 ? Math.max(1, Math.round(fraction * clips)) : 0;
  return { heldOut: order.slice(0, held), train: order.slice(held) };
}
