// Finds the range of every activation on real input: what static quantisation needs to know.
import { clone } from '@bufbuild/protobuf';
import { argumentError } from '../util/errors.js';
import { type ModelProto, ModelProtoSchema } from './gen/onnx_pb.js';
import { onnxBytes, valueInfo } from './onnx-builder.js';
import { onnxRuntime } from './onnx-runtime.js';
import type { TensorValue } from './output-parity.js';
import { type Range, smallestErrorRange } from './quantization.js';

/** Input of the model in float: values and shape, as {@link ParityCase} has them, or those of each input by name. */
export type CalibrationInput = Single | { inputs: Readonly<Record<string, TensorValue>> };

type Single = { input: Float32Array; shape: readonly number[] };

export type CalibrationMethod = 'min-max' | 'percentile' | 'mse';

const bins = 2048;

/** Runs the float model on all inputs and returns a range for each value named. `min-max` takes the extremes,
 * `percentile` leaves 0.01 % of the values out, `mse` clips where the squared quantisation error is smallest. */
export async function calibrate(
  model: ModelProto,
  values: readonly string[],
  inputs: readonly CalibrationInput[],
  method: CalibrationMethod,
  signal?: AbortSignal,
): Promise<Map<string, Range>> {
  if (inputs.length === 0) throw argumentError('calibration', 'at least one input', 'none');
  const { ort, session } = await openWithOutputs(model, values);
  const eachValue = async (visit: (name: string, data: Float32Array) => void) => {
    for (const given of inputs) {
      signal?.throwIfAborted();
      const only = () => ({
        [session.inputNames[0]!]: { values: (given as Single).input, shape: (given as Single).shape },
      });
      const tensors = Object.entries('inputs' in given ? given.inputs : only());
      const feed = tensors.map(([name, x]) => [name, new ort.Tensor('float32', x.values, x.shape)]);
      const results = await session.run(Object.fromEntries(feed), [...values]);
      for (const name of values) visit(name, results[name]!.data as Float32Array);
    }
  };
  try {
    const ranges = new Map<string, Range>(values.map((name) => [name, { min: 0, max: 0 }]));
    await eachValue((name, data) => {
      const range = ranges.get(name)!;
      for (const v of data) {
        if (v < range.min) range.min = v;
        if (v > range.max) range.max = v;
      }
    });
    for (const [name, { min, max }] of ranges) {
      if (!Number.isFinite(min) || !Number.isFinite(max)) throw argumentError('calibration', 'finite input', name);
    }
    if (method === 'min-max') return ranges;

    const histograms = new Map(values.map((name) => [name, new Float64Array(bins)]));
    await eachValue((name, data) => count(data, ranges.get(name)!, histograms.get(name)!));
    const shrink = method === 'mse' ? smallestErrorRange : percentileRange;
    return new Map(values.map((name) => [name, shrink(histograms.get(name)!, ranges.get(name)!)]));
  } finally {
    await session.release();
  }
}

async function openWithOutputs(model: ModelProto, values: readonly string[]) {
  const ort = await onnxRuntime();
  const open = clone(ModelProtoSchema, model);
  const graph = open.graph!;
  const already = new Set(graph.output.map((o) => o.name));
  for (const name of values) {
    if (already.has(name)) continue;
    const output = valueInfo(name, []);
    // Rank and sizes are for the runtime to infer.
    if (output.type?.value.case === 'tensorType') output.type.value.value.shape = undefined;
    graph.output.push(output);
  }
  return { ort, session: await ort.InferenceSession.create(onnxBytes(open)) };
}

function count(data: Float32Array, { min, max }: Range, histogram: Float64Array): void {
  const perUnit = bins / (max - min || 1);
  for (const v of data) {
    const bin = Math.min(bins - 1, Math.floor((v - min) * perUnit));
    histogram[bin]! += 1;
  }
}

function percentileRange(histogram: Float64Array, { min, max }: Range): Range {
  const leaveOut = histogram.reduce((a, b) => a + b, 0) * 1e-4;
  const width = (max - min) / bins;
  let [low, high] = [0, bins];
  for (let seen = 0; low < bins && seen + histogram[low]! <= leaveOut / 2; low++) seen += histogram[low]!;
  for (let seen = 0; high > low + 1 && seen + histogram[high - 1]! <= leaveOut / 2; high--)
    seen += histogram[high - 1]!;
  return { min: Math.min(0, min + low * width), max: Math.max(0, min + high * width) };
}
