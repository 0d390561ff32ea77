// The operators: those that are planned from what their entries say, and those with planners of their own.
import { checkBoolean, checkFunction, checkInteger, checkOneOf, checkOptions } from '../../util/arguments.js';
import { argumentError } from '../../util/errors.js';
import type { Operator, OperatorFacts, OwnNode, OwnOperator } from '../operator.js';
import { add, batchNorm, conv, dense, globalMaxPool, maxPool, reshape, select } from './layers.js';
import { channelRange, concat, gather, upsample } from './moves.js';
import { l2Normalize, layerNorm, oneHot, softmax } from './normalise.js';
import {
  div,
  dot,
  dropout,
  gate,
  mul,
  pointwise,
  relu,
  scale,
  stopGradient,
  straightThrough,
  sub,
} from './pointwise.js';
import { pool } from './pool.js';

/** To add one: write its entry, add it here (and to the table of docs/engine.md; a test prints it). */
export const operators = [
  ...[pointwise, relu, scale, sub, mul, div, gate, dot, stopGradient, straightThrough, dropout],
  ...[l2Normalize, softmax, layerNorm, oneHot],
  ...[concat, channelRange, gather, upsample],
  pool,
] as readonly Operator[];

const withPlanners = [conv, dense, batchNorm, add, maxPool, globalMaxPool, reshape, select] as readonly OperatorFacts[];

const planned = new Map(operators.map((operator) => [operator.op as string, operator]));
const all = new Map([...withPlanners, ...operators].map((operator) => [operator.op as string, operator]));

/** The entry of a node's operator, if it is planned from one. */
export function operatorOf(node: { op: string }): Operator | undefined {
  return planned.get(node.op);
}

/** What is true of a node's operator; undefined for losses and inputs. */
export function factsOf(node: { op: string }): OperatorFacts | undefined {
  return all.get(node.op);
}

const members = [
  ...(['op', 'summary', 'title', 'forward', 'backward', 'emit', 'transposed', 'folded'] as const),
  ...(['multiplies', 'moves', 'chooses', 'indices', 'trainingOnly', 'recomputed', 'overInput', 'planar'] as const),
] satisfies (keyof OwnOperator)[];

/** Adds one to those of the package, for as long as the process lives; nodes of it come from a class of one's own that
 * extends `Graph`. Throws `ERR_ARGUMENT` if there is one of that name, or for members that are wrong
 * or unknown. */
export function addOperator<N extends OwnNode>(operator: OwnOperator<N>): void {
  checkOptions('operator', operator, members);
  const { op, summary } = operator;
  if (typeof op !== 'string' || op === '') throw argumentError('op', 'a name', op);
  if (typeof summary !== 'string')
    throw argumentError(`summary of ${op}`, 'a line that says what it computes', summary);
  for (const key of ['forward', 'backward', 'emit'] as const) {
    if (typeof operator[key] !== 'function') throw argumentError(`${key} of ${op}`, 'a function', operator[key]);
  }
  for (const key of ['title', 'transposed', 'folded'] as const) {
    if (operator[key] !== undefined) checkFunction(`${key} of ${op}`, operator[key]);
  }
  for (const key of ['multiplies', 'chooses', 'trainingOnly', 'recomputed', 'overInput', 'planar'] as const) {
    if (operator[key] !== undefined) checkBoolean(`${key} of ${op}`, operator[key]);
  }
  const { moves, indices } = operator;
  if (moves !== undefined) checkOneOf(`moves of ${op}`, moves, ['first', 'all']);
  if (indices !== undefined) {
    checkOptions(`indices of ${op}`, indices, ['operand', 'what', 'range']);
    checkInteger(`operand of the indices of ${op}`, indices.operand, 0, 255);
    checkFunction(`range of the indices of ${op}`, indices.range);
  }
  if (all.has(op) || op === 'input' || op === 'loss') throw argumentError('op', 'a name that no operator has', op);
  planned.set(op, operator as unknown as Operator);
  all.set(op, operator as unknown as Operator);
}
