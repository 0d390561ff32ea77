// Temporary files of processes that were killed while they wrote: they have the process's number in their name.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** `NAME.PID-XXXXXXXX.tmp`, and `.1.tmp`, `.2.tmp`, … where one file takes several. */
const temporary = /^\.?(.*)\.(\d+)-[0-9a-f]{8}(?:\.\d+)?\.tmp$/;

/** Deletes those in `folder` whose process is gone; given `name`, only those of that file. */
export async function removeLeftovers(folder: string, name?: string): Promise<void> {
  for (const file of await readdir(folder)) {
    const [, of, pid] = temporary.exec(file) ?? [];
    if (pid === undefined || (name !== undefined && of !== name) || isRunning(Number(pid))) continue;
    await rm(join(folder, file), { force: true });
  }
}

/** Whether a process of this number exists, whoever's it is. */
export function isRunning(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
