// Random changes of bytes, such as damaged, hostile and half-written files have.
import type { Random } from '../../lib/util/random.js';

const numbers = [
  0,
  1,
  2,
  3,
  7,
  8,
  15,
  16,
  127,
  128,
  255,
  256,
  32767,
  32768,
  65535,
  65536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
];
const texts = [
  '"',
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '-',
  '.',
  '0',
  '9',
  'e308',
  'null',
  'true',
  '""',
  '[]',
  '{}',
  '1e999',
  '-1',
  '\\u0000',
  '__proto__',
];

/** One to a few changes of `bytes`, which stay as they are; parts of `other` may come into it. */
export function mutate(rng: Random, bytes: Uint8Array, other: Uint8Array, longest: number): Uint8Array {
  let out: Uint8Array = new Uint8Array(bytes); // a copy, also of a Buffer, whose slice() is none
  for (let changes = 1 + rng.int(4); changes > 0; changes--) out = change(rng, out, other);
  return out.length > longest ? out.subarray(0, longest) : out;
}

function change(rng: Random, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  const at = rng.int(bytes.length + 1);
  switch (rng.int(9)) {
    case 0: // a bit
      if (at < bytes.length) bytes[at]! ^= 1 << rng.int(8);
      return bytes;
    case 1: // a byte
      if (at < bytes.length) bytes[at] = rng.int(256);
      return bytes;
    case 2:
      return overwrite(bytes, at, numberBytes(rng));
    case 3:
      return insert(bytes, at, numberBytes(rng));
    case 4: {
      const token = new TextEncoder().encode(texts[rng.int(texts.length)]!);
      return rng.int(2) ? insert(bytes, at, token) : overwrite(bytes, at, token);
    }
    case 5: // cut out
      return remove(bytes, at, rng.int(1 + Math.min(64, bytes.length)));
    case 6: // repeat
      return insert(bytes, at, part(rng, bytes));
    case 7: // from another
      return rng.int(2) ? insert(bytes, at, part(rng, other)) : overwrite(bytes, at, part(rng, other));
    default: // cut off
      return bytes.subarray(0, at);
  }
}

function numberBytes(rng: Random): Uint8Array {
  const value = numbers[rng.int(numbers.length)]!;
  const out = Buffer.alloc(8);
  const size = [1, 2, 4, 8][rng.int(4)]!;
  const most = 2 ** (8 * size);
  if (size === 8) out.writeBigUInt64LE(BigInt(value));
  else if (rng.int(2)) out.writeUIntLE(value % most, 0, size);
  else out.writeUIntBE(value % most, 0, size);
  return out.subarray(0, size);
}

function part(rng: Random, bytes: Uint8Array): Uint8Array {
  const from = rng.int(bytes.length + 1);
  return bytes.subarray(from, from + rng.int(65));
}

function insert(bytes: Uint8Array, at: number, piece: Uint8Array): Uint8Array {
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
}

function overwrite(bytes: Uint8Array, at: number, piece: Uint8Array): Uint8Array {
  const end = Math.min(bytes.length, at + piece.length);
  bytes.set(piece.subarray(0, end - at), at);
  return bytes;
}

function remove(bytes: Uint8Array, at: number, count: number): Uint8Array {
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + count)]);
}
