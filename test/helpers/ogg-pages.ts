// Ogg pages taken apart and made by the byte (RFC 3533), bit by bit where lib/ uses tables.

export interface OggPage {
  flags: number;
  granule: bigint;
  serial: number;
  sequence: number;
  lacing: number[];
  body: Buffer;
}

export function readPages(file: Buffer): OggPage[] {
  const pages: OggPage[] = [];
  for (let at = 0; at < file.length; ) {
    const lacing = [...file.subarray(at + 27, at + 27 + file[at + 26]!)];
    const begin = at + 27 + lacing.length;
    const end = begin + lacing.reduce((a, b) => a + b, 0);
    pages.push({
      flags: file[at + 5]!,
      granule: file.readBigInt64LE(at + 6),
      serial: file.readUInt32LE(at + 14),
      sequence: file.readUInt32LE(at + 18),
      lacing,
      body: Buffer.from(file.subarray(begin, end)),
    });
    at = end;
  }
  return pages;
}

export function writePages(pages: readonly OggPage[]): Buffer {
  return Buffer.concat(pages.map(writePage));
}

function writePage({ flags, granule, serial, sequence, lacing, body }: OggPage): Buffer {
  const header = Buffer.alloc(27 + lacing.length);
  header.write('OggS', 'latin1');
  header[5] = flags;
  header.writeBigInt64LE(granule, 6);
  header.writeUInt32LE(serial, 14);
  header.writeUInt32LE(sequence, 18);
  header[26] = lacing.length;
  header.set(lacing, 27);
  const page = Buffer.concat([header, body]);
  let crc = 0;
  for (const byte of page) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  }
  page.writeUInt32LE(crc >>> 0, 22);
  return page;
}

/** One packet over as many pages as it takes. */
export function packetPages(packet: Buffer, serial: number, firstSequence: number): OggPage[] {
  const pages: OggPage[] = [];
  const lacing = Array.from({ length: Math.floor(packet.length / 255) }, () => 255).concat(packet.length % 255);
  for (let at = 0, segment = 0; segment < lacing.length; ) {
    const part = lacing.slice(segment, segment + 255);
    const length = part.reduce((a, b) => a + b, 0);
    pages.push({
      ...{ flags: at > 0 ? 1 : 0, serial, sequence: firstSequence + pages.length, lacing: part },
      granule: segment + 255 >= lacing.length ? 0n : -1n,
      body: packet.subarray(at, at + length),
    });
    at += length;
    segment += 255;
  }
  return pages;
}
