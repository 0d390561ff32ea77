// What the parity of any exported model is measured on: inputs of the file, cut from real clips, with what the native engine gives
// for them.
import { Network } from '../engine/network.js';
import { features as compute } from '../features/compute.js';
import { checkHop, samplesOf, sliceStarts } from '../features/slices.js';
import type { Graph } from '../graph/graph.js';
import { neededNodes } from '../graph/inference.js';
import { distinctParameters } from '../graph/node.js';
import { argumentError } from '../util/errors.js';
import { concatenate, cut, mostSlices, type ParityCaseOptions } from './encoder-cases.js';
import type { ModelCase, TensorValue } from './output-parity.js';
import { type FileInput, type PreparedModel, widthOf } from './prepared.js';

/** As for an encoder; what the file takes follows from its inputs. */
export type ModelCaseOptions = Omit<ParityCaseOptions, 'input'>;

/** One example: the values of each input in the file, in the order of the inputs. */
type Example = readonly Float32Array[];

/** Cases of clips (samples at the front end's rate): what follows one another in a clip is what an example's rows and
 * inputs get. */
export async function clipCases(
  model: PreparedModel,
  clips: readonly Float32Array[],
  options: ModelCaseOptions,
): Promise<ModelCase[]> {
  const { inputs } = model;
  const without = inputs.find((input) => !input.frontEnd);
  if (without)
    throw argumentError('inputs', `given to verify with: ${without.name} does not come from a front end`, 'none');
  if (options.samples === 'any') return recordingCases(model, clips, options);
  const first = inputs[0] as WithFrontEnd;
  const length = samplesOf(first.shape[0], first.frontEnd);
  const each = Math.max(1, Math.ceil(mostSlices / clips.length));
  const pieces = clips.flatMap((clip) => cut(clip, length, each)).slice(0, mostSlices);
  const examples: Example[] = [];
  for (const i of pieces.keys()) {
    options.signal?.throwIfAborted();
    const piece = (k: number) => pieces[(i + k) % pieces.length]!;
    const values = inputs.map(async (input, at) => {
      const rows = Array.from({ length: input.rows }, (_, row) => exactly(piece(at + row), input as WithFrontEnd));
      if (input.waveform) return concatenate(rows);
      return concatenate(await Promise.all(rows.map((samples) => featuresOf(samples, input, options))));
    });
    examples.push(await Promise.all(values));
  }
  return exampleCases(model, examples, options);
}

type WithFrontEnd = FileInput & {
  frontEnd: NonNullable<FileInput['frontEnd']>;
  shape: readonly [number, number, number];
};

/** As many samples as the input takes, with silence after those of a shorter piece. */
function exactly(samples: Float32Array, { shape, frontEnd }: WithFrontEnd): Float32Array {
  const out = new Float32Array(samplesOf(shape[0], frontEnd));
  out.set(samples.subarray(0, out.length));
  return out;
}

function featuresOf(samples: Float32Array, input: FileInput, { threads, signal }: ModelCaseOptions) {
  return compute(samples, { frontEnd: input.frontEnd, threads, signal });
}

/** Cases of inputs that were given, by name: one example each, in the shape of the file without N. */
export async function givenCases(
  model: PreparedModel,
  given: readonly Readonly<Record<string, Float32Array>>[],
  options: ModelCaseOptions,
): Promise<ModelCase[]> {
  const examples = given.map((example, i) =>
    model.inputs.map(({ name, rows, sizes }) => {
      const wanted = sizes.reduce((a, b) => a * b, rows);
      const values = example[name];
      if (!(values instanceof Float32Array) || values.length !== wanted) {
        throw argumentError(`inputs[${i}].${name}`, `a Float32Array of ${wanted} values`, values?.length ?? 'nothing');
      }
      return values;
    }),
  );
  return exampleCases(model, examples, options);
}

