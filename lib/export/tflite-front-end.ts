// What a front end's `emit` asks for (lib/features/front-end-writer.ts), in LiteRT's operators and conventions.
import type { FrontEndWriter } from '../features/front-end-writer.js';
import { argumentError } from '../util/errors.js';
import type { TfliteBuilder } from './tflite-builder.js';
import type { Operator } from './tflite-operators.js';

const none = { i8: 0 };

/** The front end's operators, in LiteRT's names and conventions. */
export function tfliteFrontEndWriter(b: TfliteBuilder): FrontEndWriter {
  /** Matrices wait here, because LiteRT wants them transposed. */
  const matrices = new Map<string, { data: Float32Array; rows: number; columns: number }>();
  const binary: Record<string, Operator> = { Add: 'ADD', Sub: 'SUB', Mul: 'MUL' };
  const unary: Record<string, Operator> = { Log: 'LOG', Sqrt: 'SQRT' };
  const writer: FrontEndWriter = {
    constant(name, data, dims = [data.length]) {
      if (dims.length < 2 || !(data instanceof Float32Array)) return b.constant(name, data, dims);
      matrices.set(name, { data, rows: dims[0]!, columns: dims[1]! });
      return name;
    },
    node(op: string, name: string, inputs: readonly string[], attributes?: { axis: number }) {
      const [x, y] = inputs as [string, string];
      const shape = [...b.shapeOf(x)];
      if (op in unary) return b.add(unary[op]!, name, [x], shape);
      if (op in binary) return b.add(binary[op]!, name, inputs, shape, { options: [none] });
      if (op === 'MatMul') {
        const { data, rows, columns } = matrices.get(y)!;
        const turned = data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!);
        const weight = b.constant(y, turned, [columns, rows]);
        const bias = b.constant(`${y}.bias`, new Float32Array(columns), [columns]);
        shape[2] = columns;
        return b.add('FULLY_CONNECTED', name, [x, weight, bias], shape, { options: [none, none, { bool: true }] });
      }
      const axis = { i32: attributes!.axis };
      if (op === 'Gather') {
        shape[attributes!.axis] = b.shapeOf(y)[0]!;
        return b.add('GATHER', name, inputs, shape, { options: [axis] });
      }
      shape[attributes!.axis] = inputs.reduce((sum, n) => sum + b.shapeOf(n)[attributes!.axis]!, 0);
      return b.add('CONCATENATION', name, inputs, shape, { options: [axis, none] });
    },
    windows(name, waveform, { samples, length, hop }) {
      if (samples === 'any') throw argumentError('samples', '"slice" for LiteRT, where sizes are fixed', samples);
      // Rows of a hop side by side with the rows after them are frames.
      const batch = b.shapeOf(waveform)[0]!;
      const across = Math.ceil(length / hop);
      const missing = across * hop - length;
      const rows = Math.floor((samples + missing) / hop);
      let x = waveform;
      if (missing > 0) x = padded(b, `${name}.pad`, `${name}.pads`, x, 0, missing);
      if (rows * hop < samples + missing) {
        x = b.add('SLICE', `${name}.crop`, [x, b.ints(0, 0), b.ints(batch, rows * hop)], [batch, rows * hop]);
      }
      const table = b.add('RESHAPE', `${name}.table`, [x, b.ints(batch, rows, hop)], [batch, rows, hop]);
      if (length === hop) return table;
      const parts = Array.from({ length: across }, (_, i) => {
        const size = [batch, rows - across + 1, Math.min(hop, length - i * hop)];
        return b.add('SLICE', `${name}.row${i}`, [table, b.ints(0, i, 0), b.ints(...size)], size);
      });
      return writer.node('Concat', name, parts, { axis: 2 });
    },
    crop(name, waveform, from, count) {
      const batch = b.shapeOf(waveform)[0]!;
      return b.add('SLICE', name, [waveform, b.ints(0, from), b.ints(batch, count)], [batch, count]);
    },
    flatten(name, x) {
      const [batch, rows, width] = b.shapeOf(x) as [number, number, number];
      return b.add('RESHAPE', name, [x, b.ints(batch, rows * width)], [batch, rows * width]);
    },
    pad: (name, waveform, before, behind) => padded(b, name, `${name}.pads`, waveform, before, behind),
  };
  return writer;
}

function padded(b: TfliteBuilder, name: string, pads: string, x: string, before: number, behind: number): string {
  const [batch, samples] = b.shapeOf(x) as [number, number];
  const amounts = b.constant(pads, Int32Array.of(0, 0, before, behind), [2, 2]);
  return b.add('PAD', name, [x, amounts], [batch, before + samples + behind]);
}
