// The constant-Q picture that pitch is read from, and the wider one that training cuts its views out of: a view some bins
// higher or lower is the same sound some semitones lower or higher.
import { cqtFrontEnd } from '../../features/cqt.js';
import type { CqtConfig } from '../../features/cqt-config.js';
import { argumentError } from '../../util/errors.js';

/** Of a phone's model: seven octaves from C1 in halves of a semitone, 50 frames a second. */
export const pitchCqt: Partial<CqtConfig> = {
  kind: 'cqt',
  hop: 320,
  binsPerOctave: 24,
  bins: 168,
  gamma: 7,
  output: 'db',
};

/** Decibels become values of about -2 to 2: (dB - mean) / std. */
export const DB_MEAN = -60;
export const DB_STD = 20;

export function checkCqt(given: Partial<CqtConfig>): CqtConfig {
  return cqtFrontEnd.check(given);
}

/** The picture with a margin of bins on both sides. */
export interface WideCqt {
  config: CqtConfig;
  /** Where the narrow picture begins in it: views may begin that much lower … */
  below: number;
  /** … and that much higher. */
  above: number;
}

/** An octave more below and as much of one above as the sample rate allows. */
export function wideCqt(narrow: CqtConfig): WideCqt {
  const { binsPerOctave, lowestHz, sampleRate, bins } = narrow;
  const most = Math.ceil(binsPerOctave * Math.log2(sampleRate / 2 / lowestHz)) - 1;
  const above = Math.max(0, Math.min(binsPerOctave, most - bins));
  const below = binsPerOctave;
  return { config: checkCqt({ ...narrow, lowestHz: lowestHz / 2, bins: bins + below + above }), below, above };
}

/** Of samples at the model's rate: from about 1e15 on the picture's power overflows. */
const LOUDEST = 1e12;

/** @throws `ERR_ARGUMENT`, which names the place, for a sample that is not finite or so large that it is no audio
 * @param first place of the first one
 * @param clipped whether they will be resampled, which clips them: then they need only be finite */
export function checkSamples(name: string, samples: Float32Array, first: number, clipped = false): void {
  const most = clipped ? Number.MAX_VALUE : LOUDEST;
  for (let i = 0; i < samples.length; i++) {
    if (Math.abs(samples[i]!) <= most) continue;
    throw argumentError(`${name}[${first + i}]`, Number.isFinite(samples[i]) ? 'audio in ±1' : 'finite', samples[i]);
  }
}

/** Frames before and after a piece of sound whose filters would see the piece end. */
export function marginFrames(config: CqtConfig): number {
  return Math.ceil(cqtFrontEnd.latency(config) / config.hop);
}

/** Of SPICE (section IV): 128 bins, half a semitone apart, from A1 to 2.2 kHz; with shorter low filters. The network makes
 * magnitudes of the decibels. */
export const spicePitchCqt: Partial<CqtConfig> = {
  ...pitchCqt,
  bins: 128,
  lowestHz: 55,
};
