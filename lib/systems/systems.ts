// The systems that `audio2vec train` knows. To add one: its folder, and a line here.
import type { System } from './system.js';
import { wav2vecC } from './wav2vec-c/index.js';

export const systems: readonly System[] = [wav2vecC as unknown as System];
