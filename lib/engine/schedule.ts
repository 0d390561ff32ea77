// From the model description to a plan: rewritten, laid out in memory, scheduled.
import type { Node } from '../graph/graph.js';
import { neededNodes } from '../graph/inference.js';
import type { Plan } from '../native/plan.js';
import { Audio2VecError } from '../util/errors.js';
import { type EngineNode, type Mode, parameterOffsets, type Statistics } from './engine-graph.js';
import { GraphSchedule } from './graph-schedule.js';
import { planarMaps, unfoldedMaps } from './planar.js';
import { fuse, rewriteStructure } from './rewrites/index.js';
import { applyOutside } from './rewrites/outside.js';
import type { Rewrite } from './rewrites/rewrite.js';

export interface ScheduleOptions {
  /** Training: inputs whose gradient is wanted; it is read as the output `d <name>`. */
  gradients?: readonly string[];
  /** Training: whether norms go by the batch at hand (the default) or by running statistics. */
  statistics?: Statistics;
  /** Rewrites that are left out, by name (rewrites/index.ts); `planar` leaves out planar maps. */
  without?: readonly string[];
  /** Rewrites besides those of the package, before them. */
  rewrites?: readonly Rewrite[];
  /** Run-time scalars of the graph and what they are by default. */
  scalars?: readonly { scalar: string; value: number }[];
}

/** The plan of a graph. `targets` are the nodes to be read afterwards; in inference only what they need is computed.
 * `lanes` is how many values a vector holds. Throws `ERR_GRAPH` for a graph that cannot be planned. */
export function schedule(
  nodes: readonly Node[],
  mode: Mode,
  targets: readonly string[],
  lanes: number,
  options: ScheduleOptions = {},
): Plan {
  try {
    return planOf(nodes, mode, targets, lanes, options);
  } catch (error) {
    // Nodes are visited from their readers: a chain of a thousand or so takes more stack than there is.
    if (!(error instanceof RangeError && /call stack/.test(error.message))) throw error;
    const message = `The graph is too deep to be planned: ${nodes.length} nodes, too many of them in a row.`;
    throw new Audio2VecError('ERR_GRAPH', message, { cause: error });
  }
}

function planOf(
  nodes: readonly Node[],
  mode: Mode,
  targets: readonly string[],
  lanes: number,
  { gradients = [], statistics = 'batch', without = [], rewrites = [], scalars = [] }: ScheduleOptions,
): Plan {
  if (mode === 'train' && !nodes.some((n) => n.op === 'loss')) {
    throw new Audio2VecError('ERR_GRAPH', 'The graph has no loss, so there is nothing to train: add one, such as mse.');
  }
  const options = {
    mode,
    targets: new Set(targets),
    wantedGradients: new Set(gradients),
    without: new Set(without),
  };
  const wanted = applyOutside(rewrites, mode === 'train' ? nodes : neededNodes(nodes, targets), options);
  const structure = rewriteStructure(mode === 'train' ? byStatistics(wanted, statistics) : wanted, options);
  const planar = without.includes('planar')
    ? new Set<string>()
    : planarMaps(structure, mode, lanes, options.wantedGradients);
  const layouts = { planar, unfolded: unfoldedMaps(structure, options.wantedGradients) };
  const builder = new GraphSchedule(fuse(structure, planar, options), mode, options, layouts, parameterOffsets(nodes));
  for (const { scalar, value } of scalars) builder.out.scalars.push({ name: scalar, value });
  return builder.plan();
}

function byStatistics(nodes: readonly Node[], statistics: Statistics): readonly EngineNode[] {
  if (statistics === 'batch') return nodes;
  return nodes.map((n) => (n.op === 'batch-norm' ? { ...n, running: true } : n));
}
