// Ranks of mpirun. The addon for MPI is a second one, compiled where MPI is installed, and loaded only by a process that
// mpirun started with others.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prebuiltName } from '../native/load-addon.js';
import { checkNumber } from '../util/arguments.js';
import { Audio2VecError } from '../util/errors.js';
import type { Ranks } from './ranks.js';

/** native/mpi/main.cc. */
interface MpiAddon {
  join(silence: number, stall: number): Pick<Ranks, 'rank' | 'size' | 'localRank' | 'localSize' | 'hosts'>;
  mean(arrays: readonly (Float32Array | Float64Array)[], weight: number, total: number): Promise<void>;
  broadcast(bytes: Uint8Array): Promise<Uint8Array>;
  barrier(): Promise<void>;
  leave(): void;
  hurry(): void;
}

export interface JoinOptions {
  /** Seconds without a sign of life after which a rank counts as lost. Default 10. */
  silence?: number;
  /** Seconds that a rank which lives may keep the others waiting for its part of a step. Default 600. */
  stall?: number;
  /** Aborted when this process is to end: it then does not wait for ranks that may be gone. */
  signal?: AbortSignal;
}

/** How many processes the starter of this one (mpirun of Open MPI or MPICH) says that there are. */
export function startedTogether(env: NodeJS.ProcessEnv = process.env): number {
  return Number(env.OMPI_COMM_WORLD_SIZE ?? env.PMI_SIZE ?? 1) || 1;
}

/** Joins the processes that mpirun started with this one, once in a process; undefined if there are no others. Waits until
 * all have joined.
 * @throws `ERR_MPI` if the addon for MPI is missing or does not work */
export async function joinRanks(options: JoinOptions = {}): Promise<Ranks | undefined> {
  const { silence = 10, stall = 600, signal } = options;
  checkNumber('silence', silence, 0.5, 86400);
  checkNumber('stall', stall, 1, 1e7);
  if (startedTogether() === 1) return undefined;
  const addon = loadMpi();
  const place = joined(addon, silence, stall);
  if (place.size === 1) {
    throw new Audio2VecError(
      'ERR_MPI',
      `${startedTogether()} processes were started, but each sees only itself: mpirun is of another MPI than the addon was ` +
        'compiled with. Start them with that one, or compile the addon again.',
    );
  }
  const facts = { hosts: place.hosts, stall };
  const wait = <T>(answer: Promise<T>): Promise<T> =>
    answer.catch((error) => {
      throw worded(error, facts);
    });
  signal?.addEventListener('abort', () => addon.hurry(), { once: true });
  return {
    ...place,
    mean: (arrays, weight, total) => wait(addon.mean(arrays, weight, total)),
    broadcast: (bytes) => wait(addon.broadcast(bytes)),
    barrier: () => wait(addon.barrier()),
    hurry: () => addon.hurry(),
    async leave() {
      await wait(addon.barrier());
      addon.leave();
    },
  };
}

interface Facts {
  hosts: readonly string[];
  stall: number;
}

function joined(addon: MpiAddon, silence: number, stall: number) {
  try {
    return addon.join(silence, stall);
  } catch (error) {
    throw worded(error as Error, { hosts: [], stall });
  }
}

/** native/mpi/group.h says in a word why a wait ended. */
function worded(cause: Error, { hosts, stall }: Facts): Audio2VecError {
  const kept = 'The last checkpoint is kept: start all again with --resume.';
  const [kind, which, seconds] = cause.message.split(' ');
  const lost = (message: string) => new Audio2VecError('ERR_RANK_LOST', `${message} ${kept}`, { cause });
  if (kind === 'lost') {
    const rank = Number(which);
    const gone = 'It was killed or stopped, or its machine cannot be reached.';
    return lost(
      `Rank ${rank} of ${hosts.length}, on ${hosts[rank]}, has not been heard of for ${Number(seconds)} s. ${gone}`,
    );
  }
  if (kind === 'stalled') return lost(`The other ranks live, but a step has waited for one of them for ${stall} s.`);
  return new Audio2VecError('ERR_MPI', `MPI: ${cause.message}.`, { cause });
}

// From lib/parallel (tests) and from dist/parallel the package root is two levels up.
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

function loadMpi(asked = process.env.AUDIO2VEC_MPI_ADDON): MpiAddon {
  const require = createRequire(import.meta.url);
  const built = ['build/Release', 'build/Debug', `prebuilds/${prebuiltName()}`];
  const paths = asked ? [asked] : built.map((folder) => join(root, folder, 'audio2vec_mpi.node'));
  const failures: string[] = [];
  for (const path of paths) {
    try {
      return require(path) as MpiAddon;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      failures.push(`  ${path}: ${code === 'MODULE_NOT_FOUND' ? 'not there' : message.split('\n')[0]}`);
    }
  }
  throw new Audio2VecError(
    'ERR_MPI',
    `mpirun started ${startedTogether()} processes to train together, which needs the addon for MPI. Tried:\n` +
      `${failures.join('\n')}\nWhat helps: install Open MPI with its headers (on Debian and Ubuntu ` +
      '"apt-get install libopenmpi-dev openmpi-bin"), then compile: "AUDIO2VEC_FROM_SOURCE=1 npm rebuild audio2vec" (in a ' +
      'checkout "npm run build:native"). Or start one process, without mpirun.',
  );
}
