// The front end in an exported model: what a front end's `emit` asks for (lib/features/front-end-writer.ts), in ONNX. The
// same for LiteRT is in tflite-front-end.ts.
import type { FrontEndWriter } from '../features/front-end-writer.js';
import { type FrontEndConfig, frontEndOf } from '../features/front-ends.js';
import { argumentError } from '../util/errors.js';
import type { OnnxBuilder } from './onnx-builder.js';
import { emitWindows } from './onnx-windows.js';

export { emitLogMel } from '../features/log-mel-operators.js';

/** Appends a front end: waveform `[N, samples]` → features `[N, frames, width]`.
 * @throws `ERR_ARGUMENT` if this front end can't be exported */
export function emitFrontEnd(
  writer: FrontEndWriter,
  waveform: string,
  samples: number | 'any',
  config: FrontEndConfig,
): string {
  const entry = frontEndOf(config);
  if (entry.emit) return entry.emit(writer, waveform, samples, config);
  throw argumentError('input', `left out: ${entry.title} can't be exported, so the model takes features`, 'waveform');
}

export function onnxFrontEndWriter(b: OnnxBuilder): FrontEndWriter {
  return {
    constant: (name, data, dims) => b.constant(name, data, dims),
    node: (op: string, name: string, inputs: readonly string[], attributes?: { axis: number }) =>
      b.node(op, name, inputs, attributes),
    windows: (name, waveform, { samples, length, hop }) =>
      emitWindows(b, name, waveform, { count: samples, length, hop }),
    pad: (name, waveform, before, behind) => b.node('Pad', name, [waveform, b.ints(0, before, 0, behind)]),
    crop: (name, waveform, from, count) =>
      b.node('Slice', name, [waveform, b.ints(from), b.ints(from + count), b.ints(1)]),
    flatten: (name, x) => b.node('Reshape', name, [x, b.ints(0, -1)]),
  };
}
