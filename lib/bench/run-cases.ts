// Runs benchmark cases, each in a process of its own: its peak memory and its caches are its own.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { argumentError } from '../util/errors.js';
import { type BenchCase, caseName, type Result } from './case.js';
import { benchCases } from './cases.js';

export interface BenchOptions {
  /** Cases whose name (`train_cbow b64 t1`) contains one of these; default: all. */
  cases?: readonly string[];
  /** Only the short list, and less time for each. */
  quick?: boolean;
  /** Only cases that take no more threads. */
  threads?: number;
  /** Seconds of measurement for each case; default 3, quick 1. */
  seconds?: number;
  signal?: AbortSignal;
}

/** The cases that these options choose. `ERR_ARGUMENT` if that is none. */
export function chooseCases({ cases, quick, threads = Number.POSITIVE_INFINITY }: BenchOptions): BenchCase[] {
  const chosen = benchCases.filter(
    (bench) =>
      (!quick || bench.quick) &&
      (bench.threads ?? 1) <= threads &&
      (!cases?.length || cases.some((part) => caseName(bench).includes(part))),
  );
  if (chosen.length === 0) {
    throw argumentError('cases', `part of a name such as ${benchCases.map(caseName).join(', ')}`, cases?.join(','));
  }
  return chosen;
}

/** Measures one case in a child process. */
export function runCase(bench: BenchCase, { quick, seconds, signal }: BenchOptions = {}): Promise<Result[]> {
  const child = fileURLToPath(new URL('./child.js', import.meta.url));
  return runLines(process.execPath, [child, caseName(bench), String(seconds ?? (quick ? 1 : 3))], { signal });
}

/** Runs a command that prints a JSON line for each figure. Rejects with the end of its error output if it fails. */
export function runLines(
  command: string,
  args: readonly string[],
  options: { signal?: AbortSignal; cwd?: string } = {},
): Promise<Result[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let complaints = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints = (complaints + text).slice(-2000);
    });
    child.on('error', reject);
    child.on('close', (code, killed) => {
      if (code !== 0) {
        reject(new Error(`${[command, ...args].join(' ')} ended with ${code ?? killed}: ${complaints.trim()}`));
      } else {
        resolve(out.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Result] : [])));
      }
    });
  });
}
