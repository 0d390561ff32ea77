// Some held-out slices beside what the decoder made of them, kept with a run so that its report needs neither the
// decoder nor the corpus.
import { join } from 'node:path';
import { z } from 'zod';
import { Audio2VecError } from '../../util/errors.js';
import { readSafetensors, type Tensor, writeSafetensors } from '../../util/safetensors.js';
import { runFiles } from '../run-files.js';
import type { Reconstruction } from './held-out.js';

const format = 'audio2vec-reconstructions';
const namesSchema = z.array(z.object({ clip: z.string(), seconds: z.number() }));

/** Writes `real` and `rebuilt`, both `[slices, frames, bands]`, into the folder of a run. */
export async function saveReconstructions(
  folder: string,
  slices: readonly Reconstruction[],
  bands: number,
): Promise<void> {
  if (slices.length === 0) return;
  const shape = [slices.length, slices[0]!.real.length / bands, bands];
  const stack = (key: 'real' | 'rebuilt'): Tensor => {
    const data = new Float32Array(shape[0]! * shape[1]! * bands);
    for (const [i, slice] of slices.entries()) data.set(slice[key], i * slice[key].length);
    return { shape, data };
  };
  await writeSafetensors(
    join(folder, runFiles.reconstructions),
    new Map([
      ['real', stack('real')],
      ['rebuilt', stack('rebuilt')],
    ]),
    { format, slices: JSON.stringify(slices.map(({ clip, seconds }) => ({ clip, seconds }))) },
  );
}

/** What {@link saveReconstructions} wrote; none if the run has not, because its task rebuilds nothing or because it has
 * not finished. Throws `ERR_MODEL_FORMAT` if the file is damaged. */
export async function readReconstructions(folder: string): Promise<Reconstruction[]> {
  const file = join(folder, runFiles.reconstructions);
  const stored = await readSafetensors(file).catch((error) => {
    if (error instanceof Audio2VecError && error.code === 'ERR_FILE') return undefined;
    throw error;
  });
  if (!stored) return [];
  const { tensors, metadata } = stored;
  try {
    const names = namesSchema.parse(JSON.parse(metadata.slices ?? ''));
    const [real, rebuilt] = [tensors.get('real'), tensors.get('rebuilt')];
    const count = names.length;
    if (metadata.format !== format || real?.shape[0] !== count || `${real.shape}` !== `${rebuilt?.shape}`) {
      throw new Error('its arrays are not what they should be');
    }
    const part = ({ data }: Tensor, i: number) => {
      if (!(data instanceof Float32Array)) throw new Error('its arrays are not of type F32');
      return data.slice((i * data.length) / count, ((i + 1) * data.length) / count);
    };
    return names.map((name, i) => ({ ...name, real: part(real, i), rebuilt: part(rebuilt!, i) }));
  } catch (cause) {
    throw new Audio2VecError('ERR_MODEL_FORMAT', `${file} holds no reconstructions: ${(cause as Error).message}.`, {
      cause,
    });
  }
}
