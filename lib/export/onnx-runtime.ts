// onnxruntime-node is an optional peer: only exporting needs it, and it is large.
import { Audio2VecError } from '../util/errors.js';
import type { ModelRunner } from './output-parity.js';

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

/** Opens an `.onnx` or `.ort` model. */
export async function openOnnx(model: Uint8Array): Promise<ModelRunner> {
  const ort = await onnxRuntime();
  const session = await ort.InferenceSession.create(model);
  return {
    runtime: `onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common}`,
    inputs: session.inputNames,
    outputs: new Map(session.outputMetadata.map((o) => [o.name, o.isTensor ? valuesOf(o.shape) : 0])),
    async run(inputs) {
      const feed = Object.entries(inputs).map(([name, x]) => [name, new ort.Tensor('float32', x.values, x.shape)]);
      const results = await session.run(Object.fromEntries(feed));
      return Object.fromEntries(session.outputNames.map((name) => [name, results[name]!.data as Float32Array]));
    },
    close: () => session.release(),
  };
}

/** Values of an example: of all axes but the first. */
export function valuesOf(shape: readonly (number | string)[]): number {
  return shape.slice(1).reduce<number>((n, size) => n * Number(size), 1);
}
