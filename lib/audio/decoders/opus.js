// @ts-check
// Opus packets (RFC 7845: the header of Opus in Ogg), by the package opus-decoder.
import { audio, damaged, decoderOf } from './output.js';

/** Opus always decodes to this rate. */
const RATE = 48_000;
/** Frames in a packet × the longest frame, for each stream (RFC 6716, 3.2 and 3.4). */
const LONGEST_PACKET = 48 * 1275 + 100;

/**
 * @param {Uint8Array} head
 * @returns {Promise<import('./link-decoder.js').LinkDecoder>}
 */
export async function openOpus(head) {
  if (head.length < 19 || head[8] > 15) throw damaged('its header is wrong');
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const channels = head[9];
  const gain = 10 ** (view.getInt16(16, true) / (20 * 256));
  const family = head[18];
  let [streamCount, coupledStreamCount] = [1, channels - 1];
  let channelMappingTable = channels === 2 ? [0, 1] : [0];
  if (family === 0 ? channels > 2 : head.length < 21 + channels) throw damaged('its header is wrong');
  if (family !== 0) {
    [streamCount, coupledStreamCount] = head.subarray(19, 21);
    channelMappingTable = [...head.subarray(21, 21 + channels)];
  }
  const decoded = streamCount + coupledStreamCount;
  const isPossible = streamCount > 0 && coupledStreamCount <= streamCount && decoded <= 255;
  if (channels === 0 || !isPossible || channelMappingTable.some((from) => from !== 255 && from >= decoded)) {
    throw damaged('its header is wrong');
  }
  const { OpusDecoder } = await decoderOf('opus-decoder');
  const decoder = new OpusDecoder({
    ...{ sampleRate: RATE, channels, streamCount, coupledStreamCount, channelMappingTable, preSkip: 0 },
  });
  // Its own guess is too small for the longest packets. Read when the decoder is set up, which is later.
  const longest = LONGEST_PACKET * streamCount;
  if ('_inputSize' in decoder) decoder._inputSize = Math.max(decoder._inputSize, longest);
  await decoder.ready;
  return {
    headers: 1,
    skip: view.getUint16(10, true),
    decode(packets) {
      const tooLong = packets.find((packet) => packet.length > longest);
      if (tooLong) throw damaged(`a packet of ${tooLong.length} bytes`);
      const { channelData, samplesDecoded, errors } = decoder.decodeFrames(packets);
      if (errors.length > 0) throw damaged(errors[0].message);
      const part = audio(channelData, samplesDecoded, RATE);
      if (gain !== 1) part.samples = part.samples.map((x) => x * gain);
      return part;
    },
    free: () => decoder.free(),
  };
}
