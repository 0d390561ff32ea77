// Windows in LiteRT's terms.
import type { Shape } from '../graph/node.js';
import { type Axes, paddingBehind, type Window } from '../graph/window.js';
import type { Field } from './tflite-builder.js';

const same = { i8: 0 };
export const valid = { i8: 1 };

/** LiteRT's words for the padding of a window, as far as they fit. */
export function paddingKinds(kernel: Axes, window: Window, from: Shape, to: Shape): { same?: Field; valid?: Field } {
  const behind = paddingBehind(kernel, window, axesOf(from), axesOf(to));
  const both = [0, 1] as const;
  const isSame = both.every((i) => {
    const outputs = Math.ceil(from[i]! / window.stride[i]);
    const total = (outputs - 1) * window.stride[i] + (kernel[i] - 1) * window.dilation[i] + 1 - from[i]!;
    return to[i] === outputs && window.padding[i] === Math.floor(Math.max(0, total) / 2);
  });
  const isValid = both.every((i) => window.padding[i] === 0 && behind[i] === 0);
  return { same: isSame ? same : undefined, valid: isValid ? valid : undefined };
}

/** Taps of a window over those that lie inside the map, for each output. */
export function shareInside(kernel: Axes, { stride, padding }: Window, from: Shape, to: Shape): Float32Array {
  const share = (i: 0 | 1) =>
    Array.from({ length: to[i]! }, (_, at) => {
      const first = at * stride[i] - padding[i];
      return kernel[i] / (Math.min(first + kernel[i], from[i]!) - Math.max(first, 0));
    });
  const [t, f] = [share(0), share(1)];
  return Float32Array.from(t.flatMap((a) => f.map((b) => a * b)));
}

export const axesOf = (shape: Shape) => shape as unknown as Axes;
