// The losses: what each compares, which shapes fit, what its constant may be. Each is a mean over examples, rows and
// positions or values.
import { argumentError } from '../util/errors.js';
import type { LossKind, Node, Shape } from './node.js';
import type { Indices } from './operator.js';

/** What a loss compares. */
interface Operand {
  readonly name: string;
  readonly shape: Shape;
  readonly rows: number;
}

/** What is true of a loss. */
export interface LossRules {
  /** What its operands are. */
  operands: readonly string[];
  /** How many of the last ones may be left out. */
  optional?: number;
  /** Operands that a gradient flows to; the others must not be trainable. */
  flows: readonly number[];
  /** Its constant, if it has one: by default, and the least that makes sense. */
  number?: { usual?: number; least: number };
  /** Throws unless the operands fit each other. */
  check(loss: string, operands: readonly Operand[], number: number | undefined): void;
  /** The loss of a network that gives everything the same vector, where that follows from the shapes.
   * @param examples in a batch */
  chance?(operands: readonly Operand[], examples: number, number: number | undefined): number;
  indices?: Indices;
  /** The native step that adds to the loss and writes the first operand's gradient. Losses that compare a batch with itself
   * have planners of their own (lib/engine/planners/loss.ts). */
  step?: string;
  /** That step walks examples, not their rows. */
  byExample?: true;
  /** It depends on the difference of its first two operands only. */
  ofDifference?: true;
  /** Without weights, its step knows maps in which bands of few channels share vectors (native/engine/step.h). */
  folded?: true;
}

const elementwise = {
  operands: ['prediction', 'target', 'weights'],
  optional: 1,
  flows: [0],
  check: alike,
  ofDifference: true,
} as const;
const anyNumber = -1e30;

export const losses: Readonly<Record<LossKind, LossRules>> = {
  mse: { ...elementwise, step: 'mse', folded: true },
  l1: { ...elementwise, step: 'l1' },
  huber: { ...elementwise, step: 'huber', number: { usual: 1, least: 1e-30 } },
  hinge: {
    operands: ['score', 'sign'],
    step: 'hinge',
    flows: [0],
    number: { usual: 1, least: anyNumber },
    check: alike,
  },
  bce: { operands: ['logit', 'probability'], step: 'bce', flows: [0], check: alike },
  softmax: {
    operands: ['logits', 'class'],
    step: 'cross_entropy',
    flows: [0],
    check(loss, [logits, classes]) {
      checkShape(loss, classes!, [...logits!.shape.slice(0, -1), 1], logits!.rows);
    },
    indices: { operand: 1, what: 'class indices', range: ([logits]) => [0, channelsOf(logits!) - 1] },
  },
  'soft-cross-entropy': { operands: ['logits', 'probabilities'], step: 'soft_cross_entropy', flows: [0], check: alike },
  triplet: {
    operands: ['anchor, positive and negative in three rows'],
    step: 'triplet',
    byExample: true,
    flows: [0],
    number: { usual: 0, least: anyNumber },
    check: (loss, [x]) => checkShape(loss, x!, [channelsOf(x!)], 3),
    chance: (_, __, margin = 0) => Math.max(0, margin),
  },
  contrastive: {
    operands: ['queries', 'keys'],
    flows: [0, 1],
    check(loss, [queries, keys]) {
      checkShape(loss, queries!, [channelsOf(queries!)], 1);
      alike(loss, [queries!, keys!]);
    },
    chance: (_, examples) => Math.log(examples),
  },
  'contrastive-index': {
    operands: ['queries', 'keys', 'candidates'],
    flows: [0, 1],
    number: { usual: 1, least: anyNumber },
    check(loss, [queries, keys, candidates]) {
      for (const x of [queries!, keys!, candidates!]) {
        if (x.shape.length !== 3) throw argumentError(`operand of ${loss}`, 'a map [T, F, C]', described(x));
      }
      const [t, f] = queries!.shape as readonly [number, number, number];
      alike(loss, [queries!, keys!]);
      checkShape(loss, candidates!, [t, f, channelsOf(candidates!)], queries!.rows);
    },
    chance: ([, , candidates]) => Math.log(channelsOf(candidates!)),
    // A negative candidate leaves its position out.
    indices: { operand: 2, what: 'positions of keys', range: ([, keys]) => [-1, positionsOf(keys!) - 1] },
  },
  'nt-xent': {
    operands: ['two views in two rows'],
    flows: [0],
    check: (loss, [x]) => checkShape(loss, x!, [channelsOf(x!)], 2),
    chance: (_, examples) => Math.log(2 * examples - 1),
  },
  diversity: {
    operands: ['probabilities'],
    flows: [0],
    number: { least: 1 },
    check(loss, [x], group = channelsOf(x!)) {
      const c = channelsOf(x!);
      if (!Number.isInteger(group) || c % group !== 0)
        throw argumentError(`number of ${loss}`, `a divisor of its ${c} channels`, group);
    },
  },
};

/** Throws `ERR_ARGUMENT` unless this loss can compare these operands with this constant. */
export function checkLoss(
  name: string,
  kind: LossKind,
  operands: readonly Operand[],
  number: number | undefined,
): void {
  if (typeof kind !== 'string' || !Object.hasOwn(losses, kind)) {
    throw argumentError(`kind of loss ${name}`, `one of ${Object.keys(losses).join(', ')}`, kind);
  }
  const rules = losses[kind];
  const most = rules.operands.length;
  if (operands.length > most || operands.length < most - (rules.optional ?? 0)) {
    throw argumentError(`operands of ${name} (${kind})`, rules.operands.join(', '), `${operands.length} of them`);
  }
  if (number !== undefined) {
    if (!rules.number) throw argumentError(`number of ${name}`, `left out: ${kind} has none`, number);
    if (!(typeof number === 'number' && number >= rules.number.least && number <= 1e30)) {
      throw argumentError(`number of ${name} (${kind})`, `a number from ${rules.number.least}`, number);
    }
  }
  rules.check(`${name} (${kind})`, operands, number);
}

/** By the names of a graph's losses, what each is, weighted, where everything gets the same vector; only those that
 * compare vectors with one another, for the others depend on the data.
 * @param examples in a batch */
export function chanceLosses(nodes: readonly Node[], examples: number): Record<string, number> {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const found: Record<string, number> = {};
  for (const node of nodes) {
    if (node.op !== 'loss' || node.scalar !== undefined) continue; // a weight that changes along the run
    const operands = node.inputs.map((name) => byName.get(name)!);
    const chance = losses[node.loss].chance?.(operands, examples, node.number);
    if (chance !== undefined) found[node.name] = node.weight * chance;
  }
  return found;
}

function alike(loss: string, [first, ...others]: readonly Operand[]): void {
  for (const x of others) checkShape(loss, x, first!.shape, first!.rows);
}

function checkShape(loss: string, x: Operand, shape: readonly number[], rows: number): void {
  if (x.shape.join() !== shape.join() || x.rows !== rows) {
    throw argumentError(`operand of ${loss}`, `${rows} × ${shape.join('×')}`, described(x));
  }
}

function described(x: Operand): string {
  return `${x.name}: ${x.rows} × ${x.shape.join('×')}`;
}

function channelsOf({ shape }: Operand): number {
  return shape[shape.length - 1]!;
}

function positionsOf({ shape }: Operand): number {
  return shape.slice(0, -1).reduce((a, b) => a * b, 1);
}
