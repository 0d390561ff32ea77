// The constant-Q picture of a recording, made while it is read.
import { featureStream } from '../features/compute.js';
import type { CqtConfig } from '../features/cqt-config.js';

/** Bytes: 0 is 80 dB below the loudest value or less, 255 the loudest. */
export interface CqtPicture extends Pick<CqtConfig, 'bins' | 'lowestHz' | 'binsPerOctave'> {
  /** `[frames, bins]` */
  values: Uint8Array;
}

/** Steps of a decibel that a picture is kept in while its loudest value is not known: a byte holds -100 to 27 dB. */
const STEPS = 2;
const QUIETEST = -100;

/** Takes a recording piece by piece. */
export class CqtPainter {
  readonly #stream;
  readonly #frames: Uint8Array[] = [];

  constructor(private readonly frontEnd: CqtConfig) {
    this.#stream = featureStream({ frontEnd });
  }

  push(piece: Float32Array): void {
    this.#keep(this.#stream.push(piece));
  }

  end(): CqtPicture {
    this.#keep(this.#stream.flush!());
    const { bins, lowestHz, binsPerOctave } = this.frontEnd;
    const values = new Uint8Array(this.#frames.reduce((n, f) => n + f.length, 0));
    let [at, top] = [0, 0];
    for (const f of this.#frames) {
      values.set(f, at);
      at += f.length;
    }
    for (const v of values) if (v > top) top = v;
    for (let i = 0; i < at; i++) values[i] = Math.max(0, Math.round(255 * (1 + (values[i]! - top) / (80 * STEPS))));
    return { values, bins, lowestHz, binsPerOctave };
  }

  #keep(decibels: Float32Array): void {
    this.#frames.push(Uint8Array.from(decibels, (db) => Math.min(255, Math.max(0, STEPS * (db - QUIETEST)))));
  }
}
