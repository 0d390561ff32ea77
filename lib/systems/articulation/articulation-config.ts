// Options of the system `articulation`.
import type { LogMelConfig } from '../../features/log-mel-config.js';
import { logMelFrontEnd } from '../../features/log-mel-front-end.js';
import { argumentError } from '../../util/errors.js';
import { type RunConfig, type RunOptions, runConfig } from '../run-config.js';
import { articulationDescription } from './description.js';
import { forwardProcesses } from './processes.js';

/** Options of articulatory inversion; all have defaults. */
export interface ArticulationOptions extends RunOptions {
  /** What makes the sound: `vocal-tract` (default), `plucked-string`. */
  process?: string;
  /** Steps of a round. Default 250. */
  roundSteps?: number;
  /** New utterances in a round. Default 1024. */
  samples?: number;
  /** Part of the old utterances that each round forgets. Default 1/3. */
  forget?: number;
  /** Part of each round's utterances that are drawn at random instead of from recordings; the first round draws all.
   * Default 0.5. */
  random?: number;
  /** Largest deviation of the noise around what the network found, on a scale where parameters go from -1 to 1.
   * Default 0.35. */
  noise?: number;
  /** Times that what the network found is corrected by what it finds in its own sound. Default 1. */
  corrections?: number;
  /** Weight of the loss of utterance parameters beside those of frames. Default 0.2. */
  utteranceWeight?: number;
  /** Channels of the network's hidden layers. Default 128. */
  channels?: number;
  /** Part of the clips that is held out. Default 0.05. */
  heldOutFraction?: number;
}

export interface ArticulationConfig extends RunConfig {
  process: string;
  roundSteps: number;
  samples: number;
  forget: number;
  random: number;
  noise: number;
  corrections: number;
  utteranceWeight: number;
  channels: number;
  heldOutFraction: number;
  frontEnd: LogMelConfig;
}

/** Frames of the network's window. */
export const WINDOW = 32;

/** Windows of 40 ms, in which the harmonics of a deep voice stand apart; faint noise is as good as silence. */
export const articulationFrontEnd: LogMelConfig = {
  ...logMelFrontEnd.defaults,
  windowLength: 640,
  fftSize: 1024,
  logOffset: 1e-2,
};

/** Fills in defaults and checks; `ERR_ARGUMENT` names the option that is wrong.
 * @param own name of a process that is not among those of the package */
export function configureArticulation(o: ArticulationOptions, own?: string): ArticulationConfig {
  const number = (
    name: keyof ArticulationOptions,
    usual: number,
    low: number,
    high: number,
    integer = false,
  ): number => {
    const v = (o[name] ?? usual) as number;
    if (typeof v === 'number' && v >= low && v <= high && (!integer || Number.isInteger(v))) return v;
    throw argumentError(name, `${integer ? 'an integer' : 'a number'} from ${low} to ${high}`, v);
  };
  const { process = own ?? 'vocal-tract' } = o;
  if (process !== own && !Object.hasOwn(forwardProcesses, process)) {
    throw argumentError('process', `one of ${Object.keys(forwardProcesses).join(', ')}`, process);
  }
  return {
    ...runConfig(o, articulationDescription.runDefaults, Object.keys(articulationDescription.options)),
    process,
    roundSteps: number('roundSteps', 250, 1, 1e6, true),
    samples: number('samples', 1024, 8, 65536, true),
    forget: number('forget', 1 / 3, 0, 1),
    random: number('random', 0.5, 0, 1),
    noise: number('noise', 0.35, 0, 2),
    corrections: number('corrections', 1, 0, 10, true),
    utteranceWeight: number('utteranceWeight', 0.2, 0, 100),
    channels: number('channels', 128, 8, 1024, true),
    heldOutFraction: number('heldOutFraction', 0.05, 0, 0.9),
    frontEnd: articulationFrontEnd,
  };
}
