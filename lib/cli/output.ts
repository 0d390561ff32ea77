// What `-o` may name, by one rule for all commands that write recordings' files into a folder.
import { mkdir, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { Audio2VecError, argumentError } from '../util/errors.js';

/** Whether it is a folder: one that exists, a name without an ending, or one with / behind it. Else it must have one of
 * `endings`, so that no folder is made of what was meant as a file.
 * @throws `ERR_ARGUMENT`; `ERR_FILE` for a file in the place of a folder */
export async function isOutputFolder(output: string, endings: readonly string[]): Promise<boolean> {
  const there = await stat(output).catch(() => undefined);
  if (there?.isDirectory() || /[\\/]$/.test(output)) return true;
  const ending = extname(output).toLowerCase();
  if (endings.includes(ending)) return false;
  if (there) throw notAFolder(output);
  if (ending === '') return true;
  const files = endings.length > 0 ? `a name ending in ${endings.join(' or ')}, or ` : '';
  throw argumentError('--output', `${files}a folder (a new one: without an ending, or with / behind it)`, output);
}

/** @throws `ERR_FILE` */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((cause) => {
    if (cause.code === 'EEXIST') throw notAFolder(folder, { cause });
    throw new Audio2VecError('ERR_FILE', `Cannot make the folder ${folder}: ${cause.message}.`, { cause });
  });
}

function notAFolder(folder: string, options?: ErrorOptions): Audio2VecError {
  return new Audio2VecError('ERR_FILE', `Cannot make the folder ${folder}: there is a file of this name.`, options);
}
