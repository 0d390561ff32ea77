// From the model description to a plan: which steps, in which order, with which values kept.
//
// Batch norm decides the shape of everything: its statistics need all of a batch, so a training step is a sequence of
// phases with a meeting of all threads in between. Inside a phase every unit (slice) goes through all steps on its
// own, and values that only live there stay in cache. A value needed in a later phase is either kept for the whole
// batch or computed again; main memory is so much slower than arithmetic that cheap ones (normalisation, addition,
// pooling gradients, convolutions of few channels) are computed again. Hence the way this works: steps are
// emitted on demand. `value(node, phase)` returns the tensor that holds a node's value in a phase, after emitting,
// recursively, whatever it takes to compute it there; `gradient(node, phase)` does the same backwards.
//
// plan-builder.ts has what both directions share, forward.ts and backward.ts a direction each, upsampling.ts and
// passes.ts what happens before and after.
import type { Node } from '../graph/graph.js';
import type { Plan } from '../native/plan.js';
import { Schedule } from './backward.js';
import type { Mode } from './plan-builder.js';

/** The plan of a graph. `targets` are the nodes to be read after an inference run; only what they need is computed.
 * `lanes` is how many values a vector holds. */
export function schedule(nodes: readonly Node[], mode: Mode, targets: readonly string[], lanes: number): Plan {
  return new Schedule(nodes, mode, targets, lanes).plan();
}
