// Puts LiteRT (TensorFlow Lite) models together: a flatbuffer of the public schema
// (tensorflow/lite/schema/schema.fbs, version 3). Fields are written by their number in the schema.
import { Builder, type Offset } from 'flatbuffers';
import { type Operator, operators, versionOf } from './tflite-operators.js';
import { UniqueNames } from './unique-names.js';

export const tensorType = { FLOAT32: 0, INT32: 2, INT8: 9 } as const;

export interface Quantization {
  scales: Float32Array;
  zero: number;
  /** Which axis has a scale for each index; default the first. */
  axis?: number;
}

interface TfliteTensor {
  name: string;
  shape: readonly number[];
  type: number;
  /** Number of its buffer; 0 if it is computed. */
  buffer: number;
  quantization?: Quantization;
}

type ConstantData = Float32Array | Int32Array | Int8Array;

/** The value of a field; `undefined` leaves it out, so that its default holds. */
export type Field = { i8: number } | { i32: number } | { f32: number } | { bool: boolean } | { at: Offset } | undefined;

interface Operation {
  operator: Operator;
  inputs: readonly string[];
  output: string;
  options: readonly Field[];
  /** The least that knows what it does. */
  version: number;
}

interface How {
  options?: readonly Field[];
  quantization?: Quantization;
  type?: number;
  version?: number;
}

export class TfliteBuilder {
  private readonly tensors = new Map<string, TfliteTensor>();
  /** The first buffer is empty by convention. */
  private readonly buffers: Uint8Array[] = [new Uint8Array()];
  private readonly operations: Operation[] = [];
  private readonly inputs: string[] = [];
  private readonly outputs: string[] = [];
  private readonly names = new UniqueNames();
  /** Constants by the name they were first asked for. */
  private readonly constants = new Map<string, string>();

  constructor(
    private readonly description: string,
    private readonly metadata: Readonly<Record<string, string>>,
  ) {}

  /** Keeps a name for an output; other values get another one. */
  reserve(name: string): void {
    this.names.take(name);
  }

  /** Leaves a reserved name to the next value that wants it. */
  release(name: string): void {
    this.names.release(name);
  }

  input(name: string, shape: readonly number[]): string {
    this.inputs.push(name);
    return this.tensor(name, shape, tensorType.FLOAT32);
  }

  output(name: string): void {
    this.outputs.push(name);
  }

  shapeOf(name: string): readonly number[] {
    return this.tensors.get(name)!.shape;
  }

  quantizationOf(name: string): Quantization | undefined {
    return this.tensors.get(name)!.quantization;
  }

  /** The same constant under the same name is there once; another one gets another name. */
  constant(name: string, data: ConstantData, shape: readonly number[], quantization?: Quantization): string {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const known = this.tensors.get(this.constants.get(name) ?? '');
    if (known && Buffer.compare(this.buffers[known.buffer]!, bytes) === 0) return known.name;
    const type = data instanceof Float32Array ? 'FLOAT32' : data instanceof Int32Array ? 'INT32' : 'INT8';
    const made = this.tensor(name, shape, tensorType[type], quantization, this.buffers.push(bytes) - 1);
    if (!known) this.constants.set(name, made);
    return made;
  }

  ints(...values: number[]): string {
    return this.constant(`ints_${values.join('_')}`, Int32Array.from(values), [values.length]);
  }

  /** Appends an operation; its output is float32, or int8 if quantised, or of the type that is given. Its name is this one,
   * or one made of it if that is taken. */
  add(operator: Operator, output: string, inputs: readonly string[], shape: readonly number[], how: How = {}): string {
    const { options = [], quantization, version = 1 } = how;
    const type = how.type ?? (quantization ? tensorType.INT8 : tensorType.FLOAT32);
    const name = this.tensor(output, shape, type, quantization);
    this.operations.push({ operator, inputs, output: name, options, version });
    return name;
  }

  private tensor(
    wanted: string,
    shape: readonly number[],
    type: number,
    quantization?: Quantization,
    buffer = 0,
  ): string {
    const name = this.names.take(wanted);
    this.tensors.set(name, { name, shape, type, buffer, quantization });
    return name;
  }

