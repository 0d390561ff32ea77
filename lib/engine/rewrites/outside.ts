// Rewrites that callers bring (`rewrites` of a network). They are applied before those of the package, to nodes of the model
// description, and what they leave must be a graph that the builder could have made.

import { losses } from '../../graph/losses.js';
import { frozen } from '../../graph/made-nodes.js';
import type { Node } from '../../graph/node.js';
import { factsOf } from '../../graph/operators/index.js';
import { checkMade } from '../../graph/remake.js';
import { Audio2VecError } from '../../util/errors.js';
import type { RewriteOptions } from './index.js';
import { type Rewrite, RewriteContext } from './rewrite.js';

export function applyOutside(
  rewrites: readonly Rewrite[],
  nodes: readonly Node[],
  { mode, targets, wantedGradients }: Pick<RewriteOptions, 'mode' | 'targets' | 'wantedGradients'>,
): readonly Node[] {
  let out = nodes;
  for (const rewrite of rewrites) {
    if (rewrite.mode !== 'both' && rewrite.mode !== mode) continue;
    // Copies: what the rewrite does to its list and sets is its own affair.
    const context = new RewriteContext([...out], new Set(targets), new Set(wantedGradients), new Set());
    const after = rewrite.apply([...out], context);
    out = checked(rewrite.name, out, after, [...targets, ...wantedGradients]);
  }
  return out;
}

/** What a rewrite made. Throws `ERR_GRAPH` unless that is a whole graph: what is read stands before its reader, once; losses
 * and what is read afterwards are there; nodes that were there keep their shapes, and new ones are those of their operators;
 * no parameters and indices but those of the graph that it was given. */
function checked(name: string, before: readonly Node[], after: unknown, wanted: readonly string[]): readonly Node[] {
  const wrong = (why: string) => new Audio2VecError('ERR_GRAPH', `The rewrite ${name} leaves no whole graph: ${why}.`);
  if (!Array.isArray(after)) throw wrong('it returned no list of nodes');
  const known = new Set(before);
  const was = new Map(before.map((node) => [node.name, node]));
  const parameters = new Map(before.flatMap((node) => node.params).map((p) => [p.name, `${p.shape}`]));
  const seen = new Set<string>();
  const nodes = (after as Node[]).map((node) => (known.has(node) ? node : frozen(node)));
  for (const node of nodes) {
    if (typeof node?.name !== 'string' || !Array.isArray(node.inputs) || !Array.isArray(node.params))
      throw wrong('it returned something else than nodes');
    if (seen.has(node.name)) throw wrong(`${node.name} is there twice`);
    const missing = node.inputs.find((input) => !seen.has(input));
    if (missing !== undefined) throw wrong(`${node.name} reads ${missing}, which does not stand before it`);
    const old = was.get(node.name);
    if (old && size(old) !== size(node)) throw wrong(`${node.name} was ${size(old)} and is ${size(node)}`);
    if (known.has(node)) {
      seen.add(node.name);
      continue;
    }
    const strange = node.params.find((p) => parameters.get(p?.name) !== `${p?.shape}`);
    if (strange !== undefined) throw wrong(`${node.name} has a parameter that the graph has not`);
    const takes = node.op === 'loss' ? losses[node.loss]?.indices : factsOf(node)?.indices;
    if (takes && old?.inputs.join() !== node.inputs.join()) throw wrong(`${node.name} takes other indices`);
    if (node.op === 'input' || node.op === 'loss') {
      if (old?.op !== node.op) throw wrong(`${node.name} is a new ${node.op}`);
    }
    seen.add(node.name);
  }
  const due = before.filter(({ op, name }) => op === 'loss' || wanted.includes(name));
  const gone = due.find((node) => !seen.has(node.name));
  if (gone) throw wrong(`${gone.name} is gone`);
  try {
    checkMade(nodes, known);
  } catch (error) {
    const message = `The rewrite ${name} leaves no whole graph. ${(error as Error).message}`;
    throw new Audio2VecError('ERR_GRAPH', message, { cause: error });
  }
  return nodes;
}

function size({ rows, shape }: Node): string {
  return `${rows} × ${shape}`;
}
