// What `--model` may name: a model file, the folder of a run, or nothing for the encoder that ships with the package.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Encoder } from '../../embed/encoder.js';
import { runFiles } from '../../systems/run-files.js';
import { readRunLog } from '../../train/run-log.js';
import { Audio2VecError } from '../../util/errors.js';
import { pathExists } from '../../util/read-file.js';

/** The encoder that a command was given. */
export async function chosenEncoder(model: string | undefined, threads?: number): Promise<Encoder> {
  if (model !== undefined) return Encoder.load(await modelFile(model), { threads });
  try {
    return await Encoder.pretrained({ threads });
  } catch (cause) {
    if ((cause as Audio2VecError).code !== 'ERR_FILE') throw cause;
    const advice = 'Name one with --model, for example run/encoder.safetensors.';
    throw new Audio2VecError('ERR_FILE', `This build has no pretrained encoder. ${advice}`, { cause });
  }
}

/** The encoder in a run's folder, or what other model its log names, or the file itself. */
export async function modelFile(path: string): Promise<string> {
  const isFolder = await stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  );
  if (!isFolder) return path;
  const file = join(path, runFiles.encoder);
  if (await pathExists(file)) return file;
  const log = await readRunLog(path).catch(() => undefined);
  if (log?.model !== undefined) return join(path, log.model);
  const [what, command] = log?.system ? ['model', `train ${log.system}`] : [runFiles.encoder, 'pretrain'];
  throw new Audio2VecError(
    'ERR_FILE',
    `${path} holds no ${what}. A run writes it when it ends: continue it with "audio2vec ${command} … --resume".`,
  );
}
