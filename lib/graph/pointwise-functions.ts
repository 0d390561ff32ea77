// Functions of one value, by the name of their native step: native/engine/pointwise.h has `name` and `name_backward`.

interface PointwiseFunction {
  summary: string;
  /** What the derivative is computed from. */
  saves: 'input' | 'result';
}

/** Functions by the name of their native step; `k` is the node's constant. */
export const pointwiseFunctions = {
  leaky_relu: {
    summary: 'x where it is positive, k·x elsewhere',
    saves: 'input',
  },
  abs: { summary: '|x|, derivative 0 at 0', saves: 'input' },
  square: { summary: 'x²', saves: 'input' },
  log: { summary: 'ln max(x, k)', saves: 'input' },
  sqrt: { summary: '√(max(x, 0) + k)', saves: 'result' },
  exp: { summary: 'eˣ', saves: 'result' },
  sigmoid: { summary: '1 / (1 + e⁻ˣ)', saves: 'result' },
  tanh: { summary: 'tanh x', saves: 'result' },
} as const satisfies Record<string, PointwiseFunction>;

export type PointwiseName = keyof typeof pointwiseFunctions;
