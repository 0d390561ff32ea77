// What a round by secure aggregation adds to the protocol: GET /v1/work answers with a stage, and the client sends what the
// stage asks for to PUT /v1/secure?stage=…&name=…: JSON with bytes in base64, the vector as integers of 4 bytes, the lowest
// first.
import { z } from 'zod';

const bytes = z.string().max(1024);
const byClient = z.record(z.string().max(64), bytes);
const stageOf = <S extends string>(stage: S) =>
  ({
    do: z.literal('secure'),
    stage: z.literal(stage),
    round: z.int().nonnegative(),
    name: z.string().max(200),
    seconds: z.number(),
  }) as const;

/** What a client is to do in a secure round. */
export const secureWorkSchemas = [
  z.object({ ...stageOf('keys') }),
  z.object({
    ...stageOf('shares'),
    roster: z.array(z.object({ id: z.string().max(64), sealing: bytes, masking: bytes })).max(255),
  }),
  z.object({
    ...stageOf('vector'),
    shares: byClient,
    unit: z.number().positive(),
    mean: z.array(z.number()).max(4096),
    std: z.array(z.number()).max(4096),
  }),
  z.object({ ...stageOf('revealed'), present: z.array(z.string().max(64)).max(255) }),
] as const;
export type SecureWork = z.infer<(typeof secureWorkSchemas)[number]>;

export const keysMessage = z.object({ sealing: bytes, masking: bytes });
export const sharesMessage = z.object({ shares: byClient });
export const revealedMessage = z.object({ seeds: byClient, keys: byClient });

export function toText(data: Uint8Array): string {
  return Buffer.from(data).toString('base64');
}

export function fromText(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}

export function vectorToBytes(vector: Uint32Array): Buffer {
  const data = Buffer.alloc(4 * vector.length);
  for (let i = 0; i < vector.length; i++) data.writeUInt32LE(vector[i]!, 4 * i);
  return data;
}

export function vectorFromBytes(data: Buffer): Uint32Array {
  return Uint32Array.from({ length: Math.floor(data.length / 4) }, (_, i) => data.readUInt32LE(4 * i));
}

export function mapToText(map: ReadonlyMap<string, Uint8Array>): Record<string, string> {
  return Object.fromEntries([...map].map(([id, data]) => [id, toText(data)]));
}

export function mapFromText(texts: Record<string, string>): Map<string, Uint8Array> {
  return new Map(Object.entries(texts).map(([id, text]) => [id, fromText(text)]));
}
