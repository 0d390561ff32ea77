// All benchmark cases, in the order they run. To add one: write its file under cases/, add it here.
import type { BenchCase } from './case.js';
import { encoderCases } from './cases/encoder.js';
import { endToEndCases } from './cases/end-to-end.js';
import { footprintCases } from './cases/footprint.js';
import { logMelCases } from './cases/log-mel.js';
import { peakCases } from './cases/peak.js';
import { streamCases } from './cases/streams.js';
import { trainCases } from './cases/train.js';

export const benchCases: readonly BenchCase[] = [
  ...peakCases,
  ...logMelCases,
  ...encoderCases,
  ...streamCases,
  ...trainCases,
  ...endToEndCases,
  ...footprintCases,
];
