// How long a compressed recording probably is, so that its samples find room at once. What a header says is only
// believed as far as the file could hold it.
import { outputLength } from './convert.js';
import { streamInfo } from './decoders/flac.js';
import { frameHeader } from './decoders/mpeg.js';
import type { Recognised } from './format.js';
import type { Source } from './source.js';

/** Samples that a byte may stand for: Opus at 6 kbit/s has 64; FLAC of silence has more, which is rare. */
const MOST_PER_BYTE = 100;

/** Samples at `target` Hz; 0 for unknown. */
export async function estimateLength(
  source: Source,
  { format, start, end }: Recognised,
  target: number,
): Promise<number> {
  const head = await source.read(start, 1024);
  const [frames, rate] =
    format === 'flac'
      ? flacFrames(head)
      : format === 'mp3'
        ? mpegFrames(head, end - start)
        : await oggFrames(source, head);
  if (!(frames > 0 && rate > 0)) return 0;
  return Math.min(outputLength(frames, rate, target), MOST_PER_BYTE * (end - start));
}

function flacFrames(head: Uint8Array): [frames: number, rate: number] {
  if (head.length < 42) return [0, 0];
  const { total, rate, final } = streamInfo(head.slice(8, 42));
  return [final ? total : 0, rate];
}

/** From the tag of the encoder, which also says how much delay and padding there is; or from the bit rate. */
function mpegFrames(head: Uint8Array, bytes: number): [frames: number, rate: number] {
  const header = frameHeader(head, 0);
  if (!header) return [0, 0];
  const { bitRate, samples, rate, tagAt } = header;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const id = String.fromCharCode(...head.subarray(tagAt, tagAt + 4));
  const hasCount = (id === 'Xing' || id === 'Info') && tagAt + 144 < head.length && (head[tagAt + 7] & 1) === 1;
  if (!hasCount) return [Math.ceil((bytes * 8 * rate) / bitRate / samples) * samples, rate];
  const [delay, padding] = [
    (head[tagAt + 141] << 4) | (head[tagAt + 142] >> 4),
    ((head[tagAt + 142] & 15) << 8) | head[tagAt + 143],
  ];
  return [view.getUint32(tagAt + 8) * samples - delay - padding, rate];
}

/** From the time on the last page. */
async function oggFrames(source: Source, head: Uint8Array): Promise<[frames: number, rate: number]> {
  const packet = head.subarray(27 + (head[26] ?? 0));
  const opus = String.fromCharCode(...packet.subarray(0, 8)) === 'OpusHead';
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  if (packet.length < 20) return [0, 0];
  const tail = Buffer.from(await source.read(Math.max(0, source.size - (1 << 16)), 1 << 16));
  const page = tail.lastIndexOf('OggS');
  if (page < 0 || page + 14 > tail.length) return [0, 0];
  const granule = Number(tail.readBigInt64LE(page + 6));
  return opus ? [granule - view.getUint16(10, true), 48_000] : [granule, view.getUint32(12, true)];
}
