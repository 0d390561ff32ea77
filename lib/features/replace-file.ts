// Replaces a large file that is written bit by bit: readers see the old one or the new one.
import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { Audio2VecError } from '../util/errors.js';
import { removeLeftovers } from '../util/leftovers.js';

/** Writes a file under a temporary name beside `path`, flushes it to disk and renames it. `write` may use as many
 * further temporary files as it says. */
export async function replaceFile(
  path: string,
  scratchFiles: number,
  write: (out: FileHandle, scratch: readonly FileHandle[]) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.${process.pid}-${randomUUID().slice(0, 8)}`;
  const names = Array.from({ length: 1 + scratchFiles }, (_, i) => `${temporary}${i === 0 ? '' : `.${i}`}.tmp`);
  const handles: FileHandle[] = [];
  try {
    await mkdir(dirname(resolve(path)), { recursive: true });
    await removeLeftovers(dirname(resolve(path)), basename(path));
    for (const name of names) handles.push(await open(name, 'w+'));
    const [out, ...scratch] = handles as [FileHandle, ...FileHandle[]];
    await write(out, scratch);
    await out.sync();
    await out.close();
    await rename(names[0]!, path);
  } catch (error) {
    const isFromSystem = (error as NodeJS.ErrnoException).syscall !== undefined && !(error instanceof Audio2VecError);
    if (!isFromSystem) throw error;
    throw new Audio2VecError('ERR_FILE', `${path}: can't be written: ${(error as Error).message}.`, { cause: error });
  } finally {
    for (const handle of handles) await handle.close().catch(() => {});
    for (const name of names) await rm(name, { force: true });
  }
}
