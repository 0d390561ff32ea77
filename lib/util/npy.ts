// NumPy's .npy, version 1.0: magic, version, header length (2 bytes), a Python dictionary as text padded so that the
// data starts at a multiple of 64, the data in C order. Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

import { AtomicFile, writeFileAtomic } from './atomic-write.js';
import { Audio2VecError, argumentError } from './errors.js';
import { readWholeFile } from './read-file.js';

const types = {
  '<f4': Float32Array,
  '<f8': Float64Array,
  '<i4': Int32Array,
  '<i8': BigInt64Array,
  '<i2': Int16Array,
  '|i1': Int8Array,
  '|u1': Uint8Array,
  '<u2': Uint16Array,
  '<u4': Uint32Array,
} as const;

type Descr = keyof typeof types;
export type NpyData =
  | Float32Array
  | Float64Array
  | Int32Array
  | BigInt64Array
  | Int16Array
  | Int8Array
  | Uint8Array
  | Uint16Array
  | Uint32Array;

/** Of a head whose number of rows is not known yet. */
const headBytes = 128;

const magic = Buffer.from('\x93NUMPY\x01\x00', 'latin1');

/** Writes an array of the given shape (C order) so that `numpy.load` reads it; atomic. */
export async function writeNpy(file: string, data: NpyData, shape: readonly number[]): Promise<void> {
  const descr = Object.entries(types).find(([, type]) => data instanceof type)?.[0];
  if (!descr) throw argumentError('data', 'a typed array that .npy can hold', data);
  if (shape.reduce((a, b) => a * b, 1) !== data.length) {
    throw argumentError('shape', `one that holds ${data.length} values`, `[${shape}]`);
  }
  await writeFileAtomic(file, headOf(descr, shape), bytesOf(data));
}

/** What stands before the data, `atLeast` bytes long. */
function headOf(descr: string, shape: readonly number[], atLeast = 0): Buffer {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const whole = Math.ceil(Math.max(atLeast, magic.length + 2 + text.length + 1) / 64) * 64;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(whole - magic.length - 2);
  return Buffer.concat([magic, length, Buffer.from(`${text.padEnd(whole - magic.length - 3)}\n`, 'latin1')]);
}

function bytesOf(data: NpyData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** A float array `[rows, width]` written while its rows come, so that they need not be held. Ends with `commit` or
 * `discard`, as an {@link AtomicFile}. */
export class NpyRows {
  #rows = 0;

  private constructor(
    private readonly out: AtomicFile,
    private readonly width: number,
  ) {}

  static async open(file: string, width: number): Promise<NpyRows> {
    const out = await AtomicFile.open(file);
    try {
      if (!out.seekable) {
        throw new Audio2VecError(
          'ERR_FILE',
          `Cannot write ${file}: a .npy begins with its length, so it must be a file.`,
        );
      }
      await out.write(headOf('<f4', [0, width], headBytes));
    } catch (error) {
      await out.discard();
      throw error;
    }
    return new NpyRows(out, width);
  }

  /** @param data whole rows */
  async write(data: Float32Array): Promise<void> {
    this.#rows += data.length / this.width;
    await this.out.write(bytesOf(data));
  }

  async commit(): Promise<void> {
    await this.out.overwrite(headOf('<f4', [this.#rows, this.width], headBytes));
    await this.out.commit();
  }

  discard(): Promise<void> {
    return this.out.discard();
  }
}

/** Reads what {@link writeNpy} or NumPy wrote (version 1.0, little-endian, C order). Throws `ERR_FILE` if there is no
 * such file, `ERR_MODEL_FORMAT` with the file and the reason if it is something else. */
export async function readNpy(file: string): Promise<{ data: NpyData; shape: number[] }> {
  const bytes = await readWholeFile(file);
  const bad = (reason: string) => new Audio2VecError('ERR_MODEL_FORMAT', `${file} is not a readable .npy: ${reason}.`);
  if (bytes.length < 10 || !bytes.subarray(0, 8).equals(magic)) throw bad('it does not start as version 1.0 does');
  const start = 10 + bytes.readUInt16LE(8);
  if (start > bytes.length) throw bad('it ends inside its header');
  const text = bytes.toString('latin1', 10, start);
  const fields = /^\{'descr': '([^']+)', 'fortran_order': (False|True), 'shape': \(([\d, ]*)\),? *\} *\n$/.exec(text);
  if (!fields) throw bad('its header is not the dictionary that NumPy writes');
  const [, descr, fortran, sizes] = fields as unknown as [string, string, string, string];
  if (!Object.hasOwn(types, descr)) throw bad(`its type ${descr} is none of ${Object.keys(types).join(', ')}`);
  if (fortran === 'True') throw bad('it is in Fortran order; save it with numpy.ascontiguousarray');
  const shape = sizes
    .split(',')
    .filter((s) => s.trim())
    .map(Number);
  const type = types[descr as Descr];
  const need = shape.reduce((a, b) => a * b, 1) * type.BYTES_PER_ELEMENT;
  if (need !== bytes.length - start) throw bad(`it needs ${need} bytes of data, but has ${bytes.length - start}`);
  return { data: new type(new Uint8Array(bytes.subarray(start)).buffer), shape };
}
