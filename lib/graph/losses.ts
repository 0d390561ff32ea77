// The losses: what each compares, which shapes fit, what its constant may be. Each is a mean over examples, rows and
// positions or values. How they are computed is in lib/engine/planners/loss.ts.
import { argumentError } from '../util/errors.js';
import type { LossKind, Shape } from './node.js';

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
  /** The operand that is made of whole numbers, and which: the inputs it is made of must be in range. */
  indices?: { operand: number; what: string; range(operands: readonly Operand[]): readonly [number, number] };
}

const elementwise = { operands: ['prediction', 'target', 'weights'], optional: 1, flows: [0], check: alike } as const;
const anyNumber = -1e30;

export const losses: Readonly<Record<LossKind, LossRules>> = {
  mse: elementwise,
  l1: elementwise,
  huber: { ...elementwise, number: { usual: 1, least: 1e-30 } },
  hinge: { operands: ['score', 'sign'], flows: [0], number: { usual: 1, least: anyNumber }, check: alike },
  bce: { operands: ['logit', 'probability'], flows: [0], check: alike },
  softmax: {
    operands: ['logits', 'class'],
    flows: [0],
    check(loss, [logits, classes]) {
      checkShape(loss, classes!, [...logits!.shape.slice(0, -1), 1], logits!.rows);
    },
    indices: { operand: 1, what: 'class indices', range: ([logits]) => [0, channelsOf(logits!) - 1] },
  },
  'soft-cross-entropy': { operands: ['logits', 'probabilities'], flows: [0], check: alike },
  triplet: {
    operands: ['anchor, positive and negative in three rows'],
    flows: [0],
    number: { usual: 0, least: anyNumber },
    check: (loss, [x]) => checkShape(loss, x!, [channelsOf(x!)], 3),
  },
  contrastive: {
    operands: ['queries', 'keys'],
    flows: [0, 1],
    check(loss, [queries, keys]) {
      checkShape(loss, queries!, [channelsOf(queries!)], 1);
      alike(loss, [queries!, keys!]);
    },
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
    // A negative candidate leaves its position out.
    indices: { operand: 2, what: 'positions of keys', range: ([, keys]) => [-1, positionsOf(keys!) - 1] },
  },
  'nt-xent': {
    operands: ['two views in two rows'],
    flows: [0],
    check: (loss, [x]) => checkShape(loss, x!, [channelsOf(x!)], 2),
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
