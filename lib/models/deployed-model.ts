// What runs on a phone of any trained model: a graph with its weights, where its input comes from and what its outputs
// are called. The exports (lib/export) and their checks of parity read nothing else of a model.
import type { FrontEndConfig } from '../features/front-ends.js';
import type { Graph } from '../graph/graph.js';

export interface DeployedModel {
  /** What it is, for the file's title: `encoder`, `pitch`, … */
  kind: string;
  /** In inference; training operators in it do nothing, and only what the outputs need is exported. */
  graph: Graph;
  /** Parameters and running statistics by name. */
  weights: ReadonlyMap<string, Float32Array>;
  /** The graph's inputs, as far as the outputs need them. */
  inputs: readonly DeployedInput[];
  /** Names of outputs in the file, and the nodes that give them. A vector `[C]` becomes `[N, C]`, a sequence `[T, 1, C]`
   * becomes `[N, T, C]`, a map `[N, T, F, C]`; with several rows an example `[N, rows, …]`. */
  outputs: readonly DeployedOutput[];
  /** How its weights can be stored and be near enough to the engine; default: in every way there is. */
  precisions?: readonly Precision[];
  /** Strings for the file's metadata, without the prefix `audio2vec.`. */
  metadata: Readonly<Record<string, string>>;
}

/** How weights are stored; `int8` also computes in integers. */
export type Precision = 'float32' | 'float16' | 'int8';

export interface DeployedOutput {
  name: string;
  node: string;
  /** Its values are numbers of choices, such as codes: a share of them must agree, as their differences mean nothing. Default:
   * whether the node chooses. */
  discrete?: boolean;
  /** How many times more than usual a small difference in what the model reads moves this output: its limits of parity are so
   * many times wider. Default 1. */
  sensitivity?: number;
}

/** An input node: `[T, F, C]` for T frames of F · C features, or a vector. In the file `[N, T, F · C]` or `[N, C]`
 * (with several rows an example `[N, rows, …]`), normalised there by `(x - mean) / std`. */
export interface DeployedInput {
  node: string;
  /** In the file; default: the node's. A waveform in its place is called `waveform`, if the model has no other. */
  name?: string;
  /** Given, the file may take a waveform instead of features. */
  frontEnd?: FrontEndConfig;
  /** Frames from one row of the outputs to the next: of a recording of any length, slices begin at multiples of it.
   * Default 1. */
  step?: number;
  /** Per value of a frame; left out: not normalised. */
  mean?: Float32Array;
  std?: Float32Array;
}

/** What the metadata say of an input: its front end and how it is normalised. */
export function inputMetadata({ frontEnd, mean, std }: DeployedInput): Record<string, string> {
  return {
    ...(frontEnd && { front_end: JSON.stringify(frontEnd) }),
    ...(mean && std && { normalization: JSON.stringify({ mean: shortest(mean), std: shortest(std) }) }),
  };
}

/** The shortest decimals that give back the same float32 values. */
function shortest(values: Float32Array): number[] {
  return Array.from(values, (v) => {
    for (let digits = 6; digits < 9; digits++)
      if (Math.fround(Number(v.toPrecision(digits))) === v) return Number(v.toPrecision(digits));
    return v;
  });
}
