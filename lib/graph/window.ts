// Windows of convolutions and pools: sizes along frames and along bands.
import { checkInteger } from '../util/arguments.js';
import { argumentError } from '../util/errors.js';

/** Something along frames and along bands. */
export type Axes = readonly [number, number];

export type Padding = 'same' | 'causal' | 'none';

/** How a window moves: values from one output to the next, from one tap to the next, and zeros before the first value. */
export interface Window {
  stride: Axes;
  dilation: Axes;
  padding: Axes;
}

/** That of a convolution whose node names none: every position, with zeros at both ends. */
export function unitWindow(kernel: Axes): Window {
  return { stride: [1, 1], dilation: [1, 1], padding: [(kernel[0] - 1) / 2, (kernel[1] - 1) / 2] };
}

/** Zeros after the last value that the last window reads, for an axis of `size` values. */
export function paddingBehind(kernel: Axes, window: Window, size: Axes, outputs: Axes): Axes {
  const along = (i: 0 | 1) => {
    const reach = (kernel[i] - 1) * window.dilation[i] + 1;
    return Math.max(0, (outputs[i] - 1) * window.stride[i] + reach - window.padding[i] - size[i]);
  };
  return [along(0), along(1)];
}

/** Frames and bands in each other's place. */
export function swapped([frames, bands]: Axes): Axes {
  return [bands, frames];
}

export function transposedWindow({ stride, dilation, padding }: Window): Window {
  return { stride: swapped(stride), dilation: swapped(dilation), padding: swapped(padding) };
}

/** `3×1`. */
export function sizeText([frames, bands]: Axes): string {
  return `${frames}×${bands}`;
}

/** Stride and dilation where they are not the usual ones: ` / 2×1 dilated 4×1`. */
export function stepText(window: Window | undefined, usualStride: Axes = [1, 1]): string {
  const stride = window && sizeText(window.stride) !== sizeText(usualStride) ? ` / ${sizeText(window.stride)}` : '';
  const dilation = window && sizeText(window.dilation) !== '1×1' ? ` dilated ${sizeText(window.dilation)}` : '';
  return stride + dilation;
}

/** A kernel of more taps along an axis would be slow and is hardly meant. */
const MOST_TAPS = 15;
const MOST_STEP = 4096;

const axes = ['frames', 'bands'] as const;

export interface WindowOptions {
  /** Default 1. */
  stride?: number | Axes;
  dilation?: number | Axes;
  /** By axis: `same` (zeros at both ends, as many outputs as inputs / stride), `causal` (all zeros before the first
   * value) or `none`. Default `same`. */
  padding?: Padding | readonly [Padding, Padding];
}

/** Checks the geometry, places the zeros and counts the outputs along frames and bands. */
export function windowOf(
  name: string,
  kernel: Axes,
  size: Axes,
  { stride = 1, dilation = 1, padding = 'same' }: WindowOptions,
  mostTaps = MOST_TAPS,
): { window: Window; outputs: Axes } {
  checkAxes(`kernel of ${name}`, kernel);
  for (const [what, v] of Object.entries({ stride, dilation, padding })) {
    if (Array.isArray(v)) checkAxes(`${what} of ${name}`, v);
  }
  const both = <T>(v: T | readonly [T, T]) => (Array.isArray(v) ? [...v] : [v, v]) as [T, T];
  const window = { stride: both(stride), dilation: both(dilation), padding: [0, 0] as [number, number] };
  const outputs = axes.map((axis, i) => {
    const [values, step] = [size[i]!, window.stride[i]!];
    checkInteger(`kernel of ${name} along ${axis}`, kernel[i], 1, mostTaps);
    checkInteger(`stride of ${name} along ${axis}`, step, 1, MOST_STEP);
    checkInteger(`dilation of ${name} along ${axis}`, window.dilation[i], 1, MOST_STEP);
    const reach = (kernel[i]! - 1) * window.dilation[i]!;
    const kind = both(padding)[i];
    if (kind === 'none') {
      if (reach < values) return Math.floor((values - 1 - reach) / step) + 1;
      throw argumentError(`kernel of ${name} along ${axis}`, `at most the ${values} that there are`, reach + 1);
    }
    const count = Math.floor((values - 1) / step) + 1;
    if (kind === 'causal') window.padding[i] = reach;
    else if (kind === 'same') {
      window.padding[i] = Math.floor(Math.max(0, (count - 1) * step + reach + 1 - values) / 2);
    } else throw argumentError(`padding of ${name}`, '"same", "causal" or "none"', kind);
    return count;
  });
  return { window, outputs: outputs as [number, number] };
}

/** Throws unless there is one for frames and one for bands. */
export function checkAxes(what: string, axes: unknown): void {
  if (!Array.isArray(axes) || axes.length !== 2) {
    throw argumentError(what, '[along frames, along bands]', Array.isArray(axes) ? `${axes.length} of them` : axes);
  }
}
