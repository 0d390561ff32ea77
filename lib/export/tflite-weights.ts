// Weights as LiteRT wants them: channels last, in float or in 8 bits.
import { quantizeBias, quantizeWeight } from './quantization.js';
import type { TfliteBuilder } from './tflite-builder.js';

/** The constants of a layer: in float, or as integers if its input is; `scales` is how many the weight has. */
export function weightAndBias(
  b: TfliteBuilder,
  name: string,
  input: string,
  scales: number | 'depthwise',
  weight: Float32Array,
  bias: Float32Array,
  layout: <A extends Float32Array | Int8Array>(weight: A) => A,
  shape: readonly number[],
): string[] {
  const of = b.quantizationOf(input);
  if (!of) {
    return [b.constant(`${name}.weight`, layout(weight), shape), b.constant(`${name}.bias`, bias, [bias.length])];
  }
  const channels = scales === 'depthwise' ? bias.length : scales;
  const quantized = quantizeWeight(weight, channels);
  const perOutput = bias.map((_, c) => quantized.scales[channels === 1 ? 0 : c]!);
  const integer = quantizeBias(bias, of.scales[0]!, perOutput);
  const weightScale = { scales: quantized.scales, zero: 0, axis: scales === 'depthwise' ? 3 : 0 };
  const biasScale = { scales: channels === 1 ? integer.scales.slice(0, 1) : integer.scales, zero: 0 };
  return [
    b.constant(`${name}.weight`, layout(quantized.values), shape, weightScale),
    b.constant(`${name}.bias`, integer.values, [bias.length], biasScale),
  ];
}

/** [rows, columns] → [columns, rows] */
export function turned<A extends Float32Array | Int8Array>(values: A, rows: number, columns: number): A {
  return values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!) as A;
}

/** Each of the matrices [rows, columns] turned. */
export function turnedEach<A extends Float32Array | Int8Array>(values: A, rows: number, columns: number): A {
  const size = rows * columns;
  return values.map((_, i) => {
    const at = i % size;
    return values[i - at + (at % rows) * columns + Math.floor(at / rows)]!;
  }) as A;
}
