// @ts-check
// Vorbis packets, by the decoder inside of @wasm-audio-decoders/ogg-vorbis: its own reader of Ogg knows one link only.
import { audio, damaged, decoderOf, MissingDecoder } from './output.js';

/** What the decoder's buffer holds. */
const LONGEST_PACKET = 128 * 1024;

/**
 * @param {Uint8Array} identification
 * @returns {Promise<import('./link-decoder.js').LinkDecoder>}
 */
export async function openVorbis(identification) {
  const name = '@wasm-audio-decoders/ogg-vorbis';
  const { OggVorbisDecoder } = await decoderOf(name);
  const outer = new OggVorbisDecoder();
  await outer.ready;
  const decoder = outer._decoder;
  if (typeof decoder?.decodePackets !== 'function') throw new MissingDecoder(`${name}@0.1`);
  const [channels, rate] = [identification[11], new DataView(identification.slice(12, 16).buffer).getUint32(0, true)];
  if (identification.length < 30 || channels === 0 || rate === 0) throw damaged('its header is wrong');
  const check = (/** @type {Uint8Array} */ packet) => {
    if (packet.length > LONGEST_PACKET) throw damaged(`a packet of ${packet.length} bytes`);
    return packet;
  };
  decoder.sendSetupHeader(check(identification));
  let isReady = false;
  return {
    headers: 2,
    header(packet) {
      if (packet[0] !== 5) return; // comments: the decoder puts empty ones in their place
      decoder.sendSetupHeader(check(packet));
      decoder.initDsp();
      isReady = true;
    },
    skip: 0,
    decode(packets) {
      if (!isReady) throw damaged('its headers are incomplete');
      const { channelData, samplesDecoded } = decoder.decodePackets(packets.map(check));
      return audio(channelData, samplesDecoded, rate);
    },
    free: () => outer.free(),
  };
}
