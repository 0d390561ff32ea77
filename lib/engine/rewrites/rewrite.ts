// What a rewrite is: a pass over the engine's graph that puts something faster with the same result in the place of
// nodes that nothing else reads.
import { type EngineNode, type Mode, usesOf } from '../engine-graph.js';

export interface Rewrite {
  name: string;
  /** Where it applies. */
  mode: Mode | 'both';
  apply(nodes: readonly EngineNode[], context: RewriteContext): EngineNode[];
}

export class RewriteContext {
  private readonly uses;
  private readonly byName;

  constructor(
    nodes: readonly EngineNode[],
    /** Nodes that are read afterwards, under the name and shape that they have in the model. */
    readonly targets: ReadonlySet<string>,
    /** Inputs whose gradient is wanted. */
    readonly wantedGradients: ReadonlySet<string>,
    /** Maps whose bands are innermost: planar.ts. */
    readonly planar: ReadonlySet<string>,
  ) {
    this.uses = usesOf(nodes);
    this.byName = new Map(nodes.map((n) => [n.name, n]));
  }

  input(node: EngineNode, i = 0): EngineNode {
    return this.byName.get(node.inputs[i]!)!;
  }

  /** `wanted`, or something like it, as the name of a new node. */
  freeName(wanted: string): string {
    let name = wanted;
    while (this.byName.has(name)) name += '′';
    return name;
  }

  /** The only node that reads this one, if there is one and nothing else wants its value. */
  onlyReader(node: EngineNode): EngineNode | undefined {
    const uses = this.uses.get(node.name) ?? [];
    return uses.length === 1 && !this.targets.has(node.name) ? uses[0]!.node : undefined;
  }
}

/** Max-pools of a sum that nothing else reads, and that sum. */
export function* pooledSums(
  nodes: readonly EngineNode[],
  context: RewriteContext,
): Generator<{ pool: EngineNode; add: EngineNode }> {
  for (const pool of nodes) {
    if (pool.op !== 'max-pool') continue;
    const add = context.input(pool);
    if (add.op === 'add' && context.onlyReader(add) === pool) yield { pool, add };
  }
}

/** The list with some nodes left out and others replaced. */
export function replaced(
  nodes: readonly EngineNode[],
  removed: ReadonlySet<EngineNode>,
  instead: ReadonlyMap<EngineNode, EngineNode>,
): EngineNode[] {
  return nodes.filter((n) => !removed.has(n)).map((n) => instead.get(n) ?? n);
}
