// Functions of one value, by the name of their native step: native/engine/pointwise.h has `name` and `name_backward`.
import type { Emitted, GraphWriter } from './emission.js';

interface PointwiseFunction {
  summary: string;
  /** What the derivative is computed from. */
  saves: 'input' | 'result';
  /** What it is in an exported file. */
  emit(w: GraphWriter, name: string, x: Emitted, k: number): Emitted;
}

/** Functions by the name of their native step; `k` is the node's constant. */
export const pointwiseFunctions = {
  leaky_relu: {
    summary: 'x where it is positive, k·x elsewhere',
    saves: 'input',
    emit: (w, name, x, k) => w.leakyRelu(name, x, k),
  },
  abs: { summary: '|x|, derivative 0 at 0', saves: 'input', emit: (w, name, x) => w.unary('Abs', name, x) },
  square: { summary: 'x²', saves: 'input', emit: (w, name, x) => w.binary('Mul', name, x, x) },
  log: {
    summary: 'ln max(x, k)',
    saves: 'input',
    emit: (w, name, x, k) => w.unary('Log', name, w.binary('Max', `${name}.at_least`, x, k)),
  },
  sqrt: {
    summary: '√(max(x, 0) + k)',
    saves: 'input',
    emit: (w, name, x, k) =>
      w.unary('Sqrt', name, w.binary('Add', `${name}.above_0`, w.unary('Relu', `${name}.positive`, x), k)),
  },
  exp: { summary: 'eˣ', saves: 'result', emit: (w, name, x) => w.unary('Exp', name, x) },
  sigmoid: { summary: '1 / (1 + e⁻ˣ)', saves: 'result', emit: (w, name, x) => w.unary('Sigmoid', name, x) },
  tanh: { summary: 'tanh x', saves: 'result', emit: (w, name, x) => w.unary('Tanh', name, x) },
} as const satisfies Record<string, PointwiseFunction>;

export type PointwiseName = keyof typeof pointwiseFunctions;
