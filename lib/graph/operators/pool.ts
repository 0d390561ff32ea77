// Pooling over windows of any size, and over whole axes.
import type { Node } from '../node.js';
import type { Operator } from '../operator.js';
import { swapped, transposedWindow } from '../window.js';

/** Added to a variance before its root, so that the derivative stays finite. */
export const deviationEpsilon = 1e-5;

export const pool: Operator<Node & { op: 'pool' }> = {
  op: 'pool',
  summary: 'the maximum, mean or standard deviation of each window, of the values that lie inside the map',
  forward: (node) => [{ step: `window_${node.mode}`, x: 0, fields: fields(node) }],
  backward: (node) => ({ step: `window_${node.mode}_backward`, x: 0, b: 'gradient', fields: fields(node) }),
  transposed: (node) => ({ ...node, kernel: swapped(node.kernel), window: transposedWindow(node.window) }),
};

function fields({ kernel, window }: Node & { op: 'pool' }): Record<string, number> {
  const { stride, padding } = window;
  return {
    kt: kernel[0],
    kf: kernel[1],
    strideT: stride[0],
    strideF: stride[1],
    padT: padding[0],
    padF: padding[1],
    number: deviationEpsilon,
  };
}
