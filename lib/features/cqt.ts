// Constant-Q and variable-Q transform, computed natively (native/frontend/cqt_kernel.h): a spectrum whose bins are equal
// musical intervals apart, so that a change of pitch is a shift along the bins.
//
// Brown, "Calculation of a constant Q spectral transform", JASA 1991; Schörkhuber et al., "A Matlab toolbox for efficient
// perfect reconstruction time-frequency transforms with log-frequency resolution", AES 2014 (variable Q).
import { native } from '../native/addon.js';
import type { NativeCqt } from '../native/types.js';
import { type CqtConfig, checkCqt, defaultCqt } from './cqt-config.js';
import { cqtFilters } from './cqt-filters.js';
import { emitCqt } from './cqt-operators.js';
import { CqtStream } from './cqt-stream.js';
import type { FrontEnd } from './front-end.js';

export interface CqtFrontEnd extends FrontEnd<CqtConfig> {
  stream(config: CqtConfig, isa?: string): CqtStream;
}

/** Frames are centred: frame m on sample m · hop, ⌊samples / hop⌋ + 1 of them. Beyond its ends a recording is silent. */
export const cqtFrontEnd: CqtFrontEnd = {
  kind: 'cqt',
  title: 'constant-Q',
  defaults: defaultCqt,
  check(given) {
    const config = checkCqt(given);
    cqtFilters(config); // whose tables may be too large
    return config;
  },
  width: (config) => config.bins,
  frameCount: (samples, { hop }) => (samples < 1 ? 0 : Math.floor(samples / hop) + 1),
  sampleCount: (frames, { hop }) => Math.max(1, (frames - 1) * hop),
  frameCentre: (frame, { hop }) => frame * hop,
  latency: (config) => cqtFilters(config).latency,
  silence: silenceOf,
  bandHz: (config) => cqtFilters(config).frequencies,
  kernel: kernelOf,
  emit: emitCqt,
  stream: (config, isa) => new CqtStream(config, cqtFilters(config).latency, kernelOf(config, isa)),
};

function silenceOf({ output, floor }: CqtConfig): number {
  if (output === 'magnitude') return 0;
  return output === 'db' ? 20 * Math.log10(floor) : Math.log(floor);
}

function kernelOf(config: CqtConfig, isa = native.capabilities().isa): NativeCqt {
  const { sampleRate, hop, output, floor } = config;
  // Silence is exact: base + slope · ln(1 + power / floor²).
  const slope = { magnitude: 1, db: 10 / Math.LN10, log: 0.5 }[output];
  const gain = output === 'magnitude' ? 1 : floor ** -2;
  const scale = { logarithm: output !== 'magnitude', base: silenceOf(config), slope, gain };
  return new native.Cqt({ ...cqtFilters(config), ...scale, sampleRate, hop }, isa);
}
