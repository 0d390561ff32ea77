// Features brought to mean 0 and deviation 1, so that one penalty treats them alike.

/** Per feature; 1 as the deviation of a constant one. */
export interface Scale {
  mean: Float64Array;
  std: Float64Array;
}

/** Mean and standard deviation of each column of a `[rows, dim]` matrix. */
export function scaleOf(values: Float32Array, dim: number): Scale {
  const rows = values.length / dim;
  const mean = new Float64Array(dim);
  const std = new Float64Array(dim);
  for (let i = 0; i < rows; i++) for (let k = 0; k < dim; k++) mean[k] += values[i * dim + k];
  for (let k = 0; k < dim; k++) mean[k] /= rows;
  for (let i = 0; i < rows; i++) for (let k = 0; k < dim; k++) std[k] += (values[i * dim + k] - mean[k]) ** 2;
  for (let k = 0; k < dim; k++) {
    const deviation = Math.sqrt(std[k] / rows);
    // A constant feature's deviation is rounding error, which must not be blown up to 1.
    std[k] = deviation > 1e-7 * Math.abs(mean[k]) ? deviation : 1;
  }
  return { mean, std };
}

/** (values − mean) / std; row i of the result is row `order[i]`, by default i. */
export function standardise(values: Float32Array, { mean, std }: Scale, order?: Int32Array): Float64Array {
  const dim = mean.length;
  const x = new Float64Array(values.length);
  for (let i = 0; i < values.length / dim; i++) {
    const from = (order ? order[i] : i) * dim;
    for (let k = 0; k < dim; k++) x[i * dim + k] = (values[from + k] - mean[k]) / std[k];
  }
  return x;
}
