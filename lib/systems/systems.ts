// The systems that `audio2vec train` knows. To add one: its folder, and an entry here.
import { pitchDescription } from './pitch/description.js';
import type { System, SystemDescription } from './system.js';

export interface SystemEntry extends SystemDescription {
  /** The system itself, which loads engine and addon. */
  load(): Promise<System>;
}

export const systems: readonly SystemEntry[] = [
  { ...pitchDescription, load: async () => (await import('./pitch/index.js')).pitchSystem as unknown as System },
];
