// @ts-check
// Ogg (RFC 3533): pages, and the packets in them. A file may hold several recordings one after the other ("links"), each
// with headers of its own, and other streams beside the audio.
import { damaged } from './output.js';

/** @typedef {import('./input.js').Input} Input */

/**
 * @typedef {object} Page
 * @property {boolean} first of its stream
 * @property {boolean} last of its stream
 * @property {boolean} continued begins with the rest of a packet
 * @property {number} granule time at its end in the codec's own count; -1: no packet ends here
 * @property {number} serial
 * @property {number} sequence
 * @property {Uint8Array} body
 * @property {Uint8Array} lacing
 */

const CRC32 = Uint32Array.from({ length: 256 }, (_, i) => {
  let crc = i << 24;
  for (let k = 0; k < 8; k++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc >>> 0;
});

/** @param {Uint8Array} page */
function checksum(page) {
  let crc = 0;
  for (let i = 0; i < page.length; i++) {
    const byte = i >= 22 && i < 26 ? 0 : page[i]; // the field itself counts as zero
    crc = (crc << 8) ^ CRC32[(crc >>> 24) ^ byte];
  }
  return crc >>> 0;
}

const LONGEST_PAGE = 27 + 255 + 255 * 255;

/**
 * Pages in order; what is between them is left out. A last one that is cut has those of its packets that are whole.
 * @param {Input} input
 * @returns {Generator<Page>}
 */
function* pages(input) {
  for (let at = input.start; at < input.end; ) {
    const view = input.view(at, LONGEST_PAGE);
    if (!(view[0] === 0x4f && view[1] === 0x67 && view[2] === 0x67 && view[3] === 0x53 && view[4] === 0)) {
      const next = view.indexOf(0x4f, 1);
      at += next < 0 ? view.length : next;
      continue;
    }
    if (view.length < 27 || view.length < 27 + view[26]) return;
    const lacing = view.slice(27, 27 + view[26]);
    const bodyLength = lacing.reduce((sum, length) => sum + length, 0);
    const whole = view.subarray(0, 27 + lacing.length + bodyLength);
    const isCut = whole.length < 27 + lacing.length + bodyLength;
    const header = new DataView(whole.buffer, whole.byteOffset);
    if (!isCut && checksum(whole) !== header.getUint32(22, true)) {
      // Four letters in the middle of other data, or a damaged page.
      if (followsPage(view, whole.length)) throw damaged(`the checksum of the page at byte ${at} is wrong`);
      at += 1;
      continue;
    }
    yield {
      continued: (view[5] & 1) !== 0,
      first: (view[5] & 2) !== 0,
      last: (view[5] & 4) !== 0 && !isCut,
      granule: isCut ? -1 : Number(header.getBigInt64(6, true)),
      serial: header.getUint32(14, true),
      sequence: header.getUint32(18, true),
      lacing,
      body: whole.slice(27 + lacing.length),
    };
    at += whole.length;
  }
}

const followsPage = (/** @type {Uint8Array} */ view, /** @type {number} */ at) =>
  at >= view.length || (view[at] === 0x4f && view[at + 1] === 0x67 && view[at + 2] === 0x67 && view[at + 3] === 0x53);

/** More than any codec's packet; what is longer is a picture among the comments. */
const LONGEST_PACKET = 1 << 24;

/** Puts the packets of one stream together. */
class Packets {
  /** @type {Uint8Array[]} */
  #open = [];
  #openBytes = 0;
  /** @type {number | undefined} */
  #sequence;

  /**
   * The packets that end on this page.
   * @param {Page} page
   */
  of({ lacing, body, continued, sequence }) {
    const packets = [];
    const isNext = this.#sequence !== undefined && sequence === (this.#sequence + 1) >>> 0;
    this.#sequence = sequence;
    if (!continued || !isNext) this.#drop();
    // The rest of a packet whose beginning is on a page that is missing.
    let skipping = continued && !isNext;
    let at = 0;
    for (let i = 0; i < lacing.length; ) {
      let length = 0;
      let ends = false;
      while (i < lacing.length && !ends) {
        length += lacing[i];
        ends = lacing[i++] < 255;
      }
      if (at + length > body.length) break; // cut
      this.#add(body.subarray(at, at + length));
      at += length;
      if (!ends) break;
      if (!skipping) packets.push(this.#take());
      skipping = false;
      this.#drop();
    }
    if (skipping) this.#drop();
    return packets;
  }

  /** @param {Uint8Array} part */
  #add(part) {
    this.#openBytes += part.length;
    if (this.#openBytes <= LONGEST_PACKET) this.#open.push(part);
    else this.#open.length = Math.min(1, this.#open.length);
  }

  #take() {
    if (this.#open.length === 1) return this.#open[0];
    const packet = new Uint8Array(this.#open.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.#open) {
      packet.set(part, at);
      at += part.length;
    }
    return packet;
  }

  #drop() {
    this.#open = [];
    this.#openBytes = 0;
  }
}

/**
 * @typedef {{ link: Uint8Array } | { packets: Uint8Array[], granule: number, last: boolean }} Event a new recording, by
 *   its first packet; or packets that end on one page
 */

/**
 * The audio stream of each link.
 * @param {Input} input
 * @param {(packet: Uint8Array) => boolean} isAudio whether a stream that begins with this packet is one to decode
 * @returns {Generator<Event>}
 */
export function* links(input, isAudio) {
  /** @type {Packets | undefined} */
  let packets;
  let serial = -1;
  /** Streams of this link. */
  const known = new Set();
  let beginning = false;
  for (const page of pages(input)) {
    if (page.first) {
      if (!beginning) {
        known.clear();
        packets = undefined;
        serial = -1;
      }
      beginning = true;
      known.add(page.serial);
      const candidate = new Packets();
      const [first] = candidate.of(page);
      if (!packets && first && isAudio(first)) {
        packets = candidate;
        serial = page.serial;
        yield { link: first };
      }
      continue;
    }
    beginning = false;
    if (!known.has(page.serial)) throw damaged('it holds pages of a recording whose beginning is missing');
    if (!packets || page.serial !== serial) continue;
    yield { packets: packets.of(page), granule: page.granule, last: page.last };
  }
}
