// LiteRT's built-in operators, by their numbers in its schema.

/** Built-in operators: code, and number of their options in the union BuiltinOptions (0: none needed). */
export const operators = {
  ADD: [0, 11],
  AVERAGE_POOL_2D: [1, 5],
  CONCATENATION: [2, 10],
  CONV_2D: [3, 1],
  DEPTHWISE_CONV_2D: [4, 2],
  DEQUANTIZE: [6, 0],
  FULLY_CONNECTED: [9, 8],
  LOGISTIC: [14, 0],
  MAX_POOL_2D: [17, 5],
  MUL: [18, 21],
  RELU: [19, 0],
  RESHAPE: [22, 17],
  SOFTMAX: [25, 9],
  TANH: [28, 0],
  PAD: [34, 22],
  GATHER: [36, 23],
  TRANSPOSE: [39, 26],
  MEAN: [40, 27],
  SUB: [41, 28],
  DIV: [42, 29],
  EXP: [47, 33],
  CAST: [53, 37],
  MAXIMUM: [55, 39],
  ARG_MAX: [56, 40],
  MINIMUM: [57, 39],
  PADV2: [60, 43],
  SLICE: [65, 48],
  LOG: [73, 0],
  SUM: [74, 27],
  SQRT: [75, 0],
  ONE_HOT: [85, 61],
  RESIZE_NEAREST_NEIGHBOR: [97, 74],
  LEAKY_RELU: [98, 75],
  ABS: [101, 78],
  QUANTIZE: [114, 0],
} as const satisfies Record<string, readonly [number, number]>;

export type Operator = keyof typeof operators;

/** Runtimes check that they know this version of an operator: the first that has int8 or what else is used. */
export function versionOf(operator: Operator, quantized: boolean): number {
  if (operator === 'FULLY_CONNECTED') return 5; // keep_num_dims
  if (operator === 'CONV_2D' || operator === 'DEPTHWISE_CONV_2D') return quantized ? 3 : 1;
  if (operator === 'PAD' || operator === 'MAX_POOL_2D' || operator === 'ADD' || operator === 'DEQUANTIZE')
    return quantized ? 2 : 1;
  return 1;
}
