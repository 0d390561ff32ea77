import { argumentError } from '../util/errors.js';
import { checkRange, fillIn } from './front-end.js';

/** What a constant-Q front end writes of a bin's magnitude |X|. A sine of amplitude 1 on a bin's frequency has
 * magnitude 1. */
export type CqtOutput =
  /** |X| */
  | 'magnitude'
  /** 10 log10(|X|² + floor²), decibels below a full-scale sine */
  | 'db'
  /** ½ ln(|X|² + floor²), nepers */
  | 'log';

/** Window of the filters: periodic, symmetric about the centre of the frame. */
export type CqtWindow = 'hann' | 'blackman';

/** How samples become a constant-Q or variable-Q spectrum. */
export interface CqtConfig {
  kind: 'cqt';
  /** Samples per second. */
  sampleRate: number;
  /** Bins in an octave. */
  binsPerOctave: number;
  /** Frequency of bin 0, Hz; bin k is at `lowestHz · 2^(k / binsPerOctave)`. */
  lowestHz: number;
  bins: number;
  /** Samples from one frame to the next; frame m is centred on sample m · hop. How often 2 divides it decides how far low
   * bins may be decimated: a multiple of 16 is fast, an odd number slow. */
  hop: number;
  window: CqtWindow;
  /** Hz. A filter at frequency f has the bandwidth f / Q + gamma and is `filterScale / bandwidth` seconds long, with
   * Q = 1 / (2^(1 / binsPerOctave) - 1). 0: constant Q. Above 0, low filters are shorter: the variable-Q transform. */
  gamma: number;
  /** Length of the filters in units of 1 / bandwidth. */
  filterScale: number;
  output: CqtOutput;
  /** Magnitude of silence in 'db' and 'log'; 'magnitude' does without. */
  floor: number;
}

/** For pitch: seven octaves from C1 (32.7 Hz) in thirds of a semitone; no filter longer than 131 ms; 62.5 frames a
 * second; silence is at -100 dB. */
export const defaultCqt: CqtConfig = {
  kind: 'cqt',
  sampleRate: 16000,
  binsPerOctave: 36,
  lowestHz: 32.70319566257483,
  bins: 252,
  hop: 256,
  window: 'hann',
  gamma: 7,
  filterScale: 1,
  output: 'db',
  floor: 1e-5,
};

/** The front end of SPICE (Gfeller et al., IEEE/ACM TASLP 2020, section IV): filters of up to a second. */
export const spiceCqt: CqtConfig = {
  ...defaultCqt,
  binsPerOctave: 24,
  bins: 190,
  hop: 512,
  gamma: 0,
  output: 'magnitude',
};

/** Samples that a filter must and may span. */
const SHORTEST_FILTER = 4;
const LONGEST_FILTER = 1 << 17;

/** Q of neighbouring bins that touch (Brown, "Calculation of a constant Q spectral transform", JASA 1991). */
export function qualityOf(binsPerOctave: number): number {
  return 1 / (2 ** (1 / binsPerOctave) - 1);
}

/** Frequency of a bin, in Hz; bins between two whole ones too. */
export function binHz(config: Pick<CqtConfig, 'lowestHz' | 'binsPerOctave'>, bin: number): number {
  return config.lowestHz * 2 ** (bin / config.binsPerOctave);
}

/** Samples, not rounded, that the filter of a bin spans. */
export function filterLength(config: CqtConfig, bin: number): number {
  const bandwidth = binHz(config, bin) / qualityOf(config.binsPerOctave) + config.gamma;
  return (config.filterScale * config.sampleRate) / bandwidth;
}

/** Fills in the defaults and throws `ERR_ARGUMENT` for a value that is out of range or a name that doesn't exist. */
export function checkCqt(given: Partial<CqtConfig> = {}): CqtConfig {
  const c = fillIn(given, defaultCqt);
  const oneOf = (key: 'window' | 'output', names: readonly string[]) => {
    if (!names.includes(c[key])) throw argumentError(`frontEnd.${key}`, `one of ${names.join(', ')}`, c[key]);
  };
  checkRange(c, 'sampleRate', 1000, 384000, false);
  checkRange(c, 'binsPerOctave', 1, 120);
  checkRange(c, 'lowestHz', 1, c.sampleRate / 2, false);
  checkRange(c, 'bins', 1, 1024);
  checkRange(c, 'hop', 1, 65536);
  oneOf('window', ['hann', 'blackman']);
  checkRange(c, 'gamma', 0, c.sampleRate / 8, false);
  checkRange(c, 'filterScale', 0.1, 8, false);
  oneOf('output', ['magnitude', 'db', 'log']);
  checkRange(c, 'floor', 1e-12, 1, false);

  if (!(binHz(c, c.bins - 1) < c.sampleRate / 2)) {
    const most = Math.ceil(c.binsPerOctave * Math.log2(c.sampleRate / 2 / c.lowestHz));
    const what = `at most ${most} (higher ones lie beyond half the sample rate)`;
    throw argumentError('frontEnd.bins', what, c.bins);
  }
  if (filterLength(c, c.bins - 1) < SHORTEST_FILTER) {
    const what = `such that the highest filter spans at least ${SHORTEST_FILTER} samples`;
    throw argumentError('frontEnd.filterScale', what, c.filterScale);
  }
  const longest = filterLength(c, 0);
  if (longest > LONGEST_FILTER) {
    const what = `such that the lowest filter spans at most ${LONGEST_FILTER} samples (raise it or gamma, or lower filterScale or binsPerOctave)`;
    throw argumentError('frontEnd.lowestHz', what, `${c.lowestHz}, which makes ${Math.ceil(longest)}`);
  }
  return c;
}
