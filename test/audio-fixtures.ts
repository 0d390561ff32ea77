// WAV files made by the byte, for the tests of audio input.
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Real CC0 recordings (FLAC, 44.1 kHz) that an npm package ships. */
export const SAMPLES = join(
  dirname(createRequire(import.meta.url).resolve('supersonic-scsynth-samples/package.json')),
  'samples',
);
export const sampleFiles = () =>
  readdirSync(SAMPLES)
    .filter((file) => file.endsWith('.flac'))
    .sort();

export interface WavParts {
  container?: 'RIFF' | 'RIFX' | 'RF64';
  tag?: number;
  channels?: number;
  rate?: number;
  bits?: number;
  blockAlign?: number;
  /** Sub-format tag: makes the header WAVE_FORMAT_EXTENSIBLE. */
  extensible?: number;
  data?: Uint8Array;
  /** What the data chunk claims instead of the truth. */
  dataSize?: number;
  riffSize?: number;
  /** Chunks between `fmt ` and `data`: id and bytes. */
  before?: [string, Uint8Array][];
}

/** A WAV file; by default PCM16 mono at 16 kHz. Wrong parts make wrong files. */
export function wavFile(parts: WavParts = {}): Buffer {
  const { container = 'RIFF', tag = 1, channels = 1, rate = 16000, bits = 16, data = new Uint8Array(0) } = parts;
  const big = container === 'RIFX';
  const bytesOf = (x: number, size: number) => {
    const little = Buffer.alloc(size);
    little.writeUIntLE(x, 0, size);
    return big ? little.reverse() : little;
  };
  const u16 = (x: number) => bytesOf(x, 2);
  const u32 = (x: number) => bytesOf(x, 4);
  const chunk = (id: string, body: Uint8Array, size = body.length) =>
    Buffer.concat([Buffer.from(id), u32(size), body, Buffer.alloc(body.length % 2)]);
  const blockAlign = parts.blockAlign ?? channels * Math.ceil(bits / 8);
  const extensible = parts.extensible !== undefined;
  const fmt = [
    u16(extensible ? 0xfffe : tag),
    u16(channels),
    u32(rate),
    u32((rate * blockAlign) >>> 0),
    u16(blockAlign),
    u16(bits),
  ];
  if (extensible) {
    fmt.push(u16(22), u16(bits), u32(0), u32(parts.extensible as number));
    fmt.push(u32(0x00100000), u32(0xaa000080), u32(0x719b3800));
  }
  const body = Buffer.concat([
    Buffer.from('WAVE'),
    chunk('fmt ', Buffer.concat(fmt)),
    ...(parts.before ?? []).map(([id, bytes]) => chunk(id, bytes)),
    chunk('data', data, parts.dataSize),
  ]);
  return Buffer.concat([Buffer.from(container), u32(parts.riffSize ?? body.length), body]);
}

/** Samples in [-1, 1) as PCM16 bytes. */
export function pcm16(samples: ArrayLike<number>): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(samples.length * 2));
  for (let i = 0; i < samples.length; i++) bytes.setInt16(i * 2, Math.round(samples[i] * 32768), true);
  return new Uint8Array(bytes.buffer);
}

/** A sine of `hertz` at `rate`. */
export function sine(hertz: number, rate: number, length: number, amplitude = 0.5, phase = 0): Float32Array {
  return Float32Array.from({ length }, (_, i) => amplitude * Math.sin((2 * Math.PI * hertz * i) / rate + phase));
}
