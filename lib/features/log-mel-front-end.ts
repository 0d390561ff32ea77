// Log-mel, the first front end: Hann window → DFT → power → HTK mel → logarithm (native/frontend).
import { native } from '../native/addon.js';
import { argumentError } from '../util/errors.js';
import { checkRange, type FrontEnd, fillIn, slidingFrames } from './front-end.js';
import type { LogMelConfig } from './log-mel-config.js';
import { emitLogMel } from './log-mel-operators.js';
import { logMelTables } from './log-mel-tables.js';

const defaults: LogMelConfig = {
  kind: 'log-mel',
  sampleRate: 16000,
  windowLength: 400,
  hop: 160,
  fftSize: 512,
  bands: 64,
  lowHz: 60,
  highHz: 7800,
  logOffset: 1e-6,
};

export const logMelFrontEnd: FrontEnd<LogMelConfig> = {
  kind: 'log-mel',
  title: 'log-mel',
  defaults,
  check(given) {
    const fe = fillIn(given, defaults);
    checkRange(fe, 'sampleRate', 1000, 384000, false);
    checkRange(fe, 'fftSize', 64, 4096);
    if (!Number.isInteger(Math.log2(fe.fftSize))) throw argumentError('frontEnd.fftSize', 'a power of two', fe.fftSize);
    checkRange(fe, 'windowLength', 2, fe.fftSize);
    checkRange(fe, 'hop', 1, 65536);
    checkRange(fe, 'bands', 1, 512);
    checkRange(fe, 'highHz', 1, fe.sampleRate / 2, false);
    checkRange(fe, 'lowHz', 0, fe.highHz, false);
    if (fe.lowHz === fe.highHz) throw argumentError('frontEnd.lowHz', `below highHz (${fe.highHz})`, fe.lowHz);
    checkRange(fe, 'logOffset', 1e-30, 1, false);
    return fe;
  },
  width: (config) => config.bands,
  ...slidingFrames<LogMelConfig>((config) => config.windowLength),
  silence: (config) => Math.log(config.logOffset),
  bandHz: (config) => logMelTables(config).corners.slice(1, -1),
  kernel: (config, isa) => new native.LogMel(config, isa),
  emit(writer, waveform, samples, config) {
    const { windowLength: length, hop } = config;
    return emitLogMel(writer, writer.windows('frames', waveform, { samples, length, hop }), config);
  },
};
