// The planner of each operator: its own, or one made from its entry.
import { operatorOf } from '../../graph/operators/index.js';
import { Audio2VecError } from '../../util/errors.js';
import type { EngineNode } from '../engine-graph.js';
import { add } from './add.js';
import { batchNorm } from './batch-norm.js';
import { conv } from './conv.js';
import { plannerFromEntry } from './from-entry.js';
import { normedConv, residualPool, sumPool } from './fused.js';
import { loss } from './loss.js';
import type { Planner } from './planner.js';
import { globalMaxPool, maxPool } from './pool.js';
import { reshape, select } from './rows.js';

export type { Planner, Schedule } from './planner.js';

const input: Planner = { flows: () => false, folded: () => true, saves: () => true, value: () => -1, backward() {} };

const own = new Map<string, Planner<never>>([
  ['input', input],
  ['conv', conv],
  ['dense', conv],
  ['batch-norm', batchNorm],
  ['add', add],
  ['max-pool', maxPool],
  ['global-max-pool', globalMaxPool],
  ['reshape', reshape],
  ['select', select],
  ['loss', loss],
  ['normed-conv', normedConv],
  ['residual-pool', residualPool],
  ['sum-pool', sumPool],
]);

export function plannerOf(node: EngineNode): Planner {
  let planner = own.get(node.op);
  if (!planner) {
    const entry = operatorOf(node);
    if (!entry) throw new Audio2VecError('ERR_GRAPH', `The engine has no operator "${node.op}" (${node.name}).`);
    planner = plannerFromEntry(entry);
    own.set(node.op, planner);
  }
  return planner as Planner;
}
