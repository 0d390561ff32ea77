// The project's only source of randomness: every draw (slices, weights, folds, bootstrap) comes from one of these, so
// that a seed decides everything and a checkpoint can store where the draws stopped.
import { hash } from 'node:crypto';
import { argumentError } from './errors.js';

/** Four unsigned 32-bit integers, not all zero; plain JSON. */
export type RandomState = readonly [number, number, number, number];

/** A seeded generator: xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021),
 * period 2^128 - 1. The same seed gives the same numbers on every platform. */
export class Random {
  // Kept as signed 32-bit integers, which V8 stores unboxed.
  private s0 = 0;
  private s1 = 0;
  private s2 = 0;
  private s3 = 0;

  /** @param seed a finite number or a string. Seeds that differ at all give unrelated sequences. */
  constructor(seed: number | string) {
    if (typeof seed === 'number' ? !Number.isFinite(seed) : typeof seed !== 'string') {
      throw argumentError('seed', 'a finite number or a string', seed);
    }
    this.state = digest(`seed ${typeof seed} ${seed}`);
  }

  /** A generator that continues from a stored {@link Random.state}. */
  static restore(state: RandomState): Random {
    const random = new Random(0);
    random.state = state;
    return random;
  }

  /** All there is to save: setting it makes the generator repeat what followed. */
  get state(): RandomState {
    return [this.s0 >>> 0, this.s1 >>> 0, this.s2 >>> 0, this.s3 >>> 0];
  }

  set state(state: RandomState) {
    const valid =
      Array.isArray(state) && state.length === 4 && state.every((s) => s === s >>> 0) && state.some(Boolean);
    if (!valid) throw argumentError('state', 'four unsigned 32-bit integers, not all zero', JSON.stringify(state));
    [this.s0, this.s1, this.s2, this.s3] = state.map((s) => s | 0);
  }

  toJSON(): RandomState {
    return this.state;
  }

  /** A generator of its own for one purpose: decided by the present state and `label`, unrelated to this one's later
   * numbers, which it does not disturb. The same label at the same state gives the same generator. */
  fork(label: number | string): Random {
    return Random.restore(digest(`fork ${this.state.join(' ')} ${typeof label} ${label}`));
  }

  /** 32 random bits as an unsigned integer. */
  bits(): number {
    const x = Math.imul(this.s1, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = this.s1 << 9;
    this.s2 ^= this.s0;
    this.s3 ^= this.s1;
    this.s1 ^= this.s2;
    this.s0 ^= this.s3;
    this.s2 ^= t;
    this.s3 = (this.s3 << 11) | (this.s3 >>> 21);
    return result;
  }

  /** Uniform in [low, high), by default [0, 1), with 53 random bits. */
  uniform(low = 0, high = 1): number {
    const unit = ((this.bits() >>> 5) * 2 ** 26 + (this.bits() >>> 6)) * 2 ** -53;
    return low + (high - low) * unit;
  }

  /** Uniform integer in [0, n), without bias; n an integer from 1 to 2^53. */
  int(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 53) throw argumentError('n', 'an integer from 1 to 2^53', n);
    const wide = n > 2 ** 32;
    const range = wide ? 2 ** 53 : 2 ** 32;
    const limit = range - (range % n); // beyond it the low remainders would come up once more than the others
    for (;;) {
      const x = wide ? this.uniform() * 2 ** 53 : this.bits();
      if (x < limit) return x % n;
    }
  }

  /** Normal with mean 0 and deviation 1 (Marsaglia's polar method; the second value of each pair is dropped so that
   * the state stays four integers). */
  normal(): number {
    for (;;) {
      const u = this.uniform(-1, 1);
      const v = this.uniform(-1, 1);
      const s = u * u + v * v;
      if (s > 0 && s < 1) return u * Math.sqrt((-2 * Math.log(s)) / s);
    }
  }

  /** Shuffles in place, every order equally likely (Fisher and Yates), and returns its argument. */
  shuffle<T extends { length: number; [index: number]: unknown }>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
    return items;
  }

  /** `k` different integers of [0, n), in random order. */
  sample(n: number, k: number): number[] {
    if (!Number.isInteger(k) || k < 0 || k > n) throw argumentError('k', `an integer from 0 to ${n}`, k);
    // A shuffle of 0 … n-1 stopped after k places; only the places that moved are stored.
    const moved = new Map<number, number>();
    return Array.from({ length: k }, (_, i) => {
      const j = i + this.int(n - i);
      const picked = moved.get(j) ?? j;
      moved.set(j, moved.get(i) ?? i);
      return picked;
    });
  }
}

// Filled by each digest: every training step forks, and a Hash or a Buffer would be native memory each time.
const digestBytes = Buffer.alloc(32);

function digest(text: string): RandomState {
  digestBytes.write(hash('sha256', text, 'hex'), 'hex');
  const state = [0, 4, 8, 12].map((at) => digestBytes.readUInt32LE(at)) as [number, number, number, number];
  return state.some(Boolean) ? state : [1, 0, 0, 0];
}
