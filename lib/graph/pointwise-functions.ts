// Functions of one value, by the name of their native step: native/engine/pointwise.h has `name` and `name_backward`.

interface PointwiseFunction {
  summary: string;
  /** What the derivative is computed from. */
  saves: 'input' | 'result';
  onnx: (constant: number) => { op: string; attributes?: Readonly<Record<string, unknown>> };
}

/** Functions by the name of their native step; `k` is the node's constant. */
export const pointwiseFunctions = {
  leaky_relu: {
    summary: 'x where it is positive, k·x elsewhere',
    saves: 'input',
    onnx: (k) => ({ op: 'LeakyRelu', attributes: { alpha: k } }),
  },
  abs: { summary: '|x|, derivative 0 at 0', saves: 'input', onnx: () => ({ op: 'Abs' }) },
  square: { summary: 'x²', saves: 'input', onnx: () => ({ op: 'Square' }) },
  log: { summary: 'ln max(x, k)', saves: 'input', onnx: () => ({ op: 'Log' }) },
  sqrt: { summary: '√(max(x, 0) + k)', saves: 'result', onnx: () => ({ op: 'Sqrt' }) },
  exp: { summary: 'eˣ', saves: 'result', onnx: () => ({ op: 'Exp' }) },
  sigmoid: { summary: '1 / (1 + e⁻ˣ)', saves: 'result', onnx: () => ({ op: 'Sigmoid' }) },
  tanh: { summary: 'tanh x', saves: 'result', onnx: () => ({ op: 'Tanh' }) },
} as const satisfies Record<string, PointwiseFunction>;

export type PointwiseName = keyof typeof pointwiseFunctions;
