// What all model files have in common: safetensors whose metadata name a format and its version.
import { z } from 'zod';
import { Audio2VecError } from '../util/errors.js';
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

/** Why parsing failed, as the end of a sentence. */
export function reasonOf(error: unknown): string {
  const why = error instanceof z.ZodError ? z.prettifyError(error).replaceAll('\n', ' ') : (error as Error).message;
  return why.replace(/\.$/, '');
}
