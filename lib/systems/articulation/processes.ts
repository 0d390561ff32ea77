// The forward processes that come with the package, by name.
import type { ForwardProcess } from './forward-process.js';
import { PluckedString } from './plucked-string.js';
import { VocalTract } from './vocal-tract.js';

/** Makes each with a hop in samples. */
export const forwardProcesses: Readonly<Record<string, (options: { hop?: number }) => ForwardProcess>> = {
  'vocal-tract': (options) => new VocalTract(options),
  'plucked-string': (options) => new PluckedString(options),
};
