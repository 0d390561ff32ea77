// The systems that `audio2vec train` knows. To add one: its folder, and an entry here.

import { articulationDescription } from './articulation/description.js';
import { description as metric } from './cdpam/description.js';
import { pitchDescription } from './pitch/description.js';
import type { System, SystemDescription } from './system.js';
import { codesDescription } from './wav2vec-c/description.js';

export interface SystemEntry extends SystemDescription {
  /** The system itself, which loads engine and addon. */
  load(): Promise<System>;
}

export const systems: readonly SystemEntry[] = [
  { ...pitchDescription, load: async () => (await import('./pitch/system.js')).pitchSystem },
  {
    ...articulationDescription,
    load: async () => (await import('./articulation/system.js')).articulation,
  },
  { ...metric, load: async () => (await import('./cdpam/system.js')).metricSystem },
  { ...codesDescription, load: async () => (await import('./wav2vec-c/system.js')).wav2vecC },
];
