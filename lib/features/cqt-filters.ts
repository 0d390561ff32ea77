// Filters of the constant-Q transform: which lengths, which sampling rate for each bin, and as dense kernels.
import { argumentError } from '../util/errors.js';
import { binHz, type CqtConfig, checkCqt, filterLength } from './cqt-config.js';

/** Cosine-sum windows: w(t) = Σ aᵢ cos(2π i t), |t| ≤ ½ filter length. */
const windows = { hann: [0.5, 0.5], blackman: [0.42, 0.5, 0.08] } as const;

/** Half of the taps beside the centre (which is ½) of the half-band filter between two sampling rates; the taps at even
 * distances are 0. The equiripple filter of this length: flat to 5e-5 up to 0.16 of its input's rate, as close to 0 from
 * 0.34 on (found by linear programming). */
const HALF_BAND = [
  0.31266984997956476, -0.09020590138311364, 0.04021959455659814, -0.01799073402443327, 0.007118688096777662,
  -0.0022296099302303446, 0.00044318865189548373,
];
const HALF_BAND_REACH = 2 * HALF_BAND.length - 1;
/** What the filter leaves as it is, as a share of its output's rate. */
const PASS = 0.32;
/** What a filter picks up beyond this share of its response is given over to the half-band filter. */
const SIDE_LOBE = 3e-4;
/** Half-band filters may add this share of the longest filter to the latency. */
const LATENCY_SHARE = 0.25;
const MOST_LEVELS = 10;
const LARGEST_TABLE = 1 << 26;

/** How the bins of a configuration are computed. */
export interface CqtFilters {
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
  for (let d = 1; d < MOST_LEVELS && hop % 2 ** d === 0; d++) {
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
    throw argumentError('cqt.hop', what, hop);
  }
  return { frequencies, lengths, levels, window: Float64Array.from(window), halfBand: Float64Array.from(HALF_BAND) };
}

/** One bin's filter on one level: samples n = -half … half of w(n) · exp(-2πi f n), scaled so that a sine of amplitude 1
 * gives magnitude 1. */
function filterOf(config: CqtConfig, filters: CqtFilters, bin: number, level: number) {
  const step = 2 ** level;
  const [length, hz] = [filters.lengths[bin]!, filters.frequencies[bin]!];
  const half = Math.floor(length / 2 / step);
  let scale = (2 * step) / (filters.window[0]! * length);
  for (let d = 0; d < level; d++) {
    const turn = (2 * Math.PI * hz * 2 ** d) / config.sampleRate;
    scale /= filters.halfBand.reduce((sum, tap, i) => sum + 2 * tap * Math.cos((2 * i + 1) * turn), 0.5);
  }
  const re = new Float64Array(2 * half + 1);
  const im = new Float64Array(2 * half + 1);
  for (let n = -half; n <= half; n++) {
    const w = filters.window.reduce((sum, a, i) => sum + a * Math.cos((2 * Math.PI * i * n * step) / length), 0);
    const phase = (2 * Math.PI * hz * n * step) / config.sampleRate;
    re[half + n] = scale * w * Math.cos(phase);
    im[half + n] = -scale * w * Math.sin(phase);
  }
  return { half, re, im };
}

/** Filters `[bins, length]` with the frame's centre at `half`, shorter ones padded with zeros on both sides:
 * X[m, k] = Σ_n x[m · hop + n - half] (re[k, n] + i im[k, n]), 0 ≤ n < length = 2 half + 1. */
export interface CqtKernels {
  half: number;
  length: number;
  re: Float32Array;
  im: Float32Array;
}

function kernelsOf(config: CqtConfig, filters: CqtFilters, first: number, end: number, level: number): CqtKernels {
  const each = Array.from({ length: end - first }, (_, i) => filterOf(config, filters, first + i, level));
  const half = Math.max(...each.map((filter) => filter.half));
  const length = 2 * half + 1;
  const [re, im] = [new Float32Array(each.length * length), new Float32Array(each.length * length)];
  each.forEach((filter, i) => {
    re.set(filter.re, i * length + half - filter.half);
    im.set(filter.im, i * length + half - filter.half);
  });
  return { half, length, re, im };
}

/** The whole transform as one convolution: kernels at the full sample rate, for a signal padded with `half` zeros on
 * both sides and a stride of `hop`. Large (the default: 252 × 2095 × 2 values, 4.2 MB); {@link cqtStages} is small. */
export function cqtKernels(config: Partial<CqtConfig> = {}): CqtKernels {
  const checked = checkCqt(config);
  return kernelsOf(checked, cqtFilters(checked), 0, checked.bins, 0);
}

/** Bins `firstBin` … `firstBin + bins - 1`, computed on one level: a convolution with a stride of `hop / 2^level` of
 * that level's signal, whose first `skip` samples no frame needs. */
export interface CqtStage extends CqtKernels {
  level: number;
  firstBin: number;
  bins: number;
  skip: number;
}

/** The transform as a phone computes it, in convolutions without padding: `padding` zeros are added to both ends of the
 * signal; level d + 1 is level d convolved with `halfBand` at a stride of 2; each stage convolves its level with its
 * kernels. The stages' bins follow each other from the highest down. */
export interface CqtStages {
  padding: number;
  /** All taps, 0 included. */
  halfBand: Float32Array;
  stages: CqtStage[];
}

export function cqtStages(config: Partial<CqtConfig> = {}): CqtStages {
  const checked = checkCqt(config);
  const filters = cqtFilters(checked);
  const stages: CqtStage[] = [];
  for (let end = checked.bins; end > 0; ) {
    const level = filters.levels[end - 1]!;
    let first = end - 1;
    while (first > 0 && filters.levels[first - 1] === level) first--;
    stages.push({ level, firstBin: first, bins: end - first, skip: 0, ...kernelsOf(checked, filters, first, end, level) });
    end = first;
  }
  // A convolution without padding takes HALF_BAND_REACH samples off each end of its input. Level d starts at sample
  // -before(d) of that level; the lowest one just where its kernels begin, or earlier if another level needs more.
  const lowest = stages.at(-1)!.level;
  const before = (d: number, ofLowest: number) => ofLowest * 2 ** (lowest - d) + HALF_BAND_REACH * (2 ** (lowest - d) - 1);
  let ofLowest = 0;
  while (stages.some(({ level, half }) => before(level, ofLowest) < half)) ofLowest++;
  for (const stage of stages) stage.skip = before(stage.level, ofLowest) - stage.half;

  const halfBand = new Float32Array(2 * HALF_BAND_REACH + 1);
  halfBand[HALF_BAND_REACH] = 0.5;
  HALF_BAND.forEach((tap, i) => {
    halfBand[HALF_BAND_REACH - 2 * i - 1] = halfBand[HALF_BAND_REACH + 2 * i + 1] = tap;
  });
  return { padding: before(0, ofLowest), halfBand, stages };
}
