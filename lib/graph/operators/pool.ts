// Pooling over windows of any size, and over whole axes.
import type { Emitted, GraphWriter } from '../emission.js';
import type { Node, Shape } from '../node.js';
import type { Operator } from '../operator.js';
import { sizeText, stepText, swapped, transposedWindow } from '../window.js';

/** Added to a variance before its root, so that the derivative stays finite. */
export const deviationEpsilon = 1e-5;

export const pool: Operator<Node & { op: 'pool' }> = {
  op: 'pool',
  summary: 'the maximum, mean or standard deviation of each window, of the values that lie inside the map',
  title: ({ mode, kernel, window }) => `${mode}-pool ${sizeText(kernel)}${stepText(window, kernel)}`,
  overInput: true,
  forward: (node) => [{ step: `window_${node.mode}`, x: 0, fields: fields(node) }],
  backward: (node) => ({ step: `window_${node.mode}_backward`, x: 0, b: 'gradient', fields: fields(node) }),
  transposed: (node) => ({ ...node, kernel: swapped(node.kernel), window: transposedWindow(node.window) }),
  emit(w, { name, mode, kernel, window, shape }, [x]) {
    // A vector is the pool of a whole map, without its axes.
    const result: Shape = shape.length === 3 ? shape : [1, 1, shape[0]];
    const end = shape.length === 3 ? name : `${name}.${mode}`;
    const pooled = (label: string, of: Emitted, by: 'max' | 'mean') =>
      w.pool(label, of, { mode: by, kernel, window, shape: result });
    const value =
      mode === 'std' ? deviation(w, name, end, x!, (label, of) => pooled(label, of, 'mean')) : pooled(end, x!, mode);
    return shape.length === 3 ? value : w.reshape(name, value, shape, value.rows);
  },
};

/** √(mean(x²) - mean(x)²), of values less their channel's mean over the map, so that float32 suffices. */
function deviation(
  w: GraphWriter,
  name: string,
  end: string,
  x: Emitted,
  mean: (label: string, of: Emitted) => Emitted,
): Emitted {
  const near = w.binary('Sub', `${name}.centred`, x, w.reduce('mean', `${name}.centre`, x, 'positions'));
  const squares = mean(`${name}.squares`, w.binary('Mul', `${name}.square`, near, near));
  const offset = mean(`${name}.mean`, near);
  const variance = w.binary('Sub', `${name}.variance`, squares, w.binary('Mul', `${name}.offset`, offset, offset));
  const positive = w.unary('Relu', `${name}.positive`, variance);
  return w.unary('Sqrt', end, w.binary('Add', `${name}.above_0`, positive, deviationEpsilon));
}

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
