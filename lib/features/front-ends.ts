// Which front ends there are, and what the rest of the package asks of them by configuration.
import { argumentError } from '../util/errors.js';
import type { FrontEnd } from './front-end.js';
import * as entries from './front-end-list.js';
import type { LogMelConfig } from './log-mel-config.js';
import { logMelFrontEnd } from './log-mel-front-end.js';

const frontEnds = Object.values(entries);
const byKind = new Map<string, unknown>(frontEnds.map((entry) => [entry.kind, entry]));

/** How samples become features, by `kind`. Stored with every model: an encoder is right for one front end only. */
export type FrontEndConfig = ReturnType<(typeof frontEnds)[number]['check']>;

/** Some settings of a front end, the others by default. Without `kind` it is log-mel. */
export type PartialFrontEnd = Partial<FrontEndConfig>;

/** The entry of a configuration's kind. */
export function frontEndOf(config: { kind?: string }): FrontEnd<FrontEndConfig> {
  const kind = config.kind ?? logMelFrontEnd.kind;
  const found = byKind.get(kind);
  if (!found) throw argumentError('frontEnd.kind', `one of ${frontEnds.map((f) => f.kind).join(', ')}`, kind);
  return found as FrontEnd<FrontEndConfig>;
}

/** Fills in the defaults and throws `ERR_ARGUMENT` for a value that is out of range or a name that doesn't exist. */
export function checkFrontEnd(frontEnd?: Partial<LogMelConfig>): LogMelConfig;
export function checkFrontEnd(frontEnd?: PartialFrontEnd): FrontEndConfig;
export function checkFrontEnd(frontEnd: PartialFrontEnd = {}): FrontEndConfig {
  if (typeof frontEnd !== 'object' || frontEnd === null) throw argumentError('frontEnd', 'an object', frontEnd);
  return frontEndOf(frontEnd).check(frontEnd);
}

/** The configuration that a file holds; one without `kind` is log-mel, which all were once.
 * @throws `ERR_ARGUMENT` if it is not whole: a file says everything, because defaults may change */
export function storedFrontEnd(stored: unknown): FrontEndConfig {
  if (typeof stored !== 'object' || stored === null) throw argumentError('frontEnd', 'an object', stored);
  const given = stored as PartialFrontEnd;
  const entry = frontEndOf(given);
  for (const key of Object.keys(entry.defaults)) {
    if (key !== 'kind' && !Object.hasOwn(given, key)) throw argumentError(`frontEnd.${key}`, 'given', 'nothing');
  }
  return entry.check(given);
}

/** The configuration as files had it before there was more than one kind, for what must not change with that (hashes).*/
export function withoutDefaultKind(config: FrontEndConfig): object {
  if (config.kind !== logMelFrontEnd.kind) return config;
  const { kind: _, ...rest } = config;
  return rest;
}

/** Values in a frame. */
export function frameWidth(config: FrontEndConfig): number {
  return frontEndOf(config).width(config);
}

/** Frames that `samples` samples give; 0 if they are too few for one. Log-mel:
 * `1 + floor((samples - windowLength) / hop)`. */
export function frameCount(samples: number, frontEnd: PartialFrontEnd = {}): number {
  return frontEndOf(frontEnd).frameCount(samples, checkFrontEnd(frontEnd));
}

/** The time that a frame stands for (its centre), in seconds from the start of the recording. */
export function frameTime(frame: number, config: FrontEndConfig): number {
  const time = frontEndOf(config).frameCentre(frame, config) / config.sampleRate;
  if (Number.isNaN(time))
    throw argumentError('frame and config', 'a number and a whole configuration (checkFrontEnd)', frame);
  return time;
}
