// Filters of the constant-Q transform: their frequencies, lengths and sampling rates.
import { CQT_LEVELS } from '../native/constants.js';
import { argumentError } from '../util/errors.js';
import { binHz, type CqtConfig, filterLength } from './cqt-config.js';

/** Cosine-sum windows: w(t) = Σ aᵢ cos(2π i t), |t| ≤ ½ filter length. */
const windows = { hann: [0.5, 0.5], blackman: [0.42, 0.5, 0.08] } as const;

/** Half of the taps beside the centre (which is ½) of the half-band filter between two sampling rates; the taps at even
 * distances are 0. The equiripple filter of this length: within 4e-6 of 1 up to 0.15 of its input's rate and of 0 from
 * 0.35 on (found by linear programming). */
const HALF_BAND = [
  0.31278449606141373, -0.09053620735970974, 0.04071841082547367, -0.01857091956308542, 0.007667700740045025,
  -0.0026489859256990716, 0.000688368914332136, -0.00010494266786095835,
];
/** Samples of its input that the filter covers on either side. */
export const HALF_BAND_REACH = 2 * HALF_BAND.length - 1;
/** What the filter leaves as it is, as a share of its output's rate. */
const PASS = 0.3;
/** What a filter picks up beyond this share of its response is given over to the half-band filter. */
const SIDE_LOBE = 1e-4;
/** Half-band filters may add this share of the longest filter to the latency. */
const LATENCY_SHARE = 0.25;
const LARGEST_TABLE = 1 << 24;

/** How the bins of a configuration are computed. */
export interface CqtFilters {
  /** Samples after a frame's centre that the frame needs. */
  latency: number;
  /** Hz, [bins]. */
  frequencies: Float64Array;
  /** Samples at `sampleRate`, not rounded, [bins]. */
  lengths: Float64Array;
  /** The level, the signal decimated 2^level-fold, on which a bin is computed, [bins]; never rises with frequency. */
  levels: Int32Array;
  /** Coefficients aᵢ of the window. */
  window: Float64Array;
  /** Taps of the half-band filter at distances 1, 3, 5 … from its centre. */
  halfBand: Float64Array;
}

/** Distance from a filter's frequency, in units of 1 / length, from which on its response is below SIDE_LOBE of its
 * largest. The response to distance x is sin(πx) / π · Σ (-1)ⁱ aᵢ x / (x² - i²) over a₀. */
function farFrom(window: readonly number[]): number {
  const envelope = (x: number) => {
    const sum = window.reduce((total, a, i) => total + ((-1) ** i * a * x) / (x * x - i * i), 0);
    return Math.abs(sum) / (Math.PI * window[0]!);
  };
  let x = window.length + 0.5;
  while (envelope(x) > SIDE_LOBE) x += 0.1;
  return x;
}

export function cqtFilters(config: CqtConfig): CqtFilters {
  const { sampleRate, bins, hop } = config;
  const window = windows[config.window];
  const frequencies = Float64Array.from({ length: bins }, (_, k) => binHz(config, k));
  const lengths = Float64Array.from({ length: bins }, (_, k) => filterLength(config, k));

  // Every level's delay is that of its half-band filter, and the centre of every frame must be one of its samples.
  let lowest = 0;
  for (let d = 1; d < CQT_LEVELS && hop % 2 ** d === 0; d++) {
    if (HALF_BAND_REACH * (2 ** d - 1) > (LATENCY_SHARE * lengths[0]!) / 2) break;
    lowest = d;
  }
  const far = farFrom(window) * sampleRate;
  const levels = Int32Array.from({ length: bins }, (_, k) => {
    const edge = frequencies[k]! + far / lengths[k]!;
    return Math.max(0, Math.min(lowest, Math.floor(Math.log2((PASS * sampleRate) / edge))));
  });
  const values = lengths.reduce((sum, length, k) => sum + length / 2 ** levels[k]!, 0);
  if (values > LARGEST_TABLE) {
    const what = 'divisible by a higher power of 2, so that these long filters can be computed at a lower rate';
    throw argumentError('frontEnd.hop', what, hop);
  }
  const latency = lengths.reduce((most, length, k) => {
    const step = 2 ** levels[k]!;
    return Math.max(most, halfLength(length, levels[k]!) * step + HALF_BAND_REACH * (step - 1));
  }, 0);
  const [a, halfBand] = [Float64Array.from(window), Float64Array.from(HALF_BAND)];
  return { latency, frequencies, lengths, levels, window: a, halfBand };
}

/** Samples of a level on either side of the centre that a filter covers. */
export function halfLength(length: number, level: number): number {
  return Math.floor(length / 2 / 2 ** level);
}
