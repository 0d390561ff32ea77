// What a pretext task is. A task of this package is one file that declares an object of this type and one line in
// index.ts; one of the user's own is an object given to `pretrain`, or a module (own-task.ts).

import type { PseudoLabelName } from '../../../features/pseudo-labels.js';
import type { Graph, Ref } from '../../../graph/graph.js';
import type { EncoderConfig } from '../../../models/blocks.js';
import { argumentError } from '../../../util/errors.js';
import type { Random } from '../../../util/random.js';
import type { Clip } from '../../clip-draw.js';

/** What a head is built from. */
export interface HeadContext<O> {
  encoder: EncoderConfig;
  options: O;
  /** Put before the names of the head's nodes: empty when the task is trained alone. */
  prefix: string;
  /** Name for the loss node, and its weight in joint training. */
  loss: string;
  weight: number;
}

/** One training example, as first frames in the feature store. */
export interface Example {
  /** The slices that go through the encoder, in the order the head expects: {@link Task.slices} of them. */
  slices: readonly number[];
  /** What the task's `target` input is fed: first frames of the target slices, or values. */
  target?: readonly number[];
}

/** A pretext task: which slices are encoded, what is made of the embeddings, and how examples are drawn.
 * `O` is its options; all of them are numbers. examples/own-task.mjs is a worked example. */
export interface Task<O extends object = object> {
  /** A word in small letters, such as `slice-order`. */
  name: string;
  /** One line for `--help`. */
  summary: string;
  /** Default options for slices of this many frames; `{}` if it has none. */
  defaults(frames: number): O;
  /** Throws `ERR_ARGUMENT` for options that make no sense with slices of this many frames. */
  check(options: O, frames: number): void;
  /** Slices of one example that are encoded. */
  slices(options: O): number;
  /** Frames a clip must have to be used. */
  span(options: O, frames: number): number;
  /** What the input node `target` holds: slices gathered from the store, plain values, or there is none. */
  target: 'slices' | 'values' | 'none';
  /** Set, the targets are not drawn: they are this pseudo-label of each encoded slice (slice-labels.ts). */
  label?: PseudoLabelName;
  /** Whether slices are augmented by default, because without it the task is too easy to teach much. */
  augmented?: true;
  /** Where a task that contrasts clips finds the others: in the rest of the `batch`, whose examples then come from
   * different clips as far as there are enough; or in each `example`, whose `sample` asks for `other()`. */
  negatives?: 'batch' | 'example';
  /** Appends the head and its loss to the graph. `z`: the embeddings `[E]`, rows = {@link Task.slices}. Names of its nodes
   * begin with `context.prefix`, but for the loss, whose name is `context.loss` and whose weight `context.weight`; the
   * input of its targets, if there are any, is `${context.prefix}target`. Returns the node that holds the prediction. */
  head(g: Graph, z: Ref, context: HeadContext<O>): Ref;
  /** Draws one example from `clip` (which has at least {@link Task.span} frames); `other()` draws another clip. All chance
   * must come from `rng`, or runs cannot be repeated and resumed. */
  sample(rng: Random, clip: Clip, options: O, frames: number, other: () => Clip): Example;
  /** Values of the head's run-time scalars in batch `step` (counted from 0), by their names without `context.prefix`; the
   * others keep their defaults. A dropout's seed should come from `rng` here. */
  scalars?(rng: Random, step: number, options: O): Record<string, number>;
  /** For tasks that predict slices: for each target the encoded slice closest in time, which a predictor that merely
   * copies would answer. */
  nearest?(example: Example): readonly number[];
}

/** The input of a head that must predict `count` slices, one a channel, as a decoder gives them. */
export function targetSlices(g: Graph, { encoder, prefix }: HeadContext<object>, count: number): Ref {
  return g.input(`${prefix}target`, [encoder.frames, encoder.bands, count]);
}

/** Throws `ERR_ARGUMENT` unless `value` is an integer from `min` to `max`. */
export function checkInteger(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw argumentError(name, `an integer from ${min} to ${max}`, value);
  }
}

/** Far more frames than any recording needs (about 11 days at 10 ms); bounds options counted in frames. */
export const maxDistanceFrames = 1e8;
