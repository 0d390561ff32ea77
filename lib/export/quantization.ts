// Arithmetic of 8-bit quantisation: real = scale · (integer - zero).

/** Holds 0, so that zero padding is exact. */
export interface Range {
  min: number;
  max: number;
}

/** Activations: unsigned, with a zero point. After a ReLU all 256 levels are for positive values. */
export interface ActivationScale {
  scale: number;
  zero: number;
}

export function activationScale({ min, max }: Range): ActivationScale {
  const scale = Math.fround((max - min) / 255) || 1;
  return { scale, zero: Math.min(255, Math.max(0, Math.round(-min / scale))) };
}

/** A weight per output channel as signed integers, zero point 0. */
export interface QuantizedWeight {
  values: Int8Array;
  /** One for each output channel (the first axis). */
  scales: Float32Array;
}

/** Largest magnitude of a quantised weight. Seven bits keep the sums of 8-bit x86 instructions without VNNI from
 * saturating. */
export function quantizeWeight(weight: Float32Array, channels: number, bits: 7 | 8 = 8): QuantizedWeight {
  const limit = 2 ** (bits - 1) - 1;
  const perChannel = weight.length / channels;
  const values = new Int8Array(weight.length);
  const scales = new Float32Array(channels);
  for (let c = 0; c < channels; c++) {
    const row = weight.subarray(c * perChannel, (c + 1) * perChannel);
    const scale = weightScale(row, limit);
    scales[c] = scale;
    for (let i = 0; i < perChannel; i++) values[c * perChannel + i] = toInteger(row[i]!, scale, limit);
  }
  return { values, scales };
}

/** The scale with the smallest squared error: clipping one outlier a little may help all the others. */
function weightScale(row: Float32Array, limit: number): number {
  const largest = row.reduce((m, w) => Math.max(m, Math.abs(w)), 0);
  if (largest === 0) return 1;
  let best = { scale: 0, error: Number.POSITIVE_INFINITY };
  for (let clip = 1; clip > 0.6; clip -= 0.02) {
    const scale = Math.fround((clip * largest) / limit);
    let error = 0;
    for (const w of row) error += (w - scale * toInteger(w, scale, limit)) ** 2;
    if (error < best.error) best = { scale, error };
  }
  return best.scale;
}

function toInteger(value: number, scale: number, limit: number): number {
  return Math.max(-limit, Math.min(limit, Math.round(value / scale)));
}

/** Bias in the units of the integer sums it is added to. */
export function quantizeBias(bias: Float32Array, inputScale: number, weightScales: Float32Array) {
  const scales = weightScales.map((s) => s * inputScale);
  const limit = 2 ** 31 - 1;
  return { values: Int32Array.from(bias, (b, c) => toInteger(b, scales[c]!, limit)), scales };
}

/** Of the ranges inside `range`, the one whose 256 levels give the smallest squared error on the histogram: each end in
 * turn is moved towards 0. */
export function smallestErrorRange(histogram: Float64Array, range: Range): Range {
  const width = (range.max - range.min) / histogram.length;
  const error = ({ min, max }: Range): number => {
    const step = (max - min) / 255;
    let sum = 0;
    for (const [i, count] of histogram.entries()) {
      if (count === 0) continue;
      const centre = range.min + (i + 0.5) * width;
      const beyond = Math.max(0, centre - max, min - centre);
      sum += count * (beyond > 0 ? beyond ** 2 : step ** 2 / 12);
    }
    return sum;
  };
  let best = range;
  for (const end of ['max', 'min'] as const) {
    if (range[end] === 0) continue;
    const candidates = Array.from({ length: 80 }, (_, i) => ({ ...best, [end]: range[end] * (1 - i / 100) }));
    best = candidates.reduce((a, b) => (error(b) < error(a) ? b : a));
  }
  return best;
}
