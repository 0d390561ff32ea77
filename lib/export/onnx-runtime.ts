// onnxruntime-node is an optional peer: only exporting needs it, and it is large.
import { Audio2VecError } from '../errors.js';

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
