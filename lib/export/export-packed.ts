// Writes an encoder with 8-bit weights for `Encoder.load`, after proving that it does what the float one does.
import { Encoder } from '../embed/encoder.js';
import { inferenceLayers } from '../graph/inference.js';
import {
  type EncoderModel,
  encoderGraph,
  encoderMetadata,
  normalizationTensors,
  parseEncoderModel,
} from '../models/encoder-model.js';
import { writeFileAtomic } from '../util/atomic-write.js';
import { safetensorsBytes, type Tensor } from '../util/safetensors.js';
import { defaultLimits, type Exported } from './export-onnx.js';
import { checkParity, type ModelRunner, measureParity, type ParityCase, type ParityLimits } from './parity.js';
import { quantizeWeight } from './quantization.js';

export interface ExportPackedOptions {
  /** Log-mel slices `[N, T, F]` and the float encoder's embeddings of them. */
  cases: readonly ParityCase[];
  /** Default: {@link defaultLimits}. */
  limits?: ParityLimits;
  threads?: number;
  signal?: AbortSignal;
}

/** Exports to a `.safetensors` file (lib/models/packed-weights.ts says what is in it). It is first read back and run on
 * all cases; errors are stored in the metadata under `parity`. Beyond the limits the file is kept as
 * `….rejected.safetensors` and `ERR_PARITY` is thrown. */
export async function exportPacked(file: string, model: EncoderModel, options: ExportPackedOptions): Promise<Exported> {
  const { cases, limits = defaultLimits('int8'), threads, signal } = options;
  const tensors = packedTensors(model);
  const metadata = { ...encoderMetadata(model), precision: 'int8' };
  const parity = await measureParity(openPacked(safetensorsBytes(tensors, metadata), threads), cases, { signal });
  const bytes = safetensorsBytes(tensors, { ...metadata, parity: JSON.stringify({ ...parity, limits }) });
  await checkParity(file, bytes, parity, limits);
  await writeFileAtomic(file, bytes);
  return { file, bytes: bytes.length, parity };
}

function packedTensors(model: EncoderModel): Map<string, Tensor> {
  const tensors = normalizationTensors(model);
  // Weights of what is not read would be a seventh of the file.
  const { params, nodes } = encoderGraph(model.config, model.readOut === 'whitened' ? 'whitened' : 'embedding').graph;
  const shapes = new Map(params.map(({ name, shape }) => [name, shape]));
  for (const layer of inferenceLayers(nodes, model.weights)) {
    if (layer.op !== 'conv' && layer.op !== 'dense') continue;
    const {
      name,
      arrays: { weight, bias },
    } = layer;
    const { values, scales } = quantizeWeight(weight, bias.length);
    tensors.set(`${name}.weight`, { shape: shapes.get(`${name}.weight`)!, data: values });
    tensors.set(`${name}.weight.scale`, { shape: [bias.length], data: scales });
    tensors.set(`${name}.bias`, { shape: [bias.length], data: bias });
  }
  return tensors;
}

function openPacked(bytes: Buffer, threads?: number): ModelRunner {
  const encoder = Encoder.fromModel(parseEncoderModel(bytes, 'The packed encoder'), { threads });
  return {
    runtime: 'The file, read back,',
    inputs: ['log_mel'],
    outputs: new Map([['embedding', encoder.dimension]]),
    async run({ log_mel }) {
      const { embeddings } = await encoder.embedLogMel(log_mel!.values, { hop: encoder.config.frames });
      return { embedding: embeddings };
    },
    close: async () => {},
  };
}
