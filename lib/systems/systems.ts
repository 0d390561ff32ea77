// The systems that `audio2vec train` knows. To add one: its folder, and an entry here.
import { articulationDescription } from './articulation/description.js';
import type { System, SystemDescription } from './system.js';

export interface SystemEntry extends SystemDescription {
  /** The system itself, which loads engine and addon. */
  load(): Promise<System>;
}

export const systems: readonly SystemEntry[] = [
  {
    ...articulationDescription,
    load: async () => (await import('./articulation/articulation.js')).articulation,
  },
];
