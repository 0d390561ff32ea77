// What runs on a phone of any trained model: a graph with its weights, where its input comes from and what its outputs
// are called. The exports (lib/export) and their proofs of parity read nothing else of a model.
import type { FrontEndConfig } from '../features/front-ends.js';
import type { Graph } from '../graph/graph.js';

export interface DeployedModel {
  /** What it is, for metadata: `encoder`, `pitch`, … */
  kind: string;
  /** In inference; the training operators in it do nothing. */
  graph: Graph;
  /** Parameters and running statistics by name. */
  weights: ReadonlyMap<string, Float32Array>;
  /** The graph's inputs, in order. */
  inputs: readonly DeployedInput[];
  /** Names of outputs in the file, and the nodes that give them. A vector `[C]` becomes `[N, C]`, a sequence `[T, 1, C]`
   * becomes `[N, T, C]`, a map `[N, T, F, C]`. */
  outputs: readonly { name: string; node: string }[];
  /** Strings for the file's metadata, without the prefix `audio2vec.`. */
  metadata: Readonly<Record<string, string>>;
}

/** An input node `[T, F, 1]`: features of a front end, normalised by `(x - mean) / std` in the file. */
export interface DeployedInput {
  node: string;
  /** Given, the file may take a waveform instead of features. */
  frontEnd?: FrontEndConfig;
  /** Per value of a frame; left out: not normalised. */
  mean?: Float32Array;
  std?: Float32Array;
}
