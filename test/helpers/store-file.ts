// A feature store file of any size, written without computing any log-mel.
import { open } from 'node:fs/promises';
import { HEAD_BYTES, storeHead } from '../../lib/features/store-format.js';
import { memoryStore } from './memory-store.js';

/** Clips of `frames` frames, the same few over and over. */
export async function writeStoreFile(file: string, clips: number, frames: number): Promise<void> {
  const distinct = memoryStore(Array.from({ length: 10 }, () => frames));
  const { bands, frontEnd } = distinct;
  const [mean, std] = [Array.from(distinct.mean), Array.from(distinct.std)];
  const names = Array.from({ length: clips }, (_, i) => ({ name: `clip-${i}.wav`, size: 0, mtimeMs: 0, frames }));
  const column = { name: 'log-mel', width: bands, offset: HEAD_BYTES, frontEnd, mean, std };
  const index = Buffer.from(JSON.stringify({ columns: [column], clips: names, bad: [] }));
  const handle = await open(file, 'w');
  try {
    await handle.write(storeHead(clips * frames, 1, index));
    for (let i = 0; i < clips; i++) await handle.write(Buffer.from(distinct.read((i % 10) * frames, frames).buffer));
    await handle.write(index);
  } finally {
    await handle.close();
  }
}
