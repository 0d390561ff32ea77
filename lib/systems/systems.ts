// The systems that `audio2vec train` knows. To add one: its folder, and a line here.
import { articulation } from './articulation/articulation.js';
import type { System } from './system.js';

export const systems: readonly System[] = [articulation];
