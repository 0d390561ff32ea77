import { argumentError } from './errors.js';

const names = ['C', 'C#', 'D', 'D#', 'E', 'F', 'F#', 'G', 'G#', 'A', 'A#', 'B'];

/** The nearest note in equal temperament (A4 is 440 Hz, MIDI 69) and how far the frequency is above it, in cents. No
 * pitch (0 Hz, as of silence) is the note `''` with NaN for numbers.
 * @throws `ERR_ARGUMENT` for what is no frequency */
export function noteName(hz: number): { note: string; midi: number; cents: number } {
  if (typeof hz !== 'number' || !(hz >= 0 && hz < Infinity)) throw argumentError('hz', 'a frequency, or 0', hz);
  if (hz === 0) return { note: '', midi: Number.NaN, cents: Number.NaN };
  const exact = 69 + 12 * Math.log2(hz / 440);
  const midi = Math.round(exact);
  return { note: `${names[((midi % 12) + 12) % 12]}${Math.floor(midi / 12) - 1}`, midi, cents: 100 * (exact - midi) };
}
