// Runs of the built package under mpirun, on this machine or on two made of network namespaces.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/** Why nothing can be run together here; undefined if it can. */
export function noMpirun(): string | undefined {
  if (spawnSync('mpirun', ['--version']).status !== 0) return 'mpirun is not installed';
  return existsSync(join(root, 'build/Release/audio2vec_mpi.node')) ? undefined : 'the addon for MPI was not built';
}

/** Of Open MPI, for more processes than cores.
 * @param patience seconds from telling processes to end to killing them */
export const mpirun = (processes: number, patience = 1): string[] => [
  ...['mpirun', '-n', String(processes), '--oversubscribe', '--bind-to', 'none', '--mca', 'mpi_yield_when_idle', '1'],
  ...['--mca', 'odls_base_sigkill_timeout', String(patience)],
];

export interface Together {
  child: ChildProcess;
  ended: Promise<{ code: number | null; text: string }>;
  /** Process of a rank. */
  pidOf(rank: number): number;
}

/** Starts a command line; `text` is all that it printed. */
export function start(command: readonly string[], env: NodeJS.ProcessEnv = {}): Together {
  const mark = `together-${process.pid}-${performance.now()}`;
  const child = spawn(command[0]!, command.slice(1), {
    env: {
      ...{ ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' },
      ...{ TOGETHER: mark, ...env },
    },
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      text += chunk;
    });
  }
  const ended = new Promise<{ code: number | null; text: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, text }));
  });
  return { child, ended, pidOf: (rank) => pidWith([`TOGETHER=${mark}`, `OMPI_COMM_WORLD_RANK=${rank}`]) };
}

/** The process with these variables in its environment. */
function pidWith(variables: readonly string[]): number {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      const isNode = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0] === process.execPath;
      if (isNode && variables.every((variable) => environment.includes(variable))) return Number(pid);
    } catch {
      // It has ended, or is not ours.
    }
  }
  throw new Error(`no process with ${variables.join(', ')}`);
}
