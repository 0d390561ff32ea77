const names = ['C', 'C#', 'D', 'D#', 'E', 'F', 'F#', 'G', 'G#', 'A', 'A#', 'B'];

/** The nearest note in equal temperament (A4 is 440 Hz, MIDI 69) and how far the frequency is above it, in cents. */
export function noteName(hz: number): { note: string; midi: number; cents: number } {
  const exact = 69 + 12 * Math.log2(hz / 440);
  const midi = Math.round(exact);
  return { note: `${names[((midi % 12) + 12) % 12]}${Math.floor(midi / 12) - 1}`, midi, cents: 100 * (exact - midi) };
}
