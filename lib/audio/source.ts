// A recording's bytes, from memory or from disk, read a piece at a time.
import type { Stats } from 'node:fs';
import { access, constants, type FileHandle, lstat, open, stat } from 'node:fs/promises';
import { Audio2VecError } from '../util/errors.js';

export interface Source {
  /** What to call it in errors. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly signal?: AbortSignal;
  /** Absent for bytes in memory. */
  readonly path?: string;
  /** Absent for files. Private to this reading: nobody else holds them. */
  readonly bytes?: Uint8Array<ArrayBuffer>;
  /** `length` bytes from `at` on, fewer where the file ends. */
  read(at: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** @param bytes are copied: they might be changed or given away while other threads work on them. */
export function memorySource(bytes: Uint8Array, name: string, signal?: AbortSignal): Source {
  const own = new Uint8Array(bytes);
  return {
    ...{ name, signal, size: own.length, bytes: own },
    read: async (at, length) => own.subarray(at, at + length),
    close: async () => {},
  };
}

/** @throws {@link Audio2VecError} `ERR_FILE` when there is no such file or it cannot be read. */
export async function fileSource(path: string, name: string, signal?: AbortSignal): Promise<Source> {
  const attempt = async <T>(work: () => Promise<T>): Promise<T> => {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (error instanceof Audio2VecError) throw error;
      throw fileError(path, error as NodeJS.ErrnoException);
    }
  };
  const info = await attempt(() => lookAt(path));
  // Before opening: to open a pipe that nobody writes to would wait for ever.
  if (!info.isFile()) {
    throw new Audio2VecError('ERR_FILE', `${path}: ${await whatElse(path, info)}.`);
  }
  const handle = await attempt(() => open(path, 'r'));
  return {
    ...{ name, signal, path, size: info.size },
    read: (at, length) => attempt(() => readFully(handle, at, Math.min(length, Math.max(0, info.size - at)))),
    close: () => handle.close(),
  };
}

async function lookAt(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (error) {
    const isLink = (error as NodeJS.ErrnoException).code === 'ENOENT' && (await isSymbolicLink(path));
    throw isLink ? new Audio2VecError('ERR_FILE', `${path}: a link to a file that is not there.`) : error;
  }
}

async function whatElse(path: string, info: Stats): Promise<string> {
  if (!info.isDirectory()) return 'not a regular file; name an audio file';
  const denied = await access(path, constants.R_OK | constants.X_OK).then(
    () => false,
    () => true,
  );
  return denied ? 'a folder that cannot be opened: no permission' : 'a folder; name an audio file';
}

const isSymbolicLink = (path: string) =>
  lstat(path).then(
    (info) => info.isSymbolicLink(),
    () => false,
  );

async function readFully(handle: FileHandle, at: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, at + done);
    if (bytesRead === 0) break; // it became shorter meanwhile
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

function fileError(path: string, error: NodeJS.ErrnoException): Audio2VecError {
  return new Audio2VecError('ERR_FILE', `${path}: ${reasonOf(path, error)}.`, { cause: error });
}

function reasonOf(path: string, { code, message }: NodeJS.ErrnoException): string {
  if (code === 'EACCES' || code === 'EPERM') return 'no permission to read it';
  if (code === 'ELOOP') return 'a link that leads to itself';
  if (code !== 'ENOENT') return message;
  // Names are bytes; in a string those that are not UTF-8 have become U+FFFD, and no file is called that.
  if (path.includes('\ufffd')) return 'its name is not valid UTF-8; rename it, for example with convmv';
  return 'no such file';
}