  /** The bytes of the file. */
  build(moreMetadata: Readonly<Record<string, string>> = {}): Uint8Array {
    const metadata = { ...this.metadata, ...moreMetadata };
    const w = new Writer();
    const used = [...new Set(this.operations.map((o) => o.operator))];
    const index = new Map([...this.tensors.keys()].map((name, i) => [name, i]));
    const indices = (names: readonly string[]) => w.ints(names.map((name) => index.get(name)!));

    const metadataStart = this.buffers.length;
    const texts = Object.values(metadata).map((text) => new Uint8Array(Buffer.from(text)));
    const buffers = [...this.buffers, ...texts].map((data) =>
      w.table([data.length ? { at: w.bytes(data) } : undefined]),
    );
    const tensors = [...this.tensors.values()].map((t) =>
      w.table([
        { at: w.ints(t.shape) },
        { i8: t.type },
        { i32: t.buffer },
        { at: w.string(t.name) },
        t.quantization && { at: quantizationTable(w, t.quantization) },
      ]),
    );
    const operations = this.operations.map(({ operator, inputs, output, options }) => {
      const kind = operators[operator][1];
      const table = w.table(options);
      return w.table([
        { i32: used.indexOf(operator) },
        { at: indices(inputs) },
        { at: indices([output]) },
        { i8: kind },
        kind ? { at: table } : undefined,
      ]);
    });
    const subgraph = w.table([
      { at: w.tables(tensors) },
      { at: indices(this.inputs) },
      { at: indices(this.outputs) },
      { at: w.tables(operations) },
      { at: w.string('main') },
    ]);
    // All codes are below 127, where the old 8-bit field and the new one agree.
    const codes = used.map((operator) => {
      const code = operators[operator][0];
      const asked = this.operations.filter((o) => o.operator === operator).map((o) => o.version);
      const version = Math.max(versionOf(operator, this.isQuantized), ...asked);
      return w.table([{ i8: code }, undefined, { i32: version }, { i32: code }]);
    });
    const named = (names: readonly string[]) =>
      w.tables(names.map((name) => w.table([{ at: w.string(name) }, { i32: index.get(name)! }])));
    const signature = w.table([
      { at: named(this.inputs) },
      { at: named(this.outputs) },
      { at: w.string('serving_default') },
    ]);
    const entries = Object.keys(metadata).map((key, i) => w.table([{ at: w.string(key) }, { i32: metadataStart + i }]));
    return w.finish(
      w.table([
        { i32: 3 },
        { at: w.tables(codes) },
        { at: w.tables([subgraph]) },
        { at: w.string(this.description) },
        { at: w.tables(buffers) },
        undefined,
        { at: w.tables(entries) },
        { at: w.tables([signature]) },
      ]),
    );
  }

  private get isQuantized(): boolean {
    return [...this.tensors.values()].some((t) => t.quantization);
  }
}

function quantizationTable(w: Writer, { scales, zero, axis }: Quantization): Offset {
  // Fields 0 and 1 (min, max) and 4 and 5 (details) are unused; field 6, the axis of the scales, is 0 by default.
  const values = [{ at: w.floats(scales) }, { at: w.longs(scales.length, zero) }];
  return w.table([undefined, undefined, ...values, ...(axis ? [undefined, undefined, { i32: axis }] : [])]);
}

/** Flatbuffers by field number. Children are written before their parents. */
class Writer {
  private readonly b = new Builder(1 << 16);
  private readonly shared = new Map<string, Offset>();

  table(fields: readonly Field[]): Offset {
    const { b } = this;
    b.startObject(fields.length);
    fields.forEach((field, i) => {
      if (!field) return;
      if ('at' in field) b.addFieldOffset(i, field.at, 0);
      else if ('i8' in field) b.addFieldInt8(i, field.i8, null);
      else if ('bool' in field) b.addFieldInt8(i, Number(field.bool), null);
      else if ('i32' in field) b.addFieldInt32(i, field.i32, null);
      else b.addFieldFloat32(i, field.f32, null);
    });
    return b.endObject();
  }

  /** A vector, written from its end as flatbuffers are. */
  private vector(length: number, size: number, alignment: number, add: (i: number) => void): Offset {
    this.b.startVector(size, length, alignment);
    for (let i = length - 1; i >= 0; i--) add(i);
    return this.b.endVector();
  }

  tables(offsets: readonly Offset[]): Offset {
    return this.vector(offsets.length, 4, 4, (i) => this.b.addOffset(offsets[i]!));
  }

  ints(values: readonly number[]): Offset {
    return this.vector(values.length, 4, 4, (i) => this.b.addInt32(values[i]!));
  }

  floats(values: Float32Array): Offset {
    return this.vector(values.length, 4, 4, (i) => this.b.addFloat32(values[i]!));
  }

  /** `value`, so many times. Those who want the same share it: the zero points of all channels of all layers would
   * otherwise be a tenth of an int8 file. */
  longs(length: number, value: number): Offset {
    const key = `${length} ${value}`;
    const offset = this.shared.get(key) ?? this.vector(length, 8, 8, () => this.b.addInt64(BigInt(value)));
    this.shared.set(key, offset);
    return offset;
  }

  /** Aligned to 16, as the schema demands of buffers. */
  bytes(data: Uint8Array): Offset {
    return this.vector(data.length, 1, 16, (i) => this.b.addInt8(data[i]!));
  }

  string(text: string): Offset {
    return this.b.createString(text);
  }

  finish(root: Offset): Uint8Array {
    this.b.finish(root, 'TFL3');
    return this.b.asUint8Array();
  }
}
