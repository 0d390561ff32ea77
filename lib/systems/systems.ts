// The systems that `audio2vec train` knows. To add one: its folder, and a line here.
import type { System } from './system.js';

export const systems: readonly System[] = [];
