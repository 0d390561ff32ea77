// A tiny corpus of three "speakers", a folder each: tones with a little noise.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Random } from '../../lib/util/random.js';
import { pcm16Wav } from './wav.js';

export const speakers = ['ann', 'ben', 'cy'];

export async function writeSpeakers(folder: string): Promise<void> {
  for (const [f, speaker] of speakers.entries()) {
    await mkdir(join(folder, speaker), { recursive: true });
    for (let i = 0; i < 4; i++) {
      const rng = new Random(10 * f + i);
      const turn = (2 * Math.PI * (200 * (f + 1) + 40 * i)) / 16_000;
      const tone = Float32Array.from({ length: 12_000 }, (_, t) => 0.3 * Math.sin(t * turn) + 0.02 * rng.normal());
      await writeFile(join(folder, speaker, `${i}.wav`), pcm16Wav(tone, 16_000).bytes);
    }
  }
}
