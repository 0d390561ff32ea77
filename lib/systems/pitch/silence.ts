// A frame whose loudest bin is under this level is digital silence, which has no pitch.
import { DB_MEAN, DB_STD } from './front-end.js';

export const SILENCE = (-85 - DB_MEAN) / DB_STD;

export function isSilent(frame: Float32Array): boolean {
  for (let j = 0; j < frame.length; j++) if (frame[j]! > SILENCE) return false;
  return true;
}
