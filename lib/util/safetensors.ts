// safetensors: 8 bytes little-endian header length, a JSON header (name → dtype, shape, data_offsets; strings under
// "__metadata__"), then the arrays without gaps. Format: https://github.com/huggingface/safetensors#format

import { writeFileAtomic } from './atomic-write.js';
import { Audio2VecError, argumentError } from './errors.js';
import { halfBits, halfValue } from './half.js';
import { readWholeFile } from './read-file.js';

const dtypes = {
  F64: Float64Array,
  F32: Float32Array,
  I64: BigInt64Array,
  I32: Int32Array,
  // Held as float32 in memory.
  F16: Uint16Array,
  I16: Int16Array,
  I8: Int8Array,
  U64: BigUint64Array,
  U32: Uint32Array,
  U16: Uint16Array,
  U8: Uint8Array,
} as const;

type Dtype = keyof typeof dtypes;
export type TensorData =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | BigUint64Array
  | Uint32Array
  | Uint16Array
  | Uint8Array;

/** An array with its shape, in C order. */
export interface Tensor {
  shape: readonly number[];
  data: TensorData;
  /** Values of a Float32Array that a file holds in half precision, rounded to the nearest. */
  stored?: 'F16';
}

export interface Safetensors {
  tensors: Map<string, Tensor>;
  metadata: Record<string, string>;
}

/** The format's own limit, which readers elsewhere enforce. */
const maxHeader = 100_000_000;

/** Writes the arrays to `file` atomically. The same content gives the same bytes, whatever the order of the map: widest
 * elements first (so that each array is aligned to its own element), then by name. */
export async function writeSafetensors(
  file: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeFileAtomic(file, ...safetensorsParts(tensors, metadata));
}

/** What {@link writeSafetensors} writes, in memory. */
export function safetensorsBytes(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Buffer {
  return Buffer.concat(safetensorsParts(tensors, metadata));
}

function safetensorsParts(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array[] {
  const sorted = [...tensors]
    .map(([name, tensor]) => [name, inFile(name, tensor)] as const)
    .sort(([a, x], [b, y]) => y.data.BYTES_PER_ELEMENT - x.data.BYTES_PER_ELEMENT || (a < b ? -1 : 1));
  // Pairs, not an object: a tensor may be called "__proto__".
  const header: [string, unknown][] = [['__metadata__', Object.fromEntries(Object.entries(metadata).sort(byName))]];
  let offset = 0;
  for (const [name, { shape, data, dtype }] of sorted) {
    if (name === '__metadata__') throw argumentError('tensor name', 'anything but "__metadata__"', name);
    if (elements(shape) !== data.length) {
      throw argumentError(`shape of ${name}`, `one that holds its ${data.length} values`, `[${shape}]`);
    }
    header.push([name, { dtype, shape, data_offsets: [offset, offset + data.byteLength] }]);
    offset += data.byteLength;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const padded = Buffer.alloc(Math.ceil(json.length / 8) * 8, ' ');
  padded.set(json);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const bytes = sorted.map(([, { data }]) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return [length, padded, ...bytes];
}

/** An array as a file has it. */
function inFile(name: string, { shape, data, stored }: Tensor) {
  if (stored === undefined) return { shape, data, dtype: dtypeOf(data) };
  if (!(data instanceof Float32Array)) throw argumentError(name, 'a Float32Array to be stored as F16', data);
  return { shape, data: Uint16Array.from(data, halfBits), dtype: stored };
}

/** Reads all arrays and the metadata; what is stored in half precision becomes float32. Throws `ERR_FILE` if there is no such file and `ERR_MODEL_FORMAT`, with the file
 * and the reason, unless every length, offset, shape and type in it is right. */
export async function readSafetensors(file: string): Promise<Safetensors> {
  return parseSafetensors(await readWholeFile(file), file);
}

/** {@link readSafetensors} of bytes in memory; `name` stands in errors. */
export function parseSafetensors(bytes: Buffer, name: string): Safetensors {
  const bad = (reason: string, cause?: unknown) =>
    new Audio2VecError('ERR_MODEL_FORMAT', `${name} is not a valid safetensors file: ${reason}.`, { cause });

  if (bytes.length < 8) throw bad(`it has ${bytes.length} bytes, fewer than the 8 of the header length`);
  const headerLength = bytes.readBigUInt64LE(0);
  if (headerLength > BigInt(Math.min(maxHeader, bytes.length - 8))) {
    throw bad(`its header claims ${headerLength} bytes, but only ${bytes.length - 8} follow`);
  }
  const dataStart = 8 + Number(headerLength);
  const header = parseHeader(bytes.subarray(8, dataStart), bad);
  const data = bytes.subarray(dataStart);

  const { __metadata__: metadata = {}, ...entries } = header;
  if (!isRecord(metadata) || !Object.values(metadata).every((v) => typeof v === 'string')) {
    throw bad('its __metadata__ is not a map from strings to strings');
  }
  const found = Object.entries(entries).map(([key, entry]) => checkEntry(key, entry, data.length, bad));
  found.sort((a, b) => a.start - b.start || a.end - b.end);
  let end = 0;
  for (const t of found) {
    if (t.start !== end) throw bad(`${t.name} starts at ${t.start}, but the array before it ends at ${end}`);
    end = t.end;
  }
  if (end !== data.length) throw bad(`its arrays end at ${end}, but it has ${data.length} bytes of data`);

  const tensors = new Map<string, Tensor>();
  for (const t of found) {
    // A copy: aligned, and not keeping the whole file alive.
    const copy = new Uint8Array(data.subarray(t.start, t.end)).buffer;
    const values = new dtypes[t.dtype](copy);
    const half = t.dtype === 'F16' && { data: Float32Array.from(values as Uint16Array, halfValue), stored: t.dtype };
    tensors.set(t.name, { shape: t.shape, data: values, ...half });
  }
  return { tensors, metadata: metadata as Record<string, string> };
}

type Bad = (reason: string, cause?: unknown) => Audio2VecError;

function parseHeader(bytes: Uint8Array, bad: Bad): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw bad(`its header is not JSON (${(error as Error).message})`, error);
  }
  if (!isRecord(header)) throw bad('its header is not a JSON object');
  return header;
}

function checkEntry(name: string, entry: unknown, dataLength: number, bad: Bad) {
  if (!isRecord(entry)) throw bad(`the entry of ${name} is not an object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(dtypes, dtype)) {
    throw bad(`${name} has the type ${JSON.stringify(dtype)}; known are ${Object.keys(dtypes).join(', ')}`);
  }
  if (!isSizes(shape)) throw bad(`the shape of ${name} is not a list of sizes`);
  if (!isSizes(offsets) || offsets.length !== 2) throw bad(`data_offsets of ${name} are not two positions`);
  const [start, end] = offsets as [number, number];
  if (start > end || end > dataLength) {
    throw bad(`${name} lies at ${start} to ${end} of ${dataLength} bytes of data`);
  }
  const size = elements(shape) * dtypes[dtype as Dtype].BYTES_PER_ELEMENT;
  if (size !== end - start) throw bad(`${name} of shape [${shape}] needs ${size} bytes, but has ${end - start}`);
  return { name, dtype: dtype as Dtype, shape, start, end };
}

function dtypeOf(data: TensorData): Dtype {
  for (const [name, type] of Object.entries(dtypes)) if (name !== 'F16' && data instanceof type) return name as Dtype;
  throw argumentError('tensor data', `one of ${Object.values(dtypes).map((t) => t.name)}`, data);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((v) => Number.isSafeInteger(v) && v >= 0);
}

function elements(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1;
}
