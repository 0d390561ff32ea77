// A deployed model made ready to be written: checked, its layers, its inputs and outputs with their shapes in the file.
import { type FrontEndConfig, frameWidth } from '../features/front-ends.js';
import { samplesOf } from '../features/slices.js';
import { type Node, type Shape, sizeOf } from '../graph/graph.js';
import { inferenceLayers, type Layer } from '../graph/inference.js';
import { factsOf } from '../graph/operators/index.js';
import type { DeployedInput, DeployedModel } from '../models/deployed-model.js';
import { checkNumber } from '../util/arguments.js';
import { argumentError } from '../util/errors.js';
import { shortName } from './emit-layers.js';

/** What a file takes: features, or waveforms where there is a front end. */
export type ModelInput = 'features' | 'waveform';

export interface FileInput {
  name: string;
  node: string;
  /** Of the node, and how many an example has. */
  shape: Shape;
  rows: number;
  /** Sizes in the file, without N and rows: `[T, width]` or `[C]`; a waveform's `[samples]`. */
  sizes: readonly number[];
  /** Frames and values in each, before they become the node's shape. */
  frames?: readonly [number, number];
  /** Slices of a recording of any length begin at multiples of it. */
  step: number;
  /** If it is a waveform. */
  waveform?: FrontEndConfig;
  frontEnd?: FrontEndConfig;
  mean?: Float32Array;
  std?: Float32Array;
}

export interface FileOutput {
  name: string;
  node: string;
  shape: Shape;
  rows: number;
  /** Sizes in the file, without N. */
  sizes: readonly number[];
  /** Zeros and ones of a choice, where a small error may turn everything over. */
  discrete: boolean;
  sensitivity: number;
}

export interface PreparedModel {
  deployed: DeployedModel;
  layers: readonly Layer[];
  inputs: readonly FileInput[];
  outputs: readonly FileOutput[];
}

/** @throws `ERR_ARGUMENT` for a model that is not whole, or has no front end where waveforms are wanted */
export function prepareModel(deployed: DeployedModel, input: ModelInput = 'features'): PreparedModel {
  if (!(deployed?.graph && deployed.weights && deployed.outputs?.length)) {
    throw argumentError('model', 'a DeployedModel with outputs', deployed);
  }
  if (input !== 'features' && input !== 'waveform') throw argumentError('input', '"features" or "waveform"', input);
  const { graph, weights } = deployed;
  const layers = inferenceLayers(
    graph,
    weights,
    deployed.outputs.map((o) => o.node),
  );
  const wanted = layers.filter((l) => l.op === 'input');
  const only = wanted.length === 1;
  const inputs = wanted.map((node) => {
    const given = deployed.inputs.find((i) => i.node === node.name);
    if (!given) throw argumentError('inputs', 'of every input node of the graph', `none for ${node.name}`);
    return fileInput(given, node, input, only);
  });
  if (input === 'waveform' && !inputs.some((i) => i.waveform)) {
    throw argumentError('input', '"features" for a model without a front end', input);
  }
  const byName = new Map(graph.nodes.map((node) => [node.name, node]));
  const outputs = deployed.outputs.map(({ name, node, discrete, sensitivity = 1 }) => {
    checkNumber(`sensitivity of ${name}`, sensitivity, 1);
    const { shape, rows } = byName.get(node)!;
    const sizes = [...(rows > 1 ? [rows] : []), ...fileShape(shape)];
    return { name, node, shape, rows, sizes, discrete: discrete ?? isChoice(byName, byName.get(node)!), sensitivity };
  });
  const names = [...inputs, ...outputs].map((value) => value.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw argumentError('names of inputs and outputs', 'all different', twice);
  return { deployed, layers, inputs, outputs };
}

function fileInput(given: DeployedInput, node: Node, input: ModelInput, only: boolean): FileInput {
  const { frontEnd, step = 1, mean, std, name = given.node } = given;
  const { shape, rows } = node;
  const frames = shape.length === 3 ? ([shape[0], shape[1] * shape[2]] as const) : undefined;
  const width = frames?.[1] ?? shape[0];
  if (frontEnd && (!frames || frameWidth(frontEnd) !== width)) {
    throw argumentError(`input ${given.node}`, `frames of the ${frameWidth(frontEnd)} values of its front end`, width);
  }
  for (const [key, values] of Object.entries({ mean, std })) {
    if (values && values.length !== width)
      throw argumentError(`${key} of ${given.node}`, `${width} values`, values.length);
  }
  if (!mean !== !std) throw argumentError(`mean and std of ${given.node}`, 'given both or neither', 'one of them');
  if (!(Number.isInteger(step) && step > 0)) throw argumentError(`step of ${given.node}`, 'a positive integer', step);
  const waveform = input === 'waveform' ? frontEnd : undefined;
  const common = { node: given.node, shape, rows, frames, step, frontEnd, mean, std };
  if (!waveform) return { ...common, name, sizes: frames ?? [width] };
  return { ...common, name: only ? 'waveform' : name, waveform, sizes: [samplesOf(shape[0], waveform)] };
}

/** How a value lies in a file's output: without the axis that a sequence has no use for. */
function fileShape(shape: Shape): readonly number[] {
  return shape.length === 3 && shape[1] === 1 ? [shape[0], shape[2]] : shape;
}

function isChoice(nodes: ReadonlyMap<string, Node>, node: Node): boolean {
  const { chooses = false, moves } = factsOf(node) ?? {};
  const first = nodes.get(node.inputs[0]!);
  return chooses || (moves !== undefined && first !== undefined && isChoice(nodes, first));
}

/** Values in an example of an output. */
export function widthOf({ shape, rows }: FileOutput): number {
  return rows * sizeOf(shape);
}

/** Lets the node of an output have the output's name, which was reserved, where nothing stands between the two. */
export function releaseOwnNames(b: { release(name: string): void }, outputs: readonly FileOutput[]): void {
  for (const { name, node, shape, rows } of outputs) {
    const isOnce = outputs.filter((o) => o.node === node).length === 1;
    if (shortName(node) === name && shape.length === 1 && rows === 1 && isOnce) b.release(name);
  }
}
