import { argumentError } from '../util/errors.js';

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

/** Samples that the longest filter may have. */
export const LONGEST_FILTER = 1 << 17;

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
export function checkCqt(config: Partial<CqtConfig> = {}): CqtConfig {
  if (typeof config !== 'object' || config === null) throw argumentError('cqt', 'an object', config);
  for (const key of Object.keys(config)) {
    if (!(key in defaultCqt)) throw argumentError('cqt', `made of ${Object.keys(defaultCqt).join(', ')}`, key);
  }
  const given = Object.entries(config).filter(([, value]) => value !== undefined);
  const c: CqtConfig = { ...defaultCqt, ...Object.fromEntries(given) };

  const number = (key: keyof CqtConfig, low: number, high: number) => {
    const v = c[key];
    if (typeof v !== 'number' || !(v >= low && v <= high)) {
      throw argumentError(`cqt.${key}`, `a number from ${low} to ${high}`, v);
    }
  };
  const integer = (key: keyof CqtConfig, low: number, high: number) => {
    const v = c[key];
    if (!Number.isInteger(v) || !((v as number) >= low && (v as number) <= high)) {
      throw argumentError(`cqt.${key}`, `an integer from ${low} to ${high}`, v);
    }
  };
  const oneOf = (key: keyof CqtConfig, names: readonly string[]) => {
    if (!names.includes(c[key] as string)) throw argumentError(`cqt.${key}`, `one of ${names.join(', ')}`, c[key]);
  };
  number('sampleRate', 1000, 384000);
  integer('binsPerOctave', 1, 120);
  number('lowestHz', 1, c.sampleRate / 2);
  integer('bins', 1, 1024);
  integer('hop', 1, 65536);
  oneOf('window', ['hann', 'blackman']);
  number('gamma', 0, c.sampleRate / 8);
  number('filterScale', 0.1, 8);
  oneOf('output', ['magnitude', 'db', 'log']);
  number('floor', 1e-12, 1);

  const highest = binHz(c, c.bins - 1);
  if (!(highest < c.sampleRate / 2)) {
    const most = Math.ceil(c.binsPerOctave * Math.log2(c.sampleRate / 2 / c.lowestHz));
    const why = `at most ${most}: above that the bins pass half the sample rate (${c.sampleRate / 2} Hz)`;
    throw argumentError('cqt.bins', why, c.bins);
  }
  if (filterLength(c, c.bins - 1) < 4) {
    throw argumentError('cqt.filterScale', 'such that the highest filter spans 4 samples or more', c.filterScale);
  }
  const longest = filterLength(c, 0);
  if (longest > LONGEST_FILTER) {
    const what = `such that the lowest filter spans at most ${LONGEST_FILTER} samples: raise lowestHz or gamma, or lower filterScale or binsPerOctave`;
    throw argumentError('cqt.lowestHz', what, `${c.lowestHz} (${Math.ceil(longest)} samples)`);
  }
  return c;
}
