// Which recordings are compared with which. A dependence is estimated in blocks of recordings and averaged: memory and time
// then grow with the number of recordings, not with its square (block HSIC, Zhang et al. 2018).
import type { Random } from '../../util/random.js';
import { centre, type SignalKernel } from './signal-kernel.js';

/** Recordings of one class that are compared with each other. */
export interface Block {
  /** By index. */
  recordings: Int32Array;
  /** Share of the block in the result; all blocks together 1. */
  weight: number;
  /** The signal's centred kernel, `[n, n]`. */
  kernel: Float64Array;
}

/** Fewer recordings than this tell nothing. */
export const fewest = 4;

/** Every class in as few blocks of at most `size` as possible, nearly equal ones. Each class has the same weight; classes
 * with fewer than {@link fewest} recordings are left out. Draws only when a class must be divided. */
export function classBlocks(classes: ArrayLike<number>, size: number, random: Random): Int32Array[][] {
  const members = new Map<number, number[]>();
  for (let i = 0; i < classes.length; i++) {
    const list = members.get(classes[i]) ?? [];
    list.push(i);
    members.set(classes[i], list);
  }
  return [...members.keys()]
    .sort((a, b) => a - b)
    .map((c) => members.get(c) as number[])
    .filter((list) => list.length >= fewest)
    .map((list) => divide(list.length > size ? random.shuffle(list) : list, size));
}

function divide(list: readonly number[], size: number): Int32Array[] {
  const count = Math.ceil(list.length / size);
  return Array.from({ length: count }, (_, b) => {
    const [from, to] = [b, b + 1].map((i) => Math.floor((list.length * i) / count));
    return Int32Array.from(list.slice(from, to));
  });
}

/** The blocks with their kernels; yields between two, as each takes a few milliseconds. */
export function* withKernels(classes: readonly Int32Array[][], signal: SignalKernel): Generator<void, Block[], void> {
  const blocks: Block[] = [];
  for (const parts of classes) {
    for (const recordings of parts) {
      const kernel = centre(signal.matrix(recordings), recordings.length);
      blocks.push({ recordings, kernel, weight: 1 / (classes.length * parts.length) });
      yield;
    }
  }
  return blocks;
}
