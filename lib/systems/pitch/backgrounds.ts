// Sound to mix with recordings while training, from a folder.
import { listAudio, readFolder } from '../../audio/index.js';
import { Audio2VecError } from '../../util/errors.js';
import { Random } from '../../util/random.js';

/** Of all backgrounds together, so that a large folder fits in memory. */
const MOST_SECONDS = 1200;
/** Of one recording. */
const SECONDS_EACH = 8;

/** Pieces of recordings in a folder, drawn by the seed.
 * @throws `ERR_DATASET` if none can be read, `ERR_FILE` */
export async function readBackgrounds(
  folder: string,
  rate: number,
  seed: number,
  signal?: AbortSignal,
): Promise<Float32Array[]> {
  const random = new Random(seed).fork('backgrounds');
  const files = random.shuffle(await listAudio(folder, { signal }));
  const pieces: Float32Array[] = [];
  let room = MOST_SECONDS * rate;
  for await (const { samples } of readFolder(folder, { files, signal })) {
    if (!samples) continue;
    const length = Math.min(samples.length, SECONDS_EACH * rate);
    const start = random.int(samples.length - length + 1);
    const piece = samples.slice(start, start + length);
    if (!piece.some((x) => x !== 0)) continue;
    pieces.push(piece);
    room -= length;
    if (room <= 0) break;
  }
  if (pieces.length > 0) return pieces;
  throw new Audio2VecError('ERR_DATASET', `${folder}: none of the backgrounds can be read and has sound in it.`);
}
