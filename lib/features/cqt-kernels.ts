// The constant-Q transform as convolutions with fixed kernels, for runtimes that have nothing else.
import { type CqtConfig, checkCqt } from './cqt-config.js';
import { type CqtFilters, cqtFilters, HALF_BAND_REACH, halfLength } from './cqt-filters.js';

/** One bin's filter on one level: samples n = -half … half of w(n) · exp(-2πi f n), scaled so that a sine of amplitude 1
 * gives magnitude 1. */
function filterOf(config: CqtConfig, filters: CqtFilters, bin: number, level: number) {
  const step = 2 ** level;
  const [length, hz] = [filters.lengths[bin]!, filters.frequencies[bin]!];
  const half = halfLength(length, level);
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

/** The whole transform as one convolution: kernels at the full sample rate, for a signal with `half` zeros
 * before and `half + 1` behind it and a stride of `hop`. Large (the default: 252 × 2095 × 2 values, 4.2 MB);
 * {@link cqtStages} is small. */
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

/** The transform as a phone computes it, in convolutions without padding: `padding` zeros come before the signal and
 * `padding + 1` behind it; level d + 1 is level d convolved with `halfBand` at a stride of 2; each stage convolves its level with its
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
    stages.push({
      level,
      firstBin: first,
      bins: end - first,
      skip: 0,
      ...kernelsOf(checked, filters, first, end, level),
    });
    end = first;
  }
  // A convolution without padding takes HALF_BAND_REACH samples off each end of its input. Level d starts at sample
  // -before(d) of that level; the lowest one just where its kernels begin, or earlier if another level needs more.
  const lowest = stages.at(-1)!.level;
  const before = (d: number, ofLowest: number) =>
    ofLowest * 2 ** (lowest - d) + HALF_BAND_REACH * (2 ** (lowest - d) - 1);
  let ofLowest = 0;
  while (stages.some(({ level, half }) => before(level, ofLowest) < half)) ofLowest++;
  for (const stage of stages) stage.skip = before(stage.level, ofLowest) - stage.half;

  const halfBand = new Float32Array(2 * HALF_BAND_REACH + 1);
  halfBand[HALF_BAND_REACH] = 0.5;
  filters.halfBand.forEach((tap, i) => {
    halfBand[HALF_BAND_REACH - 2 * i - 1] = halfBand[HALF_BAND_REACH + 2 * i + 1] = tap;
  });
  return { padding: before(0, ofLowest), halfBand, stages };
}
