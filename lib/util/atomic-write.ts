// A reader, or a crash in the middle, sees the old file or the new one, never half of one.
import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { constants, type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Audio2VecError } from './errors.js';

/** A reader of a pipe is waited for so long. */
const READER_MS = 3000;

type Parts = readonly (Uint8Array | string)[];

/** Writes `parts` one after the other to `file` through a temporary file beside it, synced and then renamed. What stands
 * there already stays what it is: a link is followed, a file keeps its mode and, where that is allowed, its owner; a
 * pipe or a device is written to.
 * Throws `ERR_FILE` when the folder is missing or not writable; the temporary file is removed. */
export async function writeFileAtomic(file: string, ...parts: Parts): Promise<void> {
  try {
    const there = await lookAt(file);
    if (there && !there.isFile()) await writeInto(file, parts);
    else await replace(await target(file), parts, there);
  } catch (error) {
    throw new Audio2VecError('ERR_FILE', `Cannot write ${file}: ${(error as Error).message}.`, { cause: error });
  }
}

/** What stands at a path, at the end of any links; undefined for nothing. */
async function lookAt(file: string): Promise<Stats | undefined> {
  try {
    return await stat(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The file behind a link, so that the link stays one; one that leads nowhere is replaced. */
function target(file: string): Promise<string> {
  return realpath(file).catch(() => resolve(file));
}

/** A pipe, a terminal or a device takes bytes as they come. */
async function writeInto(file: string, parts: Parts): Promise<void> {
  const reader = await waitForReader(file);
  const handle = await open(file, 'w').finally(() => reader.close());
  try {
    for (const part of parts) await handle.writeFile(part);
  } finally {
    await handle.close();
  }
}

/** To open a pipe waits for its reader, in the system, where nothing can stop it: so first without waiting, again and
 * again. The result keeps the pipe open. */
async function waitForReader(file: string): Promise<FileHandle> {
  const until = performance.now() + READER_MS;
  for (;;) {
    try {
      return await open(file, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
      if (performance.now() > until) throw new Error('a pipe that nobody reads from', { cause: error });
      await setTimeout(50);
    }
  }
}

async function replace(file: string, parts: Parts, old: Stats | undefined): Promise<void> {
  const folder = dirname(file);
  const temporary = join(folder, `.${basename(file)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`);
  let handle: FileHandle | undefined;
  try {
    handle = await open(temporary, 'wx', old ? 0o600 : 0o666);
    if (old) await likeBefore(handle, old);
    for (const part of parts) await handle.writeFile(part);
    await handle.sync();
    await handle.close();
    handle = undefined;
    await rename(temporary, file);
  } catch (error) {
    await handle?.close().catch(() => {});
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
  await syncFolder(folder);
}

/** The owner first: changing it takes some bits of the mode away. Only root may give files away; others go on. */
async function likeBefore(handle: FileHandle, { uid, gid, mode }: Stats): Promise<void> {
  const own = await handle.stat();
  if (own.uid !== uid || own.gid !== gid) await handle.chown(uid, gid).catch(() => {});
  await handle.chmod(mode & 0o7777);
}

/** Makes the rename itself durable. Not every file system lets a folder be synced; the data is whole either way. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {}
}
