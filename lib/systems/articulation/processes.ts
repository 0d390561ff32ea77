// The forward processes that come with the package, by name.
import type { ForwardProcess } from './forward-process.js';
import { PluckedString } from './plucked-string.js';
import { tractFrameParameters, VocalTract } from './vocal-tract.js';

/** Makes each with a hop in samples. */
export const forwardProcesses: Readonly<Record<string, (options: { hop?: number }) => ForwardProcess>> = {
  'vocal-tract': (options) => new VocalTract(options),
  'plucked-string': (options) => new PluckedString(options),
};

/** Those that are inverted: the tract with its mouth only, and of what an utterance has once, its length. */
export const invertedProcesses: Readonly<Record<string, (options: { hop?: number }) => ForwardProcess>> = {
  ...forwardProcesses,
  'vocal-tract': ({ hop }) =>
    new VocalTract({
      hop,
      frameParameters: tractFrameParameters.map((p) => p.name).filter((name) => name !== 'velum'),
      utteranceParameters: ['length'],
    }),
};
