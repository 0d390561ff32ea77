// @ts-check
// Vorbis, Opus and FLAC in Ogg: each link by a decoder of its own, with what its own headers say.
import { FlacFrames, streamInfo } from './flac.js';
import { links } from './ogg.js';
import { openOpus } from './opus.js';
import { DamagedAudio, damaged } from './output.js';
import { openVorbis } from './vorbis.js';

/** @typedef {import('./input.js').Input} Input */
/** @typedef {import('./output.js').Part} Part */
/** @typedef {import('./link-decoder.js').LinkDecoder} LinkDecoder */

const startsWith = (/** @type {Uint8Array} */ bytes, /** @type {string} */ magic) =>
  [...magic].every((c, i) => bytes[i] === c.charCodeAt(0));

/**
 * The codec of a stream by its first packet.
 * @param {Uint8Array} packet
 */
export function oggCodec(packet) {
  if (startsWith(packet, '\x01vorbis')) return 'vorbis';
  if (startsWith(packet, 'OpusHead')) return 'opus';
  if (startsWith(packet, '\x7fFLAC')) return 'flac';
  return undefined;
}

/**
 * @param {Uint8Array} packet
 * @returns {Promise<LinkDecoder>}
 */
async function open(packet) {
  switch (oggCodec(packet)) {
    case 'vorbis':
      return openVorbis(packet);
    case 'opus':
      return openOpus(packet);
    default:
      return openFlac(packet);
  }
}

/**
 * "FLAC to Ogg Mapping": the first packet ends with STREAMINFO; audio packets begin with a frame's 0xff.
 * @param {Uint8Array} packet
 * @returns {Promise<LinkDecoder>}
 */
async function openFlac(packet) {
  if (packet.length < 51) throw damaged('its header is incomplete');
  const decoder = await FlacFrames.open(streamInfo(packet.slice(17, 51)));
  return {
    headers: 0,
    isHeader: (bytes) => bytes[0] !== 0xff,
    skip: 0,
    decode: (packets) => decoder.decode(packets),
    free: () => decoder.free(),
  };
}

/**
 * @param {Input} input
 * @returns {AsyncGenerator<Part>}
 */
export async function* decodeOgg(input) {
  /** @type {LinkDecoder | undefined} */
  let decoder;
  let headers = 0;
  let skip = 0;
  /** Time at the end of the last page, -1 before the first. */
  let time = -1;
  try {
    for (const event of links(input, (packet) => oggCodec(packet) !== undefined)) {
      if ('link' in event) {
        decoder?.free();
        decoder = undefined;
        decoder = await open(event.link);
        ({ headers, skip } = decoder);
        time = -1;
        continue;
      }
      if (!decoder) throw new DamagedAudio('damaged');
      const packets = [];
      for (const packet of event.packets) {
        if (headers > 0) {
          headers--;
          decoder.header?.(packet);
        } else if (!decoder.isHeader?.(packet)) packets.push(packet);
      }
      if (packets.length === 0) continue;
      const part = await decoder.decode(packets);
      let from = 0;
      let to = part.samples.length;
      if (event.granule >= 0) {
        // The last page says where the recording ends, which may be before its last packet does. The first may say that
        // the recording begins within its packets: what is before time zero is left out.
        const expected = event.granule - Math.max(0, time);
        if (event.last && expected >= 0) to = Math.min(to, expected);
        else if (time < 0 && expected < to) from = to - Math.max(0, expected);
        time = event.granule;
      }
      const left = Math.min(skip, Math.max(0, to - from));
      skip -= left;
      yield { samples: part.samples.subarray(Math.min(from + left, to), to), rate: part.rate };
    }
  } finally {
    decoder?.free();
  }
}
