// Event files as TensorBoard reads them: records of TensorFlow's `Event` messages (tensorflow/core/util/event.proto) in
// the framing of tensorflow/core/lib/io/record_writer.h: length, its check sum, the message, its check sum.
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** Name of an event file begun at `time` (seconds since 1970). TensorBoard reads the files of a folder by their names. */
export function eventFileName(time: number): string {
  return `events.out.tfevents.${time.toFixed(3).padStart(14, '0')}.audio2vec`;
}

/** What the file begins with: the version of the format, and that a run starts at `firstStep`, so that TensorBoard
 * forgets what an earlier file says of it and of later steps. */
export function eventFileHead(time: number, firstStep: number): Uint8Array {
  const version = event(time, 0).tag(3, WireType.LengthDelimited).string('brain.Event:2');
  const start = event(time, firstStep).tag(7, WireType.LengthDelimited).fork();
  start.tag(1, WireType.Varint).int32(1).join(); // SessionLog { status: START }
  return Buffer.concat([record(version.finish()), record(start.finish())]);
}

/** Scalars of one step by their tags. */
export function scalarsRecord(time: number, step: number, scalars: Readonly<Record<string, number>>): Uint8Array {
  const message = event(time, step).tag(5, WireType.LengthDelimited).fork(); // Summary
  for (const [tag, value] of Object.entries(scalars)) {
    message.tag(1, WireType.LengthDelimited).fork(); // Summary.Value
    message.tag(1, WireType.LengthDelimited).string(tag);
    message.tag(2, WireType.Bit32).float(value).join();
  }
  return record(message.join().finish());
}

function event(time: number, step: number): BinaryWriter {
  return new BinaryWriter().tag(1, WireType.Bit64).double(time).tag(2, WireType.Varint).int64(step);
}

function record(data: Uint8Array): Uint8Array {
  const framed = Buffer.alloc(8 + 4 + data.length + 4);
  framed.writeBigUInt64LE(BigInt(data.length), 0);
  framed.writeUInt32LE(maskedCrc(framed.subarray(0, 8)), 8);
  framed.set(data, 12);
  framed.writeUInt32LE(maskedCrc(data), 12 + data.length);
  return framed;
}

function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** CRC-32C (Castagnoli), RFC 3720, appendix B.4. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = table[(crc ^ byte) & 255]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});
