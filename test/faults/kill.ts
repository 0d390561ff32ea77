// kill -9 at random moments.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '../../lib/util/random.js';
import type { BuiltPackage } from '../helpers/built-package.js';
import type { Kind } from './kinds.js';

export interface Killed {
  kills: number;
  /** How often the work was brought to its end, and had the bits of an undisturbed run. */
  finished: number;
  /** Kills after which the work had come less far than before: always 0. */
  lost: number;
  /** Temporary files in the folders at their ends. */
  leftovers: number;
}

/** Kills the work of a kind at random moments, again and again, and lets it go on each time until it is done; then
 * begins anew until there were so many kills. Throws where a file is damaged or a result has other bits. */
export async function killAtRandom(
  kind: Kind,
  built: BuiltPackage,
  { kills, seed = 1 }: { kills: number; seed?: number },
): Promise<Killed> {
  const scratch = mkdtempSync(join(tmpdir(), `audio2vec-faults-${kind.name}-`));
  const rng = new Random(seed).fork(kind.name);
  const corpus = join(scratch, 'corpus');
  const script = await built.addHelper('fault-work');
  const total: Killed = { kills: 0, finished: 0, lost: 0, leftovers: 0 };
  const start = async (name: string) => {
    const out = join(scratch, name);
    mkdirSync(out);
    await kind.before?.(out, corpus);
    return out;
  };
  const work = (out: string, killAfter?: number) =>
    ended(kind.command?.(corpus, out) ?? [join(built.home, script), kind.name, corpus, out], killAfter);
  try {
    await kind.corpus(corpus);
    const undisturbed = await start('undisturbed');
    const began = performance.now();
    const first = await work(undisturbed);
    if (first.code !== 0) throw new Error(`${kind.name} does not work: ${first.stderr}`);
    const whole = performance.now() - began;
    const wanted = kind.results.map((file) => readFileSync(join(undisturbed, file)));

    for (let round = 0; total.kills < kills; round++) {
      const out = await start(`round-${round}`);
      for (let reached = 0; ; ) {
        const { code, killed, stderr } = await work(out, total.kills < kills ? rng.uniform() * whole : undefined);
        if (killed) total.kills++;
        else if (code !== 0) throw new Error(`${kind.name} ended with ${code} after a kill: ${stderr}`);
        const now = await kind.check(out);
        if (now < reached) total.lost++;
        reached = now;
        if (!killed) break;
      }
      for (const [i, file] of kind.results.entries()) {
        if (!readFileSync(join(out, file)).equals(wanted[i]!)) throw new Error(`${kind.name}: ${file} has other bits`);
      }
      total.finished++;
      total.leftovers += readdirSync(out, { recursive: true }).filter((name) => String(name).endsWith('.tmp')).length;
      rmSync(out, { recursive: true });
    }
    return total;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Runs Node; killed after so many milliseconds. */
function ended(args: string[], killAfter?: number): Promise<{ code: number | null; killed: boolean; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr = (stderr + chunk).slice(-4000);
    });
    const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, killed: signal === 'SIGKILL', stderr });
    });
  });
}
