// What inputs of several targets are made with.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const scratch = mkdtempSync(join(tmpdir(), 'audio2vec-fuzz-'));

/** Writes the input to a file for a parser that reads one. */
export function asFile(input: Uint8Array, ending: string, name = 'input'): string {
  const file = join(scratch, `${name}.${ending}`);
  writeFileSync(file, input);
  return file;
}

/** A folder for what a seed is made of. */
export const scratchFolder = scratch;

/** Bytes that repeat only after a while. */
export const noise = (bytes: number) => Uint8Array.from({ length: bytes }, (_, i) => (i * 37 + (i >> 3) * 101) & 255);

/** The length in front of a safetensors header, made right. */
export function mendHeader(input: Uint8Array): Uint8Array {
  const end = Buffer.from(input).indexOf('}}');
  if (input.length < 10 || end < 8) return input;
  const out = Buffer.from(input);
  out.writeBigUInt64LE(BigInt(end + 2 - 8), 0);
  return out;
}
