// What every export checks before minutes of work.
import { extname } from 'node:path';
import type { Precision } from '../models/deployed-model.js';
import { checkWritable } from '../util/atomic-write.js';
import { argumentError } from '../util/errors.js';

export type { Precision };

const precisions: readonly Precision[] = ['float32', 'float16', 'int8'];
export const tflitePrecisions: readonly Precision[] = ['float32', 'int8'];
const oneOf = (choices: readonly string[]) => choices.map((choice) => JSON.stringify(choice)).join(' or ');

/** That there is a place to write to, and a format by the name's ending. */
export async function checkFile(file: string, endings: readonly string[]): Promise<void> {
  if (typeof file !== 'string' || !endings.includes(extname(file))) {
    throw argumentError('file', `a name ending in ${endings.join(' or ')}`, file);
  }
  await checkWritable(file);
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
  checkPrecision(precision, { '.tflite': tflitePrecisions });
  if (batch === 'dynamic') throw argumentError('batch', 'a fixed number for .tflite', batch);
  if (samples === 'any') throw argumentError('samples', '"slice" for .tflite', samples);
}

/** @param limited what does not have all precisions, such as a kind of model, by its name: those it has */
export function checkPrecision(
  precision: Precision,
  limited: Readonly<Record<string, readonly Precision[] | undefined>> = {},
): void {
  const limits = Object.entries(limited).filter(([, some]) => some !== undefined);
  const possible = precisions.filter((one) => limits.every(([, some]) => some!.includes(one)));
  if (possible.includes(precision)) return;
  const of = limits.length > 0 ? ` for ${limits.map(([name]) => name).join(' as ')}` : '';
  throw argumentError('precision', `${oneOf(possible)}${of}`, precision);
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
