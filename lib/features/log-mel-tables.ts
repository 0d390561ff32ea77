// The tables of log-mel as the native code computes them (native/frontend/mel_bank.cc), for exports and reports: the
// mel scale and the window are written down nowhere else.
import { native } from '../native/addon.js';
import type { LogMelConfig } from './log-mel-config.js';

export interface LogMelTables {
  /** `[windowLength]`. */
  window: Float64Array;
  /** Corner frequencies in Hz, `[bands + 2]`: band b rises from corner b to b + 1 and falls to b + 2. */
  corners: Float64Array;
  /** Weight of each DFT bin in each band, `[fftSize / 2 + 1, bands]`. */
  weights: Float64Array;
}

export function logMelTables(config: LogMelConfig): LogMelTables {
  return native.logMelTables(config);
}
