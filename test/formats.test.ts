import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeFileAtomic } from '../lib/util/atomic-write.js';
import { Audio2VecError } from '../lib/util/errors.js';
import { readNpy, writeNpy } from '../lib/util/npy.js';
import { parseSafetensors, readSafetensors, type Tensor, writeSafetensors } from '../lib/util/safetensors.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-formats-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A file with this JSON header and that much data. */
function safetensors(header: unknown, dataLength: number): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataLength)]);
}

describe('writeFileAtomic', () => {
  it('leaves the old file and no temporary one when it fails', async () => {
    const file = join(folder, 'atomic');
    await writeFileAtomic(file, 'old');
    const failing = { length: 3 } as unknown as Uint8Array;
    await expect(writeFileAtomic(file, 'new', failing)).rejects.toMatchObject({ code: 'ERR_FILE' });
    expect(await readFile(file, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['atomic']);
  });

  it('names the file when the folder is missing', async () => {
    const file = join(folder, 'nowhere', 'x');
    await expect(writeFileAtomic(file, 'x')).rejects.toThrow(file);
  });
});

describe('safetensors', () => {
  const tensors = new Map<string, Tensor>([
    ['bytes', { shape: [3], data: Uint8Array.of(1, 2, 3) }],
    ['weights', { shape: [2, 2], data: Float32Array.of(1, -0, Number.NaN, 1e-40) }],
    ['doubles', { shape: [1], data: Float64Array.of(Math.PI) }],
    ['counts', { shape: [2], data: BigInt64Array.of(-1n, 2n ** 62n) }],
    ['empty', { shape: [0, 5], data: new Int32Array() }],
    ['__proto__', { shape: [], data: Int16Array.of(-5) }],
  ]);

  it('reads back what it wrote, bit for bit', async () => {
    const file = join(folder, 'a.safetensors');
    await writeSafetensors(file, tensors, { format: 'test', note: 'ä "quoted"' });
    const read = await readSafetensors(file);
    expect(read.metadata).toEqual({ format: 'test', note: 'ä "quoted"' });
    expect(new Map([...read.tensors].sort())).toEqual(new Map([...tensors].sort()));
  });

  it('gives the same bytes whatever the order of tensors and metadata', async () => {
    const [one, two] = [join(folder, '1.safetensors'), join(folder, '2.safetensors')];
    await writeSafetensors(one, tensors, { a: '1', b: '2' });
    await writeSafetensors(two, new Map([...tensors].reverse()), { b: '2', a: '1' });
    expect(await readFile(one)).toEqual(await readFile(two));
  });

  it('aligns every array to its element', async () => {
    const file = join(folder, 'aligned.safetensors');
    await writeSafetensors(file, tensors);
    const bytes = await readFile(file);
    const length = Number(bytes.readBigUInt64LE(0));
    expect(length % 8).toBe(0);
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
    for (const [name, { data }] of tensors) expect(header[name].data_offsets[0] % data.BYTES_PER_ELEMENT).toBe(0);
  });

  it('refuses a shape that does not fit its data', async () => {
    const wrong = new Map([['w', { shape: [2], data: new Float32Array(3) }]]);
    await expect(writeSafetensors(join(folder, 'x'), wrong)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });

  const entry = (start: number, end: number, shape: unknown = [(end - start) / 4], dtype: unknown = 'F32') => ({
    dtype,
    shape,
    data_offsets: [start, end],
  });
  it.each([
    ['an empty file', Buffer.alloc(0), /0 bytes/],
    ['a huge header length', Buffer.alloc(16, 0xff), /header claims/],
    ['a truncated header', safetensors({}, 0).subarray(0, 9), /header claims/],
    ['a header that is not JSON', safetensors('{"a":', 0), /not JSON/],
    ['a header that is not UTF-8', Buffer.concat([safetensors('', 0).fill(1, 0, 1), Buffer.of(0xff)]), /not JSON/],
    ['a header that is a list', safetensors('[]', 0), /not a JSON object/],
    ['metadata with numbers', safetensors({ __metadata__: { a: 1 } }, 0), /__metadata__/],
    ['an unknown type', safetensors({ w: entry(0, 4, [1], 'F8') }, 4), /type "F8"/],
    ['a type from the prototype', safetensors({ w: entry(0, 4, [1], 'toString') }, 4), /type "toString"/],
    ['a negative size', safetensors({ w: entry(0, 4, [-1]) }, 4), /shape of w/],
    ['sizes that overflow', safetensors({ w: entry(0, 4, [2 ** 40, 2 ** 40]) }, 4), /needs/],
    ['offsets beyond the end', safetensors({ w: entry(0, 8) }, 4), /0 to 8 of 4/],
    ['offsets backwards', safetensors({ w: entry(4, 0, [1]) }, 4), /4 to 0/],
    ['a wrong size', safetensors({ w: entry(0, 8, [1]) }, 8), /needs 4 bytes, but has 8/],
    ['overlapping arrays', safetensors({ a: entry(0, 8), b: entry(4, 12) }, 12), /b starts at 4/],
    ['a gap', safetensors({ a: entry(0, 4), b: entry(8, 12) }, 12), /b starts at 8/],
    ['data left over', safetensors({ a: entry(0, 4) }, 8), /end at 4, but it has 8/],
  ])('refuses %s', (_, bytes, reason) => {
    expect(() => parseSafetensors(bytes, 'bad.safetensors')).toThrow(reason);
    expect(() => parseSafetensors(bytes, 'bad.safetensors')).toThrow(/^bad\.safetensors is not a valid safetensors/);
  });

  it('survives any damage: reads or throws ERR_MODEL_FORMAT', async () => {
    const file = join(folder, 'mutated.safetensors');
    await writeSafetensors(file, tensors, { format: 'test' });
    const whole = await readFile(file);
    const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), fc.nat(whole.length), (changes, cut) => {
        const bytes = Buffer.from(whole.subarray(0, cut % 3 ? whole.length : cut));
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        try {
          const { tensors: read } = parseSafetensors(bytes, 'mutated');
          for (const { shape, data } of read.values()) expect(shape.reduce((a, b) => a * b, 1)).toBe(data.length);
        } catch (error) {
          expect(error).toBeInstanceOf(Audio2VecError);
          expect((error as Audio2VecError).code).toBe('ERR_MODEL_FORMAT');
        }
      }),
      { numRuns: 2000, seed: 1 },
    );
  });
});

