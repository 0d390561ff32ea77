// The systems that `audio2vec train` knows. To add one: its folder, and an entry here.
import { description as metric } from './cdpam/description.js';
import type { System, SystemDescription } from './system.js';

export interface SystemEntry extends SystemDescription {
  /** The system itself, which loads engine and addon. */
  load(): Promise<System>;
}

export const systems: readonly SystemEntry[] = [
  { ...metric, load: async () => (await import('./cdpam/index.js')).metricSystem as System },
];
