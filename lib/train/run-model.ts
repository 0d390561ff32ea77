// The model of a run by the run's folder.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { runFiles } from '../systems/run-files.js';
import { Audio2VecError } from '../util/errors.js';
import { pathExists } from '../util/read-file.js';
import { readRunLog } from './run-log.js';

/** The model in a run's folder, or what other model its log names, or the file itself. Throws `ERR_FILE` for a folder
 * without a model.
 * @param system whose `<system>.safetensors` is looked for before an encoder; default: the encoder alone */
export async function modelFile(path: string, system?: string): Promise<string> {
  const isFolder = await stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  );
  if (!isFolder) return path;
  const names = [...(system === undefined ? [] : [`${system}.safetensors`]), runFiles.encoder];
  for (const file of names.map((name) => join(path, name))) if (await pathExists(file)) return file;
  const log = await readRunLog(path).catch(() => undefined);
  if (log?.model !== undefined) return join(path, log.model);
  const own = log ? log.system : system;
  const [what, command] = own ? [log ? 'model' : names[0], `train ${own}`] : [runFiles.encoder, 'pretrain'];
  throw new Audio2VecError(
    'ERR_FILE',
    `${path} holds no ${what}. A run writes it when it ends: continue it with "audio2vec ${command} … --resume".`,
  );
}
