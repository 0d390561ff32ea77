// One process at a time works in a run's folder. The lock is a file that names its holder; a holder that is gone, killed
// or on a machine that was switched off, does not keep others out.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { runFiles } from '../systems/run-files.js';
import { Audio2VecError } from '../util/errors.js';
import { isRunning } from '../util/leftovers.js';

interface Holder {
  id: string;
  pid: number;
  host: string;
  /** When the process began, in the system's own count, where it tells: process ids are used again. */
  began?: string;
  since: string;
}

/** The holder shows that it lives so often; */
const BEAT_MS = 10_000;
/** on another machine, where its process can't be looked up, it counts as gone after so long. */
const SILENT_MS = 120_000;

/** Takes the lock of a run's folder; the result gives it back.
 * Throws `ERR_LOCKED`, naming the holder, while another process has it. */
export async function lockRun(folder: string): Promise<() => Promise<void>> {
  const file = join(folder, runFiles.lock);
  const own: Holder = {
    ...{ id: randomUUID(), pid: process.pid, host: hostname() },
    ...{ began: beginning(process.pid), since: new Date().toISOString() },
  };
  for (let attempt = 0; !(await create(file, own)); attempt++) {
    const holder = await readHolder(file);
    if (!holder) continue; // given back just now
    if (attempt > 10 || (await isAlive(file, holder))) throw lockedBy(file, folder, holder);
    await removeStale(file, holder);
  }
  const beat = setInterval(() => void utimes(file, new Date(), new Date()).catch(() => {}), BEAT_MS);
  beat.unref();
  return async () => {
    clearInterval(beat);
    if ((await readHolder(file))?.id === own.id) await rm(file, { force: true });
  };
}

/** False if there is a lock already. It appears whole: written under another name, then linked. */
async function create(file: string, own: Holder): Promise<boolean> {
  const temporary = `${file}.${own.pid}-${own.id.slice(0, 8)}.tmp`;
  try {
    const handle = await open(temporary, 'wx');
    await handle.writeFile(`${JSON.stringify(own)}\n`).finally(() => handle.close());
    await link(temporary, file);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new Audio2VecError('ERR_FILE', `Cannot write ${file}: ${(cause as Error).message}.`, { cause });
  } finally {
    await rm(temporary, { force: true });
  }
}

async function readHolder(file: string): Promise<Holder | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const holder = JSON.parse(text) as Holder | null;
    if (typeof holder?.id === 'string') return holder;
  } catch {}
  return { id: text, pid: 0, host: '', since: '' }; // damaged: the disk was full, or the power failed
}

async function isAlive(file: string, { pid, host, began }: Holder): Promise<boolean> {
  if (host === hostname()) return isRunning(pid) && (began === undefined || beginning(pid) === began);
  const age = await stat(file).then(
    (info) => Date.now() - info.mtimeMs,
    () => Number.POSITIVE_INFINITY,
  );
  return host !== '' && age < SILENT_MS;
}

/** Linux: field 22 of /proc/PID/stat, clock ticks since the machine started, behind the name in parentheses. */
function beginning(pid: number): string | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[19];
  } catch {
    return undefined;
  }
}

/** Moves the lock aside and looks again: somebody else may have replaced it meanwhile, whose it is then. */
async function removeStale(file: string, stale: Holder): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  await rename(file, aside).catch(() => {});
  const moved = await readHolder(aside);
  if (moved && moved.id !== stale.id) await link(aside, file).catch(() => {});
  await rm(aside, { force: true });
}

function lockedBy(file: string, folder: string, { pid, host, since }: Holder): Audio2VecError {
  const where = host === hostname() ? '' : ` on ${host}`;
  return new Audio2VecError(
    'ERR_LOCKED',
    `${folder}: process ${pid}${where} has been at work here since ${since}. Wait for it or choose another folder. ` +
      `If there is no such process any more, delete ${file}.`,
  );
}
