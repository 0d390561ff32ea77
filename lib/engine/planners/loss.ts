// How losses are computed (lib/graph/losses.ts says what they are, and the step of most). A loss step adds to the loss of
// the batch and writes the gradient of what it compares.
import type { LossKind } from '../../graph/graph.js';
import { losses } from '../../graph/losses.js';
import type { PlanStep } from '../../native/plan.js';
import type { LossNode } from '../engine-graph.js';
import type { Phase } from '../plan-builder.js';
import type { Planner, Schedule } from './planner.js';

type LossSteps = (s: Schedule, loss: LossNode, level: number, fields: Partial<PlanStep>) => void;

/** Losses that compare a batch with itself. */
const ofBatch: Partial<Readonly<Record<LossKind, LossSteps>>> = {
  contrastive(s, loss, level, fields) {
    fields.scratch = s.newScratchMemory({ perThread: 0, perExample: 0, perPair: 1 });
    const [queries, keys] = [s.input(loss), s.input(loss, 1)];
    const phase = lossPhase(s, level, queries.rows);
    const first = s.push(phase, 'contrastive_rows', { ...fields, y: gradientOf(s, loss, 0) });
    if (s.flows(loss, 0)) s.add(loss, 0, phase, first);
    if (!s.flows(loss, 1)) return;
    const later = lossPhase(s, level + 1, keys.rows);
    s.add(loss, 1, later, s.push(later, 'contrastive_columns', { ...fields, y: s.savedGradient(keys) }));
  },
  'contrastive-index'(s, loss, level, fields) {
    const phase = lossPhase(s, level, s.input(loss).rows);
    const first = s.push(phase, 'contrastive_index', { ...fields, y: gradientOf(s, loss, 0) });
    if (s.flows(loss, 0)) s.add(loss, 0, phase, first);
    if (!s.flows(loss, 1)) return;
    const y = s.savedGradient(s.input(loss, 1));
    s.add(loss, 1, phase, s.push(phase, 'contrastive_index_keys', { ...fields, y }));
  },
  'nt-xent'(s, loss, level, fields) {
    fields.scratch = s.newScratchMemory({ perThread: 0, perExample: 0, perPair: 4 });
    const views = s.input(loss);
    s.push(lossPhase(s, level, views.rows), 'nt_xent', fields);
    if (!s.flows(loss, 0)) return;
    // Of its own phase: a row's gradient needs how likely it was to be picked by every other.
    const later = lossPhase(s, level + 1, views.rows);
    s.add(loss, 0, later, s.push(later, 'nt_xent_backward', { ...fields, y: s.savedGradient(views) }));
  },
  diversity(s, loss, level, fields) {
    const x = s.input(loss);
    const channels = x.shape[x.shape.length - 1]!;
    fields.scratch = s.newScratchMemory({ perThread: 2 * channels, perExample: 0, perPair: 0 });
    fields.count = loss.number ?? channels;
    fields.rows = x.rows;
    s.push(lossPhase(s, level, x.rows), 'diversity_sums', fields);
    const later = lossPhase(s, level + 1, x.rows);
    const step = s.push(later, 'diversity', { ...fields, y: gradientOf(s, loss, 0) });
    if (s.flows(loss, 0)) s.add(loss, 0, later, step);
  },
};

function lossPhase(s: Schedule, level: number, rows: number): Phase {
  return s.phaseOf(level, rows, `${rows}loss`);
}

function gradientOf(s: Schedule, loss: LossNode, i: number): number {
  return s.flows(loss, i) ? s.savedGradient(s.input(loss, i)) : -1;
}

export const loss: Planner<LossNode> = {
  flows: (node, i) => losses[node.loss].flows.includes(i),
  folded: (node) => losses[node.loss].folded === true && node.inputs.length === 2,
  saves: () => false,
  level(s, node) {
    if (node.inPlace) return s.levelOf(s.input(node));
    const values = node.inputs.map((_, i) => s.input(node, i)).filter((input) => input.op !== 'input');
    return Math.max(0, ...values.map((input) => s.levelOf(input) + 1));
  },
  emit(s, node, level) {
    if (node.inPlace) return inPlace(s, node, level);
    const fields = fieldsOf(s, node);
    const { step, byExample } = losses[node.loss];
    if (step === undefined) return ofBatch[node.loss]!(s, node, level, fields);
    const rows = byExample ? 1 : s.input(node).rows;
    const phase = lossPhase(s, level, rows);
    const pushed = s.push(phase, step, { ...fields, rows, y: gradientOf(s, node, 0) });
    if (s.flows(node, 0)) s.add(node, 0, phase, pushed);
  },
  value: () => {
    throw new Error('a loss has no value that others read');
  },
  backward() {},
  inputGradient: undefined,
};

function fieldsOf(s: Schedule, node: LossNode): Partial<PlanStep> {
  const operands = node.inputs.map((_, i) => s.savedTensor(s.input(node, i))!);
  const [x, b = -1, g = -1] = node.ofDifference ? [operands[0]!, -1, operands[1] ?? -1] : operands;
  const index = s.out.losses.push(node.name) - 1;
  const number = node.number ?? losses[node.loss].number?.usual ?? 0;
  const { weight } = node;
  return { x, b, g, rows: s.input(node).rows, weight, number, loss: index, scalar: s.scalarOf(node.scalar) };
}

/** A loss in the phase that computes its map: the gradient goes on from there. */
function inPlace(s: Schedule, node: LossNode, level: number): void {
  const map = s.input(node);
  const phase = s.phase(level, map);
  const x = s.value(map, phase);
  const y = s.flows(node, 0) ? s.passingGradient(map, phase) : -1;
  const target = s.savedTensor(s.input(node, 1))!;
  const index = s.out.losses.push(node.name) - 1;
  const { rows } = map;
  s.push(phase, 'mse', { x, b: target, y, rows, weight: node.weight, loss: index, scalar: s.scalarOf(node.scalar) });
  if (y >= 0) s.contributes(node, 0, level, phase.domain);
}
