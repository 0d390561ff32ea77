// Writes test/golden/vocal-tract.json: npx tsx test/golden/make-vocal-tract.ts
import { writeFileSync } from 'node:fs';
import { Random } from '../../lib/util/random.js';
import { type Tract64, vocalTract64 } from '../helpers/vocal-tract64.js';

const random = new Random('golden');
/** A frame from a plausible region, of numbers that float32 holds exactly. The pitch is no simple fraction of the rate: the
 * glottis would close exactly at a step, where the last bit decides which noise is heard. */
const frame = (frication: boolean, nasal: boolean) => {
  const eighths = (low: number, high: number) => (low + random.int(high - low + 1)) / 8;
  const radii = Array.from({ length: 8 }, () => eighths(2, 13));
  const voice = [Math.fround(random.uniform(100, 250)), eighths(3, 7), eighths(0, 6), eighths(0, 2), 1];
  return [...radii, ...voice, frication ? eighths(1, 4) : 0, eighths(64, 120), nasal ? eighths(1, 6) : 0];
};
const tracts: Tract64[] = [
  { frames: [frame(false, false)], hop: 160, samples: 240, seed: 1 },
  { frames: Array.from({ length: 3 }, () => frame(false, false)), hop: 160, samples: 400, seed: 2, block: 16 },
  { frames: Array.from({ length: 3 }, () => frame(true, false)), hop: 160, samples: 320, seed: 3, block: 16 },
  { frames: Array.from({ length: 3 }, () => frame(false, true)), hop: 160, samples: 320, seed: 4, block: 16 },
  { frames: [frame(true, true)], hop: 160, samples: 240, seed: 5, length: 14, loss: 0.984375 },
  { frames: [frame(false, false)], hop: 160, samples: 240, seed: 6, length: 8.75, glottal: 0.875, lip: -0.875 },
];
const lines = tracts.map(({ samples: _, ...tract }, i) => {
  return JSON.stringify({ ...tract, samples: Array.from(vocalTract64(tracts[i]!), (x) => Number(x.toPrecision(12))) });
});
const about = 'Vocal tracts by test/helpers/vocal-tract64.ts in double precision; written by make-vocal-tract.ts';
writeFileSync(new URL('vocal-tract.json', import.meta.url), `{"about": "${about}", "tracts": [\n${lines.join(',\n')}\n]}\n`);
