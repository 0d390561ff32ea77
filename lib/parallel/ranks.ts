// The processes that train one run together, each with its number, its rank. All of them make the same calls in the same
// order; a call settles when all have made it.
import { Audio2VecError, type ErrorCode } from '../util/errors.js';

export interface Ranks {
  /** Of this process, from 0. */
  readonly rank: number;
  /** How many there are. */
  readonly size: number;
  /** The same among those on this machine. */
  readonly localRank: number;
  readonly localSize: number;
  /** The machine of each rank. */
  readonly hosts: readonly string[];
  /** Replaces values by their means over ranks, in place: the sum of each rank's value times its `weight`, by `total`. The
   * bits depend on nothing but the values. */
  mean(arrays: readonly (Float32Array | Float64Array)[], weight: number, total: number): Promise<void>;
  /** The bytes that rank 0 gives, however long it takes to have them. */
  broadcast(bytes: Uint8Array): Promise<Uint8Array>;
  /** Waits for all, however long they take. */
  barrier(): Promise<void>;
  /** The process was asked to end: of a rank that is gone it must know at once. */
  hurry(): void;
  /** Waits for all and ends being together. Not called by a process that fails: its end is what ends the others. */
  leave(): Promise<void>;
}

/** A process by itself. */
export const alone: Ranks = {
  ...{ rank: 0, size: 1, localRank: 0, localSize: 1, hosts: [] },
  mean: async () => {},
  broadcast: async (bytes) => bytes,
  barrier: async () => {},
  hurry: () => {},
  leave: async () => {},
};

/** What went wrong on another rank, which tells it. */
export class FailedElsewhere extends Audio2VecError {}

/** Rank 0 works; all get its result, which must be plain JSON, or its error. */
export async function onFirst<T>(ranks: Ranks, work: () => Promise<T>): Promise<T> {
  if (ranks.size === 1) return work();
  let failure: unknown;
  let own: { value?: T; error?: { code: ErrorCode; message: string } } = {};
  if (ranks.rank === 0) {
    own = await work().then(
      (value) => ({ value }),
      (error) => {
        failure = error;
        return { error: { code: error?.code ?? 'ERR_MPI', message: String(error?.message ?? error) } };
      },
    );
  }
  const bytes = await ranks.broadcast(Buffer.from(JSON.stringify(own)));
  if (failure !== undefined) throw failure;
  if (ranks.rank === 0) return own.value!;
  const { value, error }: typeof own = JSON.parse(Buffer.from(bytes).toString());
  if (error) throw new FailedElsewhere(error.code, error.message);
  return value as T;
}

/** Rank 0 works, then the first rank of every other machine, then the others: who comes later finds what is on the disk. */
export async function inTurn<T>(ranks: Ranks, work: () => Promise<T>): Promise<T> {
  if (ranks.size === 1) return work();
  const own = ranks.rank === 0 ? 0 : ranks.localRank === 0 ? 1 : 2;
  let result: T;
  for (let turn = 0; turn < 3; turn++) {
    await together(ranks, async () => {
      if (turn === own) result = await work();
    });
  }
  return result!;
}

/** All work; a failure of one is one of all. */
async function together(ranks: Ranks, work: () => Promise<void>): Promise<void> {
  const failures: unknown[] = [];
  await work().catch((error) => failures.push(error));
  const failed = Float64Array.of(failures.length);
  await ranks.barrier();
  await ranks.mean([failed], 1, ranks.size);
  if (failures.length > 0) throw failures[0];
  if (failed[0]! > 0) throw new FailedElsewhere('ERR_RANKS', 'Another rank failed.');
}

/** Throws `ERR_RANKS` unless all ranks have the same facts; what differs is named with `remedies` for it. */
export async function checkSame(
  ranks: Ranks,
  facts: Readonly<Record<string, unknown>>,
  remedies: Readonly<Record<string, string>>,
): Promise<void> {
  if (ranks.size === 1) return;
  const theirs: typeof facts = await onFirst(ranks, async () => facts);
  await together(ranks, async () => {
    const text = (value: unknown) => JSON.stringify(value) ?? 'nothing';
    const other = Object.keys(facts).find((name) => text(facts[name]) !== text(theirs[name]));
    if (other === undefined) return;
    const message = `Rank ${ranks.rank} has ${other} ${text(facts[other])}, rank 0 ${text(theirs[other])}. `;
    throw new Audio2VecError('ERR_RANKS', message + (remedies[other] ?? 'All must be given the same.'));
  });
}