async function exampleCases(
  model: PreparedModel,
  examples: readonly Example[],
  options: ModelCaseOptions,
): Promise<ModelCase[]> {
  const { batch, fixed } = options;
  const all = [...examples];
  // A fixed batch has no room for fewer: the first examples come again.
  for (let i = 0; fixed && all.length % batch; i++) all.push(examples[i % examples.length]!);
  const native = nativeModel(model, batch, options);
  const cases: ModelCase[] = [];
  try {
    for (let from = 0; from < all.length; from += batch) {
      const part = all.slice(from, from + batch);
      const inputs = model.inputs.map((input, k): [string, TensorValue] => {
        const shape = [part.length, ...(input.rows > 1 ? [input.rows] : []), ...input.sizes];
        return [input.name, { values: concatenate(part.map((example) => example[k]!)), shape }];
      });
      cases.push({ inputs: Object.fromEntries(inputs), expected: await native.run(part) });
    }
  } finally {
    native.close();
  }
  return cases;
}

/** A whole recording each, whose slices are the examples. */
async function recordingCases(model: PreparedModel, clips: readonly Float32Array[], options: ModelCaseOptions) {
  const input = model.inputs[0] as WithFrontEnd;
  const [frames, width] = input.frames!;
  const hop = checkHop(options.hop, frames, input.step);
  const each = Math.max(1, Math.ceil(mostSlices / clips.length));
  const most = samplesOf(frames + (each - 1) * hop, input.frontEnd);
  const cases: ModelCase[] = [];
  for (const clip of clips.slice(0, mostSlices)) {
    const samples = clip.slice(0, most);
    const least = samplesOf(frames, input.frontEnd);
    const all = await featuresOf(samples.length < least ? exactly(samples, input) : samples, input, options);
    const starts = sliceStarts(all.length / width, frames, hop, input.step);
    const slices = Array.from(starts, (from) => [all.slice(from * width, (from + frames) * width)]);
    const features = { ...model, inputs: [{ ...input, waveform: undefined }] };
    const native = nativeModel(features, slices.length, options);
    try {
      const inputs = { [input.name]: { values: samples, shape: [1, samples.length] } };
      cases.push({ inputs, expected: await native.run(slices) });
    } finally {
      native.close();
    }
  }
  return cases;
}

/** The native engine on what the file takes: front end, normalisation, network. */
function nativeModel({ deployed, inputs, outputs }: PreparedModel, most: number, options: ModelCaseOptions) {
  // Only what the outputs need: losses and heads of the training have no inputs here.
  const { graph, weights } = deployed;
  const nodes = neededNodes(
    graph.nodes,
    outputs.map((o) => o.node),
  );
  const network = new Network({ nodes, scalars: graph.scalars } as unknown as Graph, {
    maxExamples: most,
    threads: options.threads,
  });
  network.setParameters(new Map(distinctParameters(nodes).map(({ name }) => [name, weights.get(name)!])));
  return {
    async run(examples: readonly Example[]): Promise<Record<string, Float32Array>> {
      const values = inputs.map(async (input, k): Promise<[string, { values: Float32Array }]> => {
        const rows = examples.flatMap((example) => rowsOf(example[k]!, input));
        const plain = input.waveform ? await Promise.all(rows.map((row) => featuresOf(row, input, options))) : rows;
        return [input.node, { values: concatenate(plain.map((row) => normalised(row, input))) }];
      });
      const names = outputs.map((output) => output.node);
      const batch = { examples: examples.length, inputs: Object.fromEntries(await Promise.all(values)) };
      const got = await network.outputs(batch, [...new Set(names)]);
      const size = (i: number) => examples.length * widthOf(outputs[i]!);
      return Object.fromEntries(outputs.map(({ name, node }, i) => [name, got[node]!.subarray(0, size(i))]));
    },
    close: () => network.close(),
  };
}

function rowsOf(values: Float32Array, { rows }: FileInput): Float32Array[] {
  const size = values.length / rows;
  return Array.from({ length: rows }, (_, i) => values.subarray(i * size, (i + 1) * size));
}

function normalised(row: Float32Array, { mean, std }: FileInput): Float32Array {
  return mean && std ? row.map((v, i) => (v - mean[i % mean.length]!) / std[i % std.length]!) : row;
}
