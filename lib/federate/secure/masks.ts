// Masks: uniformly random integers that a seed gives, added to a vector modulo 2^32.
import { createCipheriv } from 'node:crypto';

/** Bytes enciphered at a time. */
const chunk = 1 << 16;

/** Adds the mask of `seed` (32 bytes) to `values` in place, or takes it away: the keystream of AES-256 in counter mode, from
 * 0. A seed must serve for one vector only. */
export function mask(values: Uint32Array, seed: Uint8Array, sign: 1 | -1): void {
  const cipher = createCipheriv('aes-256-ctr', seed, new Uint8Array(16));
  const zeros = new Uint8Array(Math.min(chunk, 4 * values.length));
  for (let from = 0; from < values.length; from += chunk / 4) {
    const count = Math.min(chunk / 4, values.length - from);
    const bytes = cipher.update(zeros.subarray(0, 4 * count));
    const stream = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let i = 0; i < count; i++) values[from + i]! += sign * stream.getUint32(4 * i, true);
  }
}
