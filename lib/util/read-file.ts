import { readFile, stat } from 'node:fs/promises';
import { Audio2VecError } from './errors.js';

/** The whole file, or `ERR_FILE` naming it. */
export async function readWholeFile(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new Audio2VecError('ERR_FILE', `Cannot read ${file}: ${reasonOf(error as NodeJS.ErrnoException)}.`, {
      cause: error,
    });
  }
}

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EISDIR') return 'it is a folder';
  return message;
}

/** Whether there is something at this path. */
export function pathExists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
