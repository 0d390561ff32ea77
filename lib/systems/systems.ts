// The systems that `audio2vec train` knows. To add one: its folder, and an entry here.
import type { System, SystemDescription } from './system.js';
import { codesDescription } from './wav2vec-c/description.js';

export interface SystemEntry extends SystemDescription {
  /** The system itself, which loads engine and addon. */
  load(): Promise<System>;
}

export const systems: readonly SystemEntry[] = [
  { ...codesDescription, load: async () => (await import('./wav2vec-c/index.js')).wav2vecC as unknown as System },
];
