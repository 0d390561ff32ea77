// onnxruntime-node is an optional peer: only exporting needs it, and it is large.
import { Audio2VecError, argumentError } from '../util/errors.js';
import type { ModelRunner } from './parity.js';

export type OnnxRuntime = typeof import('onnxruntime-node');

/** The installed onnxruntime-node. Throws `ERR_PEER_MISSING` with what to do. */
export async function onnxRuntime(): Promise<OnnxRuntime> {
  try {
    const module = await import('onnxruntime-node');
    // A CommonJS module: its exports may only be on `default`.
    return (module.InferenceSession ? module : (module as { default?: OnnxRuntime }).default)!;
  } catch (error) {
    throw new Audio2VecError(
      'ERR_PEER_MISSING',
      'Exports are verified in ONNX Runtime, and onnxruntime-node could not be loaded ' +
        `(${(error as Error).message.split('\n')[0]}). Install it with "npm install onnxruntime-node".`,
      { cause: error },
    );
  }
}

/** Opens an `.onnx` or `.ort` model that has an output `embedding` `[N, E]`. */
export async function openOnnx(model: Uint8Array): Promise<ModelRunner> {
  const ort = await onnxRuntime();
  const session = await ort.InferenceSession.create(model);
  const output = session.outputMetadata.find((m) => m.name === 'embedding');
  const width = output?.isTensor ? output.shape.at(-1) : undefined;
  if (typeof width !== 'number') {
    throw argumentError('model', 'one with an output "embedding" [N, E]', session.outputNames);
  }
  return {
    runtime: `onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common}`,
    width,
    async run(input, shape) {
      const feed = { [session.inputNames[0]!]: new ort.Tensor('float32', input, shape) };
      const { embedding, probabilities } = await session.run(feed);
      return {
        embedding: embedding!.data as Float32Array,
        probabilities: probabilities?.data as Float32Array | undefined,
      };
    },
    close: () => session.release(),
  };
}
