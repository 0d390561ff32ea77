// What `--model` may name: a model file, the folder of a run, or nothing for the encoder that ships with the package.
import { Encoder } from '../../../embed/encoder.js';
import { bestReadOut } from '../../../models/encoder-model.js';
import type { ReadOut } from '../../../models/read-out.js';
import { modelFile } from '../../../train/run-model.js';
import { Audio2VecError } from '../../../util/errors.js';

export { modelFile };

/** The encoder that a command was given. */
export async function chosenEncoder(model: string | undefined, threads?: number, readOut?: ReadOut): Promise<Encoder> {
  const options = { threads, readOut };
  if (model !== undefined) return Encoder.load(await modelFile(model), options);
  try {
    return await Encoder.pretrained(options);
  } catch (cause) {
    if ((cause as Audio2VecError).code !== 'ERR_FILE') throw cause;
    const advice = 'Name one with --model, for example run/encoder.safetensors.';
    throw new Audio2VecError('ERR_FILE', `This build has no pretrained encoder. ${advice}`, { cause });
  }
}

/** The encoder that a command was given, read as labels are told from best, unless the command or the model says otherwise. */
export async function encoderForLabels(
  model: string | undefined,
  threads?: number,
  readOut?: ReadOut,
): Promise<Encoder> {
  const encoder = await chosenEncoder(model, threads, readOut);
  const best = bestReadOut(encoder.model);
  if (best === 'embedding' || encoder.model.readOut === best) return encoder;
  encoder.close();
  return Encoder.fromModel(encoder.model, { threads, readOut: best });
}
