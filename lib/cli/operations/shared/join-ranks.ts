// A training command that mpirun started several times: the processes train together, and the first one speaks for all.
import { availableParallelism } from 'node:os';
import { joinRanks } from '../../../parallel/mpi-ranks.js';
import type { Ranks } from '../../../parallel/ranks.js';
import type { During } from '../../session.js';

export interface Together {
  /** Undefined: this process is alone. */
  ranks?: Ranks;
  /** What `--threads` says, or else this process's share of the machine. */
  threads?: number;
}

export interface RankRequest {
  /** Seconds without a sign of life after which another process counts as lost. */
  rankTimeout?: number;
}

/** Work that ends with a result of the first process; undefined on the others. */
export async function onRanks<T>(
  { rankTimeout, threads }: RankRequest & { threads?: number },
  during: During,
  work: (together: Together) => Promise<T>,
): Promise<T | undefined> {
  const ranks = await joinRanks({ silence: rankTimeout, signal: during.signal });
  if (!ranks) return work({ threads });
  if (ranks.rank > 0) during.silence();
  else if (waitsForEver(ranks)) during.note(cutLinks);
  const result = await work({ ranks, threads: threads ?? shareOfMachine(ranks) });
  await ranks.leave();
  return ranks.rank === 0 ? result : undefined;
}

/** Open MPI's own connections between machines notice a cut link only if asked to look. mpirun passes its settings on. */
function waitsForEver({ hosts }: Ranks): boolean {
  const { OMPI_COMM_WORLD_SIZE, OMPI_MCA_oob_tcp_keepalive_time: asked } = process.env;
  return OMPI_COMM_WORLD_SIZE !== undefined && asked === undefined && new Set(hosts).size > 1;
}

const cutLinks =
  'Should a link between machines be cut, these processes end, but mpirun itself would wait for ever. Give it: --mca ' +
  'oob_tcp_keepalive_time 2 --mca oob_tcp_keepalive_intvl 1 --mca oob_tcp_keepalive_probes 3';

/** mpirun may have bound each process to cores of its own already. */
function shareOfMachine({ localSize }: Ranks): number {
  return Math.max(1, Math.floor(availableParallelism() / localSize));
}
