// What all model files have in common: safetensors whose metadata name a format and its version.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { pathExists, readWholeFile } from '../util/read-file.js';
import { parseSafetensors, type Safetensors } from '../util/safetensors.js';

/** Safetensors of a known format, and the error for what else is wrong in it. */
export interface ModelFile extends Safetensors {
  bad(reason: string, cause?: unknown): Audio2VecError;
}

/** Opens the bytes of a model file. Throws `ERR_MODEL_FORMAT` if they are damaged, of another format or version.
 * @param file its name, for messages
 * @param what it should be: `an encoder`
 * @param unversioned the version of files that name none: written before the format had versions */
export function openModelFile(
  bytes: Buffer,
  file: string,
  { what, format, version, unversioned }: { what: string; format: string; version: string; unversioned?: string },
): ModelFile {
  const { tensors, metadata } = parseSafetensors(bytes, file);
  const bad = (reason: string, cause?: unknown) =>
    new Audio2VecError('ERR_MODEL_FORMAT', `${file} is not ${what} of this version: ${reason}.`, { cause });
  if (metadata.format !== format) {
    const other = metadata.format === undefined ? '' : ` but "${metadata.format}"`;
    throw bad(`its metadata does not say format "${format}"${other}`);
  }
  const found = metadata.version ?? unversioned;
  if (found !== version) throw bad(`it has version ${found}, this package reads ${version}`);
  return { tensors, metadata, bad };
}

/** The bytes of a model file, and its path: of the file itself, or of the one of this name in the folder of a run.
 * @throws `ERR_ARGUMENT` for what is no path, `ERR_FILE` */
export async function readModelFile(path: string, name: string): Promise<{ bytes: Buffer; file: string }> {
  if (typeof path !== 'string' || path === '') throw argumentError('file', 'a path', path);
  const isFolder = await stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  );
  const file = isFolder ? join(path, name) : path;
  if (!isFolder || (await pathExists(file))) return { bytes: await readWholeFile(file), file };
  const advice = 'Name a model file, or the folder of a run that has ended.';
  throw new Audio2VecError('ERR_FILE', `${path} is a folder without ${name}. ${advice}`);
}

/** Why parsing failed, as the end of a sentence. */
export function reasonOf(error: unknown): string {
  const why = error instanceof z.ZodError ? z.prettifyError(error).replaceAll('\n', ' ') : (error as Error).message;
  return why.replace(/\.$/, '');
}
