// Puts LiteRT (TensorFlow Lite) models together: a flatbuffer of the public schema
// (tensorflow/lite/schema/schema.fbs, version 3). Fields are written by their number in the schema.
import { Builder, type Offset } from 'flatbuffers';

/** Built-in operators: code, and number of their options in the union BuiltinOptions (0: none needed). */
const operators = {
  ADD: [0, 11],
  CONCATENATION: [2, 10],
  CONV_2D: [3, 1],
  DEQUANTIZE: [6, 0],
  FULLY_CONNECTED: [9, 8],
  MAX_POOL_2D: [17, 5],
  MUL: [18, 21],
  RELU: [19, 0],
  RESHAPE: [22, 17],
  SOFTMAX: [25, 9],
  PAD: [34, 22],
  GATHER: [36, 23],
  SUB: [41, 28],
  DIV: [42, 29],
  SLICE: [65, 48],
  LOG: [73, 0],
  SQRT: [75, 0],
  QUANTIZE: [114, 0],
} as const satisfies Record<string, readonly [number, number]>;

export type Operator = keyof typeof operators;

export const tensorType = { FLOAT32: 0, INT32: 2, INT8: 9 } as const;

export interface Quantization {
  scales: Float32Array;
  zero: number;
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
}

export class TfliteBuilder {
  private readonly tensors = new Map<string, TfliteTensor>();
  /** The first buffer is empty by convention. */
  private readonly buffers: Uint8Array[] = [new Uint8Array()];
  private readonly operations: Operation[] = [];
  private readonly inputs: string[] = [];
  private readonly outputs: string[] = [];

  constructor(
    private readonly description: string,
    private readonly metadata: Readonly<Record<string, string>>,
  ) {}

  input(name: string, shape: readonly number[]): string {
    this.inputs.push(name);
    return this.tensor(name, shape);
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

  constant(name: string, data: ConstantData, shape: readonly number[], quantization?: Quantization): string {
    if (this.tensors.has(name)) return name;
    this.buffers.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    const type = data instanceof Float32Array ? 'FLOAT32' : data instanceof Int32Array ? 'INT32' : 'INT8';
    const buffer = this.buffers.length - 1;
    this.tensors.set(name, { name, shape, type: tensorType[type], buffer, quantization });
    return name;
  }

  ints(...values: number[]): string {
    return this.constant(`ints_${values.join('_')}`, Int32Array.from(values), [values.length]);
  }

  /** Appends an operation; its output is float32, or int8 if quantised. */
  add(
    operator: Operator,
    output: string,
    inputs: readonly string[],
    shape: readonly number[],
    { options = [], quantization }: { options?: readonly Field[]; quantization?: Quantization } = {},
  ): string {
    this.operations.push({ operator, inputs, output, options });
    return this.tensor(output, shape, quantization);
  }

  private tensor(name: string, shape: readonly number[], quantization?: Quantization): string {
    const type = quantization ? tensorType.INT8 : tensorType.FLOAT32;
    this.tensors.set(name, { name, shape, type, buffer: 0, quantization });
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
      return w.table([{ i8: code }, undefined, { i32: versionOf(operator, this.isQuantized) }, { i32: code }]);
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

/** Runtimes check that they know this version of an operator: the first that has int8 or what else is used. */
function versionOf(operator: Operator, quantized: boolean): number {
  if (operator === 'FULLY_CONNECTED') return 5; // keep_num_dims
  if (operator === 'CONV_2D') return quantized ? 3 : 1;
  if (operator === 'MAX_POOL_2D' || operator === 'ADD' || operator === 'DEQUANTIZE') return quantized ? 2 : 1;
  return 1;
}

function quantizationTable(w: Writer, { scales, zero }: Quantization): Offset {
  // Fields 0 and 1 (min, max) and 4 and 5 (details) are unused; field 6, the axis of the scales, is 0, the default.
  return w.table([undefined, undefined, { at: w.floats(scales) }, { at: w.longs(scales.length, zero) }]);
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