describe('npy', () => {
  it.each([
    [Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]],
    [Float64Array.of(0.1), []],
    [Int32Array.of(-7), [1]],
    [new Float32Array(), [0, 64]],
    [BigInt64Array.of(-1n, 5n), [2]],
    [Uint8Array.of(255), [1, 1, 1]],
  ])('reads back %o', async (data, shape) => {
    const file = join(folder, 'a.npy');
    await writeNpy(file, data, shape);
    expect(await readNpy(file)).toEqual({ data, shape });
    expect((await readFile(file)).indexOf('\n') % 64).toBe(63);
  });

  it('writes the header that NumPy writes', async () => {
    const file = join(folder, 'h.npy');
    await writeNpy(file, Float32Array.of(1, 2), [2]);
    const text = (await readFile(file)).toString('latin1', 10, 128).trimEnd();
    expect(text).toBe("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }");
  });

  it('refuses what is damaged', async () => {
    const file = join(folder, 'bad.npy');
    await writeNpy(file, Float32Array.of(1, 2), [2]);
    const whole = await readFile(file);
    const replaced = (a: string, b: string) => Buffer.from(whole.toString('latin1').replace(a, b), 'latin1');
    for (const bytes of [
      whole.subarray(0, 5),
      whole.subarray(0, 60),
      whole.subarray(0, -1),
      replaced('NUMPY', 'NUMPI'),
      replaced('<f4', '>f4'),
      replaced('False', 'True '),
      replaced('(2,)', '(3,)'),
    ]) {
      await writeFile(file, bytes);
      await expect(readNpy(file)).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT' });
    }
    await expect(readNpy(join(folder, 'none.npy'))).rejects.toMatchObject({ code: 'ERR_FILE' });
  });
});
