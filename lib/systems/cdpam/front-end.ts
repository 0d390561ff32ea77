// What the metric hears with: log-mel above a floor, at 16 kHz or at 32 kHz. Bands lie equally far apart in both, and the
// lower ones of the wide front end are those of the narrow one: the same network reads either. A narrow recording is to
// the wide metric a recording with nothing above.
import type { LogMelConfig } from '../../features/log-mel-config.js';
import { logMelFrontEnd } from '../../features/log-mel-front-end.js';

/** Log-mel of the floor, which silence has, is 0 to the network; a unit is this much in ln(power). */
const UNIT = 2;

/** A floor near the threshold of hearing when full scale is played at 80 to 90 dB: white noise at -70 dB of full scale
 * has about this power in a band. */
const FLOOR = 1e-4;

/** What lies above the narrow front end counts so much less: with this share a low-pass at 9 kHz of full-band speech is
 * just noticeable, as it is to listeners (Manocha et al. 2020: mp3 that ends there). */
const UPPER_SHARE = 0.5;

const toMel = (hz: number) => 2595 * Math.log10(1 + hz / 700);
const toHz = (mel: number) => 700 * (10 ** (mel / 2595) - 1);

export const narrow: LogMelConfig = logMelFrontEnd.check({ kind: 'log-mel', logOffset: FLOOR });

/** Twice the samples in a frame give four times the power. */
export const wide: LogMelConfig = logMelFrontEnd.check({
  kind: 'log-mel',
  sampleRate: 2 * narrow.sampleRate,
  windowLength: 2 * narrow.windowLength,
  hop: 2 * narrow.hop,
  fftSize: 2 * narrow.fftSize,
  bands: 80,
  lowHz: narrow.lowHz,
  highHz: highestBand(80),
  logOffset: 4 * FLOOR,
});

/** Upper edge of the last of `bands` bands as far apart as the narrow ones. */
function highestBand(bands: number): number {
  const low = toMel(narrow.lowHz);
  return toHz(low + ((toMel(narrow.highHz) - low) / (narrow.bands + 1)) * (bands + 1));
}

export type Width = 'narrow' | 'wide';
export const frontEnds = { narrow, wide } as const satisfies Record<Width, LogMelConfig>;

/** What a unit is of each band, in ln(power). */
function units({ bands }: LogMelConfig): Float32Array {
  return Float32Array.from({ length: bands }, (_, band) => (band < narrow.bands ? UNIT : UNIT / UPPER_SHARE));
}

/** How features are normalised: silence to 0. */
export function normalization(config: LogMelConfig): { mean: Float32Array; std: Float32Array } {
  return { mean: new Float32Array(config.bands).fill(Math.log(config.logOffset)), std: units(config) };
}

/** Normalises features `[frames, bands]` in place. */
export function normalize(features: Float32Array, config: LogMelConfig): Float32Array {
  const silence = Math.fround(Math.log(config.logOffset));
  const std = units(config);
  for (let frame = 0; frame < features.length; frame += std.length) {
    for (let band = 0; band < std.length; band++) {
      features[frame + band] = (features[frame + band]! - silence) / std[band]!;
    }
  }
  return features;
}
