// What the two objectives of the pitch system have in common.
import type { Graph, Ref } from '../../graph/graph.js';
import type { Random } from '../../util/random.js';
import type { PitchConfig } from './config.js';
import type { Piece, Pieces } from './pieces.js';

/** The network of a model: what makes its layers. */
export interface NetworkShape {
  /** Frames in. */
  frames: number;
  /** Bins of the constant-Q picture. */
  bins: number;
  binsPerOctave: number;
  channels: number;
}

/** What the layers give for each of T = frames - 2 · context frames. */
export interface PitchOutputs {
  /** Where the pitch lies, one of these: a value for each bin `[T, bins, 1]`, the pitch being at the largest; or a number
   * that grows with pitch, `[T, 1, 1]`. */
  classes?: Ref;
  position?: Ref;
  /** Logit of the confidence, `[T, 1, 1]`. */
  voiced: Ref;
}

export interface Objective {
  /** Frames before and after that an answer depends on. */
  context: number;
  /** Appends the layers that a model has after training; the input is `[frames, bins, 1]`. */
  layers(g: Graph, x: Ref, shape: NetworkShape): PitchOutputs;
  /** Frames in a piece of sound that is trained on. */
  frames: number;
  /** Which pieces of recordings: any, or rather those where something sounds. */
  recordings: 'recording' | 'sounding';
  /** The graph with the losses. */
  training(config: PitchConfig): Graph;
  /** Fills the example's part of the inputs of {@link Objective.training}. */
  example(piece: Piece, pieces: Pieces, config: PitchConfig, inputs: Inputs, random: Random): void;
  /** Names of losses whose weights follow from gradient norms along the run. */
  balanced(config: PitchConfig): readonly string[];
}

/** One example's part of each input, by name. */
export type Inputs = Record<string, Float32Array>;
