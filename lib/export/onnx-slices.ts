// A recording of any length in an ONNX graph: filled up to a slice, and its features cut into slices as
// `Encoder.timestampEmbeddings` cuts them (lib/features/slices.ts).
import type { OnnxBuilder } from './onnx-builder.js';
import { emitWindows, toTheEnd } from './onnx-windows.js';

/** `[1, T, width]` → slices `[slices, frames, width]`, one every `hop` frames and one more at the end if frames are left
 * over; all begin at multiples of `step`, of which `hop` is one. */
export function emitSlices(
  b: OnnxBuilder,
  features: string,
  { frames, width, hop, step }: { frames: number; width: number; hop: number; step: number },
): string {
  const all = step > 1 ? emitWholeSteps(b, features, { frames, step }) : features;
  const windows = emitWindows(b, 'windows', all, { count: 'any', length: frames, hop, inner: width });
  const whole = b.node('Reshape', 'whole_slices', [windows, b.ints(-1, frames, width)]);
  return hop <= frames ? emitLastSlice(b, all, whole, { frames, hop }) : whole;
}

/** Appends the last `frames` frames of `all` `[1, T, F]` to the slices, unless the last slice ends there already. */
function emitLastSlice(b: OnnxBuilder, all: string, slices: string, { frames, hop }: { frames: number; hop: number }) {
  const last = b.node('Slice', 'last_slice', [all, b.ints(-frames), b.ints(toTheEnd), b.ints(1)]);
  const both = b.node('Concat', 'slices_and_last', [slices, last], { axis: 0 });
  // Covered: (count - 1) · hop + frames.
  const count = emitSize(b, slices, 0);
  const covered = b.node('Add', 'covered', [b.node('Mul', 'hops', [count, b.ints(hop)]), b.ints(frames - hop)]);
  const left = b.node('Sub', 'frames_left', [emitSize(b, all, 1), covered]);
  const more = b.node('Min', 'one_if_left', [left, b.ints(1)]);
  return b.node('Slice', 'log_mel_slices', [both, b.ints(0), b.node('Add', 'slice_count', [count, more]), b.ints(0)]);
}

/** Leaves out the last frames of `[1, T, F]`, fewer than `step`, so that a slice of `frames` that ends with what remains
 * begins at a multiple of `step`. */
function emitWholeSteps(b: OnnxBuilder, x: string, { frames, step }: { frames: number; step: number }): string {
  const after = b.node('Sub', 'frames_after', [emitSize(b, x, 1), b.ints(frames)]);
  const steps = b.node('Mul', 'whole_steps', [b.node('Div', 'steps_after', [after, b.ints(step)]), b.ints(step)]);
  const end = b.node('Add', 'steps_end', [steps, b.ints(frames)]);
  return b.node('Slice', 'in_steps', [x, b.ints(0), end, b.ints(1)]);
}

function emitSize(b: OnnxBuilder, x: string, axis: number): string {
  return b.node('Gather', `${x}.count`, [b.node('Shape', `${x}.shape`, [x]), b.ints(axis)], { axis: 0 });
}

/** Appends silence to `[1, samples]` until it has at least `least` samples. */
export function emitFillUp(b: OnnxBuilder, x: string, least: number): string {
  const missing = b.node('Sub', 'silence.missing', [b.ints(least), emitSize(b, x, 1)]);
  const silence = b.node('Max', 'silence', [missing, b.ints(0)]);
  const pads = b.node('Concat', 'silence.pads', [b.ints(0, 0, 0), silence], { axis: 0 });
  return b.node('Pad', 'waveform.filled', [x, pads]);
}
