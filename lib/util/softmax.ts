// eˣ over its sum.

/** Of some numbers, as probabilities. */
export function softmax(logits: ArrayLike<number>): Float64Array {
  const p = Float64Array.from(logits);
  softmaxRow(p, 0, new Float64Array(p.length));
  return p;
}

/** In place, `values[at, at + C)` ← softmax(values + bias); returns the logarithm of the sum of exponentials. */
export function softmaxRow(values: Float64Array, at: number, bias: Float64Array): number {
  const classes = bias.length;
  let max = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < classes; c++) {
    values[at + c] += bias[c];
    if (values[at + c] > max) max = values[at + c];
  }
  let sum = 0;
  for (let c = 0; c < classes; c++) {
    values[at + c] = Math.exp(values[at + c] - max);
    sum += values[at + c];
  }
  for (let c = 0; c < classes; c++) values[at + c] /= sum;
  return max + Math.log(sum);
}
