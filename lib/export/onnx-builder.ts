// Puts ONNX graphs together, node by node: each call appends a node and returns the name of its output.
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './gen/onnx_pb.js';
import { UniqueNames } from './unique-names.js';

/** The newest operator set used: old enough for every mobile runtime of the last years. */
const opset = 13n;
/** The file format that came with this opset (ONNX 1.8). */
const irVersion = 7n;

export type Constant = Float32Array | Int32Array | Uint8Array | Int8Array | BigInt64Array;
/** float16 has no typed array on Node 20: its bits. */
export type HalfBits = { half: Uint16Array };
/** A whole number becomes INT, a list of them INTS; say `{ float: 1 }` for FLOAT. */
export type Attributes = Record<string, number | string | readonly number[] | { float: number }>;
/** A size, or the name of a size that is only known at run time. */
export type Dim = number | string;

export class OnnxBuilder {
  readonly nodes: NodeProto[] = [];
  readonly constants: TensorProto[] = [];
  private readonly inputs: ValueInfoProto[] = [];
  private readonly outputs: ValueInfoProto[] = [];
  private readonly names = new UniqueNames();
  private readonly constantsByName = new Map<string, TensorProto>();
  private readonly renamed = new Map<string, string>();

  /** Keeps a name for an output; other values get another one. */
  reserve(name: string): void {
    this.names.take(name);
  }

  /** Leaves a reserved name to the next value that wants it. */
  release(name: string): void {
    this.names.release(name);
  }

  input(name: string, dims: readonly Dim[]): string {
    this.names.take(name);
    this.inputs.push(valueInfo(name, dims));
    return name;
  }

  /** Makes a value an output of the model, under its own name. */
  output(name: string, dims: readonly Dim[]): void {
    this.outputs.push(valueInfo(name, dims));
  }

  /** Makes a value an output under this name, which was reserved for it. */
  outputAs(name: string, given: string, dims: readonly Dim[]): void {
    const value = this.nameInFile(given);
    const node = this.nodes.find((n) => n.output[0] === value);
    const isFree = node && !this.outputs.some((o) => o.name === value);
    if (!isFree) this.nodes.push(makeNode('Identity', name, [value]));
    else if (name !== value) {
      this.renamed.set(value, name);
      node.output = [name];
      for (const reader of this.nodes) reader.input = reader.input.map((input) => (input === value ? name : input));
    }
    this.output(name, dims);
  }

  /** What a value is called now. */
  nameInFile(value: string): string {
    return this.renamed.get(value) ?? value;
  }

  /** The same constant under the same name is there once; another one gets another name. */
  constant(name: string, data: Constant | HalfBits, dims: readonly number[] = [lengthOf(data)]): string {
    const made = tensor(name, data, dims);
    const known = this.constantsByName.get(name);
    if (known && Buffer.compare(known.rawData, made.rawData) === 0) return known.name;
    made.name = this.names.take(name);
    if (!known) this.constantsByName.set(name, made);
    this.constants.push(made);
    return made.name;
  }

  /** One whole number (or several) as a 1-D int64 constant, named by its value. */
  ints(...values: number[]): string {
    return this.constant(`ints_${values.join('_')}`, BigInt64Array.from(values, BigInt));
  }

  /** Appends a node whose one output has the node's name: this one, or one made of it if that is taken. */
  node(opType: string, name: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const output = this.names.take(name);
    this.nodes.push(
      makeNode(
        opType,
        output,
        inputs.map((input) => this.nameInFile(input)),
        attributes,
      ),
    );
    return output;
  }

  build(name: string, metadata: Readonly<Record<string, string>>): ModelProto {
    return create(ModelProtoSchema, {
      irVersion,
      producerName: 'audio2vec',
      opsetImport: [{ domain: '', version: opset }],
      graph: { name, node: this.nodes, initializer: this.constants, input: this.inputs, output: this.outputs },
      metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    });
  }
}

export function onnxBytes(model: ModelProto): Uint8Array {
  return toBinary(ModelProtoSchema, model);
}

export function makeNode(
  opType: string,
  name: string,
  inputs: readonly string[],
  attributes: Attributes = {},
  output = name,
): NodeProto {
  return create(NodeProtoSchema, {
    opType,
    name,
    input: [...inputs],
    output: [output],
    attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
  });
}

function attribute(name: string, value: Attributes[string]): AttributeProto {
  const make = (init: MessageInitShape<typeof AttributeProtoSchema>) => create(AttributeProtoSchema, { name, ...init });
  if (typeof value === 'number') return make({ type: AttributeType.INT, i: BigInt(value) });
  if (typeof value === 'string') return make({ type: AttributeType.STRING, s: Buffer.from(value) });
  if ('float' in value) return make({ type: AttributeType.FLOAT, f: value.float });
  return make({ type: AttributeType.INTS, ints: value.map(BigInt) });
}

/** An initializer. Data is copied, little-endian as ONNX wants it. */
export function tensor(name: string, data: Constant | HalfBits, dims: readonly number[]): TensorProto {
  const array = 'half' in data ? data.half : data;
  return create(TensorProtoSchema, {
    name,
    dims: dims.map(BigInt),
    dataType: dataType(data),
    rawData: new Uint8Array(array.buffer, array.byteOffset, array.byteLength).slice(),
  });
}

function dataType(data: Constant | HalfBits): DataType {
  if (data instanceof Float32Array) return DataType.FLOAT;
  if (data instanceof Int32Array) return DataType.INT32;
  if (data instanceof Uint8Array) return DataType.UINT8;
  if (data instanceof Int8Array) return DataType.INT8;
  return data instanceof BigInt64Array ? DataType.INT64 : DataType.FLOAT16;
}

/** The values of a float32 initializer. */
export function floats(t: TensorProto): Float32Array {
  return new Float32Array(t.rawData.slice().buffer);
}

function lengthOf(data: Constant | HalfBits): number {
  return 'half' in data ? data.half.length : data.length;
}

export function valueInfo(name: string, dims: readonly Dim[]): ValueInfoProto {
  const dim = dims.map((d) =>
    typeof d === 'number'
      ? { value: { case: 'dimValue' as const, value: BigInt(d) } }
      : { value: { case: 'dimParam' as const, value: d } },
  );
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType: DataType.FLOAT, shape: { dim } } } },
  });
}
