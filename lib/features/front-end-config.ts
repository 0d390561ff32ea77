// The configuration of front ends, by the names that the rest of the package imports.
import type { LogMelConfig } from './log-mel-config.js';
import { logMelFrontEnd } from './log-mel-front-end.js';

export type { FrontEndConfig, PartialFrontEnd } from './front-ends.js';
export type { LogMelConfig } from './log-mel-config.js';

/** Log-mel with 25 ms windows every 10 ms and 64 bands. */
export const defaultFrontEnd: LogMelConfig = { ...logMelFrontEnd.defaults };
