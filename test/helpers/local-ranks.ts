// Ranks that are calls in this process, for tests without MPI.
import { alone, type Ranks } from '../../lib/parallel/ranks.js';

/** `size` ranks; every call of theirs settles once all have made it. */
export function localRanks(size: number): Ranks[] {
  let waiting: { given: unknown; settle: (all: unknown[]) => void; rank: number }[] = [];
  const meet = (rank: number, given: unknown) =>
    new Promise<unknown[]>((settle) => {
      waiting.push({ given, settle, rank });
      if (waiting.length < size) return;
      const all = waiting.sort((a, b) => a.rank - b.rank);
      waiting = [];
      for (const one of all) one.settle(all.map(({ given }) => given));
    });
  return Array.from({ length: size }, (_, rank) => ({
    ...alone,
    ...{ rank, size, localRank: rank, localSize: size },
    async mean(arrays, weight, total) {
      const all = (await meet(rank, { weight, arrays: arrays.map((a) => a.slice()) })) as {
        weight: number;
        arrays: Float64Array[];
      }[];
      arrays.forEach((array, i) => {
        for (let at = 0; at < array.length; at++) {
          array[at] = all.reduce((sum, one) => sum + one.weight * one.arrays[i]![at]!, 0) / total;
        }
      });
    },
    broadcast: async (bytes) => (await meet(rank, bytes))[0] as Uint8Array,
    barrier: async () => void (await meet(rank, undefined)),
  }));
}
