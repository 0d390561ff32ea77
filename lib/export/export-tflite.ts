// Writes an encoder's .tflite file, after proving that it does what the native encoder does.
import { extname } from 'node:path';
import type { EncoderModel } from '../models/encoder-model.js';
import { writeFileAtomic } from '../util/atomic-write.js';
import { argumentError } from '../util/errors.js';
import { defaultLimits, type Exported } from './export-onnx.js';
import { checkParity, measureParity, type ParityCase, type ParityLimits } from './parity.js';
import { buildTflite, type TfliteOptions } from './tflite.js';
import { verifiedTflite } from './verified.js';

export interface ExportTfliteOptions extends TfliteOptions {
  /** Real inputs, `batch` rows each, and the native encoder's embeddings of them. */
  cases: readonly ParityCase[];
  /** Default: {@link defaultLimits}. */
  limits?: ParityLimits;
}

/** Exports to a `.tflite` file. The model is first run in LiteRT on all cases; errors are stored in the metadata under
 * `audio2vec.parity`. Beyond the limits the file is kept as `….rejected.tflite` and `ERR_PARITY` is thrown. */
export async function exportTflite(file: string, model: EncoderModel, options: ExportTfliteOptions): Promise<Exported> {
  const { cases, input, quantize, signal } = options;
  if (extname(file) !== '.tflite') throw argumentError('file', 'a name ending in .tflite', file);
  const limits = options.limits ?? defaultLimits(quantize ? 'int8' : 'float32', input);
  const { bytes, parity } = await verifiedTflite(await buildTflite(model, options), {
    run: (opened) => measureParity(opened, cases, { signal }),
    limits,
  });
  await checkParity(file, bytes, parity, limits);
  await writeFileAtomic(file, bytes);
  return { file, bytes: bytes.length, parity };
}
