// What every export checks before minutes of work.
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { Audio2VecError, argumentError } from '../util/errors.js';

/** How weights are stored; `int8` also computes in integers. */
export type Precision = 'float32' | 'float16' | 'int8';

const precisions: readonly Precision[] = ['float32', 'float16', 'int8'];
const oneOf = (choices: readonly string[]) => choices.map((choice) => JSON.stringify(choice)).join(' or ');

/** That there is a place to write to, and a format by the name's ending. */
export async function checkFile(file: string, endings: readonly string[]): Promise<void> {
  if (typeof file !== 'string' || !endings.includes(extname(file))) {
    throw argumentError('file', `a name ending in ${endings.join(' or ')}`, file);
  }
  const folder = dirname(file);
  await access(folder, constants.W_OK).catch((cause) => {
    const reason = cause.code === 'ENOENT' ? `there is no folder ${folder}` : `${folder} is not writable`;
    throw new Audio2VecError('ERR_FILE', `Cannot write ${file}: ${reason}.`, { cause });
  });
}

/** What LiteRT has no form for. */
export function checkTflite({
  precision,
  batch,
  samples,
}: {
  precision: Precision;
  batch?: unknown;
  samples?: string;
}) {
  if (precision === 'float16') throw argumentError('precision', '"float32" or "int8" for .tflite', precision);
  if (batch === 'dynamic') throw argumentError('batch', 'a fixed number for .tflite', batch);
  if (samples === 'any') throw argumentError('samples', '"slice" for .tflite', samples);
}

export function checkPrecision(precision: Precision): void {
  if (!precisions.includes(precision)) throw argumentError('precision', oneOf(precisions), precision);
}

export function checkClips(clips: readonly Float32Array[] | undefined, calibrate: boolean): void {
  if (clips !== undefined && !Array.isArray(clips)) throw argumentError('clips', 'a list of Float32Arrays', clips);
  if (calibrate && !clips?.length) {
    throw argumentError('clips', 'given for int8: real recordings to find the ranges of values with', 'none');
  }
  for (const [i, clip] of clips?.entries() ?? []) {
    if (!(clip instanceof Float32Array)) throw argumentError(`clips[${i}]`, 'a Float32Array', clip);
    if (clip.length === 0) throw argumentError(`clips[${i}]`, 'at least a sample long', clip.length);
    const at = clip.findIndex((x) => !Number.isFinite(x));
    if (at >= 0) throw argumentError(`clips[${i}][${at}]`, 'finite', clip[at]);
  }
}
