// A reader, or a crash in the middle, sees the old file or the new one, never half of one.
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Audio2VecError } from './errors.js';

/** Writes `parts` one after the other to `file` through a temporary file beside it, synced and then renamed.
 * Throws `ERR_FILE` when the folder is missing or not writable; the temporary file is removed. */
export async function writeFileAtomic(file: string, ...parts: readonly (Uint8Array | string)[]): Promise<void> {
  const folder = dirname(resolve(file));
  const temporary = join(folder, `.${basename(file)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`);
  let handle: FileHandle | undefined;
  try {
    handle = await open(temporary, 'wx');
    for (const part of parts) await handle.writeFile(part);
    await handle.sync();
    await handle.close();
    handle = undefined;
    await rename(temporary, file);
  } catch (error) {
    await handle?.close().catch(() => {});
    await rm(temporary, { force: true }).catch(() => {});
    throw new Audio2VecError('ERR_FILE', `Cannot write ${file}: ${(error as Error).message}.`, { cause: error });
  }
  await syncFolder(folder);
}

/** Makes the rename itself durable. Not every file system lets a folder be synced; the data is whole either way. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {}
}
