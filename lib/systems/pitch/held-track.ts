// Frames of a recording whose length is not known, in a tenth of the memory that an object for each would take.
import type { PitchFrame } from './track.js';

const VALUES = 4;

export class HeldTrack {
  /** Time, Hz, confidence and voiced of each frame. */
  #values = new Float64Array(VALUES * 1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(frames: readonly PitchFrame[]): void {
    const needed = VALUES * (this.#length + frames.length);
    if (needed > this.#values.length) {
      const more = new Float64Array(Math.max(needed, 2 * this.#values.length));
      more.set(this.#values);
      this.#values = more;
    }
    for (const { time, hz, confidence, voiced } of frames) {
      this.#values.set([time, hz, confidence, voiced ? 1 : 0], VALUES * this.#length++);
    }
  }

  slice(first = 0, end = this.#length): PitchFrame[] {
    const last = Math.min(end, this.#length);
    return Array.from({ length: Math.max(0, last - first) }, (_, i) => {
      const [time, hz, confidence, voiced] = this.#values.subarray(VALUES * (first + i), VALUES * (first + i + 1));
      return { time: time!, hz: hz!, confidence: confidence!, voiced: voiced === 1 };
    });
  }

  /** Something of each frame, one after the other. */
  *map<T>(of: (frame: PitchFrame) => T): Iterable<T> {
    for (let at = 0; at < this.#length; at += 1024) yield* this.slice(at, at + 1024).map(of);
  }
}
