// Windows of recordings, at the loudness of the process.
import type { FeatureStore } from '../../features/feature-store.js';
import type { Random } from '../../util/random.js';
import { ClipDraw } from '../clip-draw.js';
import { frameLevels, loudness, shiftLevel } from './level.js';

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
  readonly #clips: ClipDraw;
  /** By which the level of each clip is shifted; found when it is first read. */
  readonly #shifts = new Map<number, number>();

  /** @param clips indices; those shorter than a window are left out
   * @throws `ERR_DATASET` if none is long enough */
  constructor(
    private readonly store: FeatureStore,
    clips: ArrayLike<number>,
    private readonly rules: WindowRules,
  ) {
    this.#clips = new ClipDraw(store.clipStarts, clips, rules.frames, 'Articulation');
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
        const window = this.#read(random);
        if (tries === 5 || this.#loudEnough(window)) return window;
      }
    });
  }

  #loudEnough(window: Float32Array): boolean {
    const { bands, frontEnd } = this.store;
    const levels = frameLevels(window, bands, frontEnd);
    return levels.filter((l) => l > this.rules.level - 4).length >= this.rules.frames / 4;
  }

  #read(random: Random): Float32Array {
    const { bands, frontEnd } = this.store;
    const { frames, fromStart, level } = this.rules;
    const index = this.#clips.draw(random);
    const clip = this.#clips.clip(index);
    let shift = this.#shifts.get(index);
    if (shift === undefined) {
      shift = level - loudness(this.store.read(clip.start, clip.frames), bands, frontEnd);
      this.#shifts.set(index, shift);
    }
    const first = clip.start + (fromStart ? 0 : random.int(clip.frames - frames + 1));
    return shiftLevel(this.store.read(first, frames), shift, frontEnd);
  }
}
