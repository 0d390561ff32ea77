// Which model files can be exported, by the `format` in their metadata.
import type { DeployedModel } from '../models/deployed-model.js';
import { deployedEncoder, parseEncoderModel } from '../models/encoder-model.js';
import { deployedInversion, inversionFormat, parseInversionModel } from '../systems/articulation/inversion-model.js';
import { deployedMetric } from '../systems/cdpam/deployed.js';
import { metricFormat, parseMetricModel } from '../systems/cdpam/metric-model.js';
import { deployedPitch } from '../systems/pitch/deployed.js';
import { parsePitchModel, pitchFormat } from '../systems/pitch/model.js';
import { deployedCodes } from '../systems/wav2vec-c/deployed.js';
import { codesFormat, parseCodesModel } from '../systems/wav2vec-c/model.js';
import { Audio2VecError } from '../util/errors.js';
import { readWholeFile } from '../util/read-file.js';
import { parseSafetensors } from '../util/safetensors.js';

export const encoderFormat = 'audio2vec-encoder';

/** What of a file is exported; `file` stands in errors. A line for each kind of model. */
const formats: Readonly<Record<string, (bytes: Buffer, file: string) => DeployedModel>> = {
  [encoderFormat]: (bytes, file) => deployedEncoder(parseEncoderModel(bytes, file)),
  [metricFormat]: (bytes, file) => deployedMetric(parseMetricModel(bytes, file), 'narrow'),
  [pitchFormat]: (bytes, file) => deployedPitch(parsePitchModel(bytes, file)),
  [inversionFormat]: (bytes, file) => deployedInversion(parseInversionModel(bytes, file)),
  [codesFormat]: (bytes, file) => deployedCodes(parseCodesModel(bytes, file)),
};

/** The model in a file, whichever it is, with its format. Throws `ERR_FILE` if there is no such file, and
 * `ERR_MODEL_FORMAT` if it is damaged or no model that can be exported. */
export async function loadDeployed(file: string): Promise<{ format: string; deployed: DeployedModel }> {
  const bytes = await readWholeFile(file);
  const { format } = parseSafetensors(bytes, file).metadata;
  const load = format !== undefined && Object.hasOwn(formats, format) ? formats[format] : undefined;
  if (load) return { format: format!, deployed: load(bytes, file) };
  const known = Object.keys(formats).join(', ');
  const found = format === undefined ? 'its metadata names no format' : `its format is "${format}"`;
  throw new Audio2VecError('ERR_MODEL_FORMAT', `${file} is no model that can be exported (${known}): ${found}.`);
}
