// A reader, or a crash in the middle, sees the old file or the new one, never half of one.
import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { access, constants, type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Audio2VecError } from './errors.js';
import { inParts } from './text-parts.js';

/** A reader of a pipe is waited for so long. */
const READER_MS = 3000;

/** Writes `parts` one after the other to `file`, as {@link AtomicFile} does. */
export function writeFileAtomic(file: string, ...parts: readonly (Uint8Array | string)[]): Promise<void> {
  return writeAll(file, parts);
}

/** The same of pieces of text, which together may be longer than a string can be. */
export function writeTextAtomic(file: string, pieces: Iterable<string>): Promise<void> {
  return writeAll(file, inParts(pieces));
}

async function writeAll(file: string, parts: Iterable<Uint8Array | string>): Promise<void> {
  const out = await AtomicFile.open(file);
  try {
    for (const part of parts) await out.write(part);
    await out.commit();
  } catch (error) {
    await out.discard();
    throw error;
  }
}

/** Throws `ERR_FILE` unless there is a folder for this file that can be written to, and none in its place: before the work
 * that the file is for. */
export async function checkWritable(file: string): Promise<void> {
  const folder = dirname(file);
  await access(folder, constants.W_OK).catch((cause) => {
    const reason = cause.code === 'ENOENT' ? `there is no folder ${folder}` : `${folder} is not writable`;
    throw new Audio2VecError('ERR_FILE', `Cannot write ${file}: ${reason}.`, { cause });
  });
  const there = await stat(file).catch(() => undefined);
  if (there?.isDirectory())
    throw new Audio2VecError('ERR_FILE', `Cannot write ${file}: there is a folder of that name.`);
}

/** A file that appears when it is whole: what is written goes to a temporary file beside it, which is synced and then
 * renamed. What stands there already stays what it is: a link is followed, a file keeps its mode and, where that is
 * allowed, its owner; a pipe or a device is written to.
 * Throws `ERR_FILE` when the folder is missing or not writable. Ends with {@link commit} or {@link discard}. */
export class AtomicFile {
  private constructor(
    private readonly file: string,
    private readonly handle: FileHandle,
    /** Where it is written and what it then replaces; undefined for a pipe or a device. */
    private readonly names: { temporary: string; final: string } | undefined,
  ) {}

  static async open(file: string): Promise<AtomicFile> {
    try {
      const there = await lookAt(file);
      if (there && !there.isFile()) {
        const reader = await waitForReader(file);
        return new AtomicFile(file, await open(file, 'w').finally(() => reader.close()), undefined);
      }
      const final = await target(file);
      const name = `.${basename(final)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
      const temporary = join(dirname(final), name);
      const out = new AtomicFile(file, await open(temporary, 'wx', there ? 0o600 : 0o666), { temporary, final });
      try {
        if (there) await likeBefore(out.handle, there);
      } catch (error) {
        await out.discard();
        throw error;
      }
      return out;
    } catch (error) {
      throw cannotWrite(file, error);
    }
  }

  /** Whether {@link overwrite} can be called: a pipe takes bytes as they come. */
  get seekable(): boolean {
    return this.names !== undefined;
  }

  async write(part: Uint8Array | string): Promise<void> {
    await this.handle.writeFile(part).catch((error) => {
      throw cannotWrite(this.file, error);
    });
  }

  /** Writes over what stands at the start. */
  async overwrite(part: Uint8Array): Promise<void> {
    try {
      await this.handle.write(part, 0, part.length, 0);
    } catch (error) {
      throw cannotWrite(this.file, error);
    }
  }

  async commit(): Promise<void> {
    try {
      if (!this.names) return await this.handle.close();
      const { temporary, final } = this.names;
      await this.handle.sync();
      await this.handle.close();
      await rename(temporary, final);
      await syncFolder(dirname(final));
    } catch (error) {
      throw cannotWrite(this.file, error);
    }
  }

  /** Removes what was written. After {@link commit} it does nothing. */
  async discard(): Promise<void> {
    await this.handle.close().catch(() => {});
    if (this.names) await rm(this.names.temporary, { force: true }).catch(() => {});
  }
}

function cannotWrite(file: string, error: unknown): Audio2VecError {
  return new Audio2VecError('ERR_FILE', `Cannot write ${file}: ${(error as Error).message}.`, { cause: error });
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
