// Options of the pitch system.
import type { CqtConfig } from '../../features/cqt-config.js';
import { argumentError } from '../../util/errors.js';
import { type RunConfig, type RunOptions, runConfig } from '../run-config.js';
import { errorKinds, type ObjectiveName, objectives, pestoLosses, pitchRunDefaults } from './choices.js';
import { pitchDescription } from './description.js';
import { checkCqt, pitchCqt, spicePitchCqt } from './front-end.js';

export interface PitchOptions extends RunOptions {
  /** What is learnt from: classes of pitch that agree between views (PESTO), or one number whose differences are the shifts
   * (SPICE). Default `pesto`. */
  objective?: ObjectiveName;
  /** Channels of the layers. Default 16. */
  channels?: number;
  /** Folder of other sound (music, noises) to mix with recordings. Default: synthetic noise alone. */
  backgrounds?: string;
  /** Weight of synthetic tones of known pitch among what `pesto` learns from; 0: recordings alone. Default 1. */
  tones?: number;
  /** `pesto`: leaves one of its losses out. */
  without?: (typeof pestoLosses)[number];
  /** Mixes no view with noise; not with `backgrounds`. Default false. */
  clean?: boolean;
  /** Moves no piece by up to an octave. Default false. */
  fixedOctave?: boolean;
  /** `spice`: weight of the reconstruction, a mean over bins. Default 10. */
  reconstruction?: number;
  /** `spice`: how the error is punished. Default `huber`. */
  error?: (typeof errorKinds)[number];
  /** Synthetic tones that the finished network is calibrated by. Default 5. */
  calibration?: number;
  /** The constant-Q picture; the rest by default. */
  frontEnd?: Partial<CqtConfig>;
}

/** {@link PitchOptions} with every default filled in. */
export interface PitchConfig extends RunConfig {
  objective: ObjectiveName;
  channels: number;
  backgrounds?: string;
  tones: number;
  without?: (typeof pestoLosses)[number];
  clean: boolean;
  fixedOctave: boolean;
  reconstruction: number;
  error: (typeof errorKinds)[number];
  calibration: number;
  frontEnd: CqtConfig;
}

/** Options that only one objective has. */
const objectiveOptions = {
  pesto: ['tones', 'without'],
  spice: ['reconstruction', 'error'],
} as const satisfies Record<ObjectiveName, readonly (keyof PitchOptions)[]>;

export function pitchConfig(options: PitchOptions): PitchConfig {
  const { objective = 'pesto', channels = 16, tones = 1, clean = false, fixedOctave = false } = options;
  const { reconstruction = 10, error = 'huber', calibration = 5, backgrounds, without } = options;
  const run = runConfig(options, pitchRunDefaults, [...Object.keys(pitchDescription.options), 'frontEnd']);
  if (!objectives.includes(objective)) throw argumentError('objective', objectives.join(' or '), objective);
  for (const other of objectives.filter((name) => name !== objective)) {
    for (const name of objectiveOptions[other]) {
      const wanted = `left out with the objective ${objective}: it belongs to ${other}`;
      if (options[name] !== undefined) throw argumentError(name, wanted, options[name]);
    }
  }
  if (without !== undefined && !pestoLosses.includes(without)) {
    throw argumentError('without', pestoLosses.join(', '), without);
  }
  if (!errorKinds.includes(error)) throw argumentError('error', errorKinds.join(', '), error);
  if (!(Number.isInteger(channels) && channels >= 1 && channels <= 256)) {
    throw argumentError('channels', 'an integer from 1 to 256', channels);
  }
  if (!(Number.isInteger(calibration) && calibration >= 2 && calibration <= 1000)) {
    throw argumentError('calibration', 'an integer from 2 to 1000', calibration);
  }
  for (const [name, value] of Object.entries({ tones, reconstruction })) {
    if (!(value >= 0 && value < 1e9)) throw argumentError(name, 'a number from 0', value);
  }
  for (const [name, value] of Object.entries({ clean, fixedOctave })) {
    if (typeof value !== 'boolean') throw argumentError(name, 'true or false', value);
  }
  if (backgrounds !== undefined && typeof backgrounds !== 'string') {
    throw argumentError('backgrounds', 'a folder', backgrounds);
  }
  if (clean && backgrounds !== undefined) {
    throw argumentError('backgrounds', 'left out with clean, which mixes nothing with other sound', backgrounds);
  }
  const frontEnd = checkCqt({ ...(objective === 'spice' ? spicePitchCqt : pitchCqt), ...options.frontEnd });
  return {
    ...run,
    objective,
    channels,
    backgrounds,
    tones,
    ...(without && { without }),
    clean,
    fixedOctave,
    reconstruction,
    error,
    calibration,
    frontEnd,
  };
}
