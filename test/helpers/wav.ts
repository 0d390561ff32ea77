import wavefile from 'wavefile';

/** A mono 16-bit WAV file of samples in ±1, and the samples as they are after rounding. */
export function pcm16Wav(samples: Float32Array, rate: number): { bytes: Uint8Array; samples: Float32Array } {
  const rounded = Int16Array.from(samples, (x) => Math.max(-32768, Math.min(32767, Math.round(32768 * x))));
  const wav = new wavefile.WaveFile();
  wav.fromScratch(1, rate, '16', rounded);
  return { bytes: wav.toBuffer(), samples: Float32Array.from(rounded, (x) => x / 32768) };
}
