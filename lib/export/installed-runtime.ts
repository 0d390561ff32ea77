// The runtime that proves an export is an optional peer: whether it is there is asked before the work, not after it.
import { extname } from 'node:path';
import { liteRt } from './litert-runtime.js';
import { onnxRuntime } from './onnx-runtime.js';

/** Throws `ERR_PEER_MISSING`, with what to install, if a file of this ending could not be verified here. */
export async function requireRuntimeFor(file: string): Promise<void> {
  const ending = extname(file);
  if (ending === '.onnx' || ending === '.ort') await onnxRuntime();
  if (ending === '.tflite') await liteRt();
}
