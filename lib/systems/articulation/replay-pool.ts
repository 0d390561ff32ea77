// Utterances that a network is trained on, with their sounds: each round some of the old ones go and new ones come.
import type { Arrays } from '../../engine/network.js';
import { Audio2VecError } from '../../util/errors.js';
import type { Random } from '../../util/random.js';
import type { Utterance } from './forward-process.js';

export interface PoolItem extends Utterance {
  /** Of its noise, and of how its sound was altered. */
  seed: number;
}

/** What is remembered are parameters and seeds; sounds are made from them again when a run is resumed. */
export class ReplayPool {
  items: PoolItem[] = [];

  constructor(
    private readonly rowSize: number,
    private readonly utteranceSize: number,
  ) {}

  /** Drops `part` of the items, drawn by `random`; returns the places (in the old order) of those that stay. */
  drop(part: number, random: Random): number[] {
    const keep = this.items.length - Math.round(part * this.items.length);
    const places = random.sample(this.items.length, keep).sort((a, b) => a - b);
    this.items = places.map((i) => this.items[i]!);
    return places;
  }

  getState(): Arrays {
    const { items, rowSize, utteranceSize } = this;
    const frames = new Float32Array(items.length * rowSize);
    const utterances = new Float32Array(items.length * utteranceSize);
    for (const [i, item] of items.entries()) {
      frames.set(item.frames, i * rowSize);
      utterances.set(item.utterance, i * utteranceSize);
    }
    const seeds = Float64Array.from(items, (item) => item.seed);
    return new Map<string, Float32Array | Float64Array>([
      ['pool.frames', frames],
      ['pool.utterances', utterances],
      ['pool.seeds', seeds],
    ]);
  }

  setState(state: Arrays): void {
    const { rowSize, utteranceSize } = this;
    const [frames, utterances, seeds] = ['frames', 'utterances', 'seeds'].map((name) => state.get(`pool.${name}`));
    const count = seeds?.length ?? -1;
    if (frames?.length !== count * rowSize || utterances?.length !== count * utteranceSize) {
      throw new Audio2VecError('ERR_MODEL_FORMAT', 'The checkpoint is of a run with another forward process.');
    }
    this.items = Array.from(seeds!, (seed, i) => ({
      seed,
      frames: Float32Array.from(frames.subarray(i * rowSize, (i + 1) * rowSize)),
      utterance: Float32Array.from(utterances.subarray(i * utteranceSize, (i + 1) * utteranceSize)),
    }));
  }
}
