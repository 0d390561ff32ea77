// What `--model` may name: a metric's file, or the folder of a run.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Audio2VecError } from '../../util/errors.js';

export const MODEL_NAME = 'metric.safetensors';

/** The metric in a run's folder, or the file itself. */
export async function metricFile(path: string): Promise<string> {
  const exists = (file: string, folder: boolean) =>
    stat(file).then(
      (info) => info.isDirectory() === folder,
      () => false,
    );
  if (!(await exists(path, true))) return path;
  const file = join(path, MODEL_NAME);
  if (await exists(file, false)) return file;
  throw new Audio2VecError('ERR_FILE', `${path} holds no ${MODEL_NAME}. A run writes it when it ends.`);
}
