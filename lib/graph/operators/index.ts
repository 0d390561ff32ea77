// The operators: those that are planned from what their entries say, and those with planners of their own.
import type { ExportedOperator, Operator } from '../operator.js';
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

const byOp: ReadonlyMap<string, Operator> = new Map(operators.map((operator) => [operator.op, operator]));

/** The entry of a node's operator, if it is planned from one. */
export function operatorOf(node: { op: string }): Operator | undefined {
  return byOp.get(node.op);
}

const exported: ReadonlyMap<string, ExportedOperator> = new Map(
  [conv, dense, batchNorm, add, maxPool, globalMaxPool, reshape, select, ...operators].map((operator) => [
    operator.op,
    operator as ExportedOperator,
  ]),
);

/** What a node's operator is in an exported file; undefined for losses and inputs. */
export function exportedOperatorOf(node: { op: string }): ExportedOperator | undefined {
  return exported.get(node.op);
}
