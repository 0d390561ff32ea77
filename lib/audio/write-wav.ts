// Samples → a WAV file.
import wavefile from 'wavefile';
import { writeFileAtomic } from '../util/atomic-write.js';
import { argumentError } from '../util/errors.js';

export interface WriteWavOptions {
  /** 16-bit integers, or the samples as they are. Default 16. */
  bits?: 16 | 32;
}

/** Writes mono samples, in ±1, atomically. 16-bit files are rounded; what exceeds ±1 is clipped there and returned.
 * @throws `ERR_ARGUMENT` for a rate that is none, `ERR_FILE`. */
export async function writeWav(
  file: string,
  samples: Float32Array,
  rate: number,
  options: WriteWavOptions = {},
): Promise<{ clipped: number }> {
  if (!(samples instanceof Float32Array)) throw argumentError('samples', 'a Float32Array', typeof samples);
  if (!Number.isInteger(rate) || rate < 1) throw argumentError('rate', 'a whole number of Hz', rate);
  const { bits = 16 } = options;
  if (bits !== 16 && bits !== 32) throw argumentError('bits', '16 or 32 (float)', bits);
  let clipped = 0;
  const wav = new wavefile.WaveFile();
  if (bits === 32) {
    wav.fromScratch(1, rate, '32f', samples);
  } else {
    const rounded = Int16Array.from(samples, (x) => {
      if (!(Math.abs(x) <= 1)) clipped++;
      return Math.max(-32768, Math.min(32767, Math.round(32767 * x)));
    });
    wav.fromScratch(1, rate, '16', rounded);
  }
  await writeFileAtomic(file, wav.toBuffer());
  return { clipped };
}
