// Which recordings are compared with which. A dependence is estimated in blocks of recordings and averaged: memory and time
// then grow with the number of recordings, not with its square (block HSIC, Zhang et al. 2018).
import type { Steps } from '../../util/cooperative.js';
import type { Random } from '../../util/random.js';
import { centre, type SignalKernel } from './signal-kernel.js';

/** Recordings that are compared with each other. */
export interface Block {
  /** By index. */
  recordings: Int32Array;
  /** Share of the block in the result; all blocks together 1. */
  weight: number;
  /** The signal's centred kernel, `[n, n]`. */
  kernel: Float64Array;
  /** What the diagonal adds to tr(K H L H), as L is 1 there: the trace of the kernel, or 0 if {@link unbiased}. */
  diagonal: number;
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
export function* withKernels(classes: readonly Int32Array[][], signal: SignalKernel): Steps<Block[]> {
  const blocks: Block[] = [];
  for (const parts of classes) {
    for (const recordings of parts) {
      const kernel = centre(signal.matrix(recordings), recordings.length);
      const diagonal = traceOf(kernel, recordings.length);
      blocks.push({ recordings, kernel, diagonal, weight: 1 / (classes.length * parts.length) });
      yield;
    }
  }
  return blocks;
}

/** All recordings in random order, in blocks that ignore the class. */
export function mixedBlocks(recordings: number, size: number, random: Random): Int32Array[][] {
  return [divide(random.shuffle(Array.from({ length: recordings }, (_, i) => i)), size)];
}

/** The block whose dependence has mean zero over all permutations of the labels: less tr(HKH) tr(HLH) / (n − 1), which comes
 * to this kernel of the pairs alone. */
export function unbiased(block: Block): Block {
  const { kernel, diagonal } = block;
  const n = block.recordings.length;
  return { ...block, kernel: kernel.map((k) => k + diagonal / (n * (n - 1))), diagonal: 0 };
}

/** The same once the class is known: class means taken off rows and columns of the kernel (so off both feature spaces),
 * and of the permutations those within classes. Per square of the degrees of
 * freedom that remain, n less the number of classes, so that it compares with the dependence of all. */
export function withinClasses({ recordings, kernel, weight }: Block, classes: ArrayLike<number>): Block {
  const n = recordings.length;
  const members = new Map<number, number[]>();
  for (let i = 0; i < n; i++) {
    const list = members.get(classes[recordings[i]]) ?? [];
    list.push(i);
    members.set(classes[recordings[i]], list);
  }
  const k = lessClassMeans(transposed(lessClassMeans(kernel, n, members), n), n, members);
  const trace = traceOf(k, n);
  const left = n - members.size;
  for (const list of members.values()) {
    for (const i of list) for (const j of list) k[i * n + j] += left > 0 ? trace / left / list.length : 0;
  }
  return { recordings, weight: weight * (n / Math.max(1, left)) ** 2, kernel: k, diagonal: 0 };
}

/** Each row less the mean row of its class. */
function lessClassMeans(kernel: Float64Array, n: number, members: ReadonlyMap<number, number[]>): Float64Array {
  const out = kernel.slice();
  for (const list of members.values()) {
    const mean = new Float64Array(n);
    for (const i of list) for (let j = 0; j < n; j++) mean[j] += kernel[i * n + j] / list.length;
    for (const i of list) for (let j = 0; j < n; j++) out[i * n + j] -= mean[j];
  }
  return out;
}

function transposed(kernel: Float64Array, n: number): Float64Array {
  return kernel.map((_, at) => kernel[(at % n) * n + Math.floor(at / n)]);
}

function traceOf(kernel: Float64Array, n: number): number {
  let trace = 0;
  for (let i = 0; i < n; i++) trace += kernel[i * n + i];
  return trace;
}
