// Recordings to measure the parity of an export on.
import { listAudio, readFolder, SAMPLE_RATE } from '../audio/index.js';

/** The most recordings taken of a folder, evenly from all of it, and the seconds of each that are used. */
const most = 64;
const seconds = 20;

/** @returns samples at 16 kHz, and the recordings that could not be read
 * @throws `ERR_FILE` if there is no such folder; the signal's reason */
export async function clipsOfFolder(
  folder: string,
  { signal }: { signal?: AbortSignal } = {},
): Promise<{ clips: Float32Array[]; skipped: { file: string; reason: string }[] }> {
  const all = await listAudio(folder, { signal });
  const every = Math.ceil(all.length / most);
  const files = all.filter((_, i) => i % every === 0);
  const clips: Float32Array[] = [];
  const skipped: { file: string; reason: string }[] = [];
  for await (const { file, samples, error } of readFolder(folder, { files, signal })) {
    if (error) skipped.push({ file, reason: error.message });
    else clips.push(samples.slice(0, seconds * SAMPLE_RATE));
  }
  return { clips, skipped };
}
