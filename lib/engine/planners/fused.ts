// Nodes that rewrites put in the place of several.
import type { ConvNode, EngineNode, NormedConvNode, ResidualPoolNode, SumPoolNode } from '../engine-graph.js';
import type { Phase } from '../plan-builder.js';
import type { Planner, Schedule } from './planner.js';

/** Sums over the taps of a convolution of a single channel, which its norm's statistics follow from. */
function takeTapStatistics(s: Schedule, conv: ConvNode, input: EngineNode, norm: number, phase: Phase): void {
  s.push(phase, 'tap_statistics', { x: s.value(input, phase), norm });
  s.out.norms[norm]!.single = s.convOf(conv);
  phase.statistics.push(norm);
}

export const normedConv: Planner<NormedConvNode> = {
  layers(s, { conv, norm, ...node }) {
    s.addConv(conv, s.input(node as EngineNode), false);
    s.addNorm(norm);
    s.out.norms.at(-1)!.tapGradients = true;
  },
  flows: () => false,
  folded: () => true,
  waits: () => true,
  saves: () => false,
  emit(s, node, level) {
    takeTapStatistics(s, node.conv, s.input(node), s.normOf(node.norm), s.phase(level - 1, node));
    if (s.isSaved(node) || s.hasStatistics(node)) s.value(node, s.phase(level, node));
  },
  value(s, node, phase) {
    const x = s.value(s.input(node), phase);
    const y = s.resultTensor(node);
    s.push(phase, 'conv', { x, y, conv: s.convOf(node.conv), norm: s.normOf(node.norm) });
    return y;
  },
  backward(s, node, phase) {
    const norm = s.normOf(node.norm);
    const [x, g] = [s.value(s.input(node), phase), s.value(node, phase)];
    s.push(phase, 'tap_gradients', { x, b: s.gradient(node, phase), g, norm });
    phase.reduced.push(norm);
  },
};

export const residualPool: Planner<ResidualPoolNode> = {
  layers(s, node) {
    if (node.shortcut) s.addConv(node.shortcut, s.input(node, 1), false);
    for (const norm of node.norms) s.addNorm(norm);
    if (node.shortcut) s.out.norms.at(-1)!.tapGradients = true;
  },
  flows: (node, i) => !(node.shortcut && i === 1),
  folded: () => true,
  waits: () => true,
  normOfInput: (node, i) => (node.shortcut && i === 1 ? undefined : node.norms[i]),
  runsOverInput: true,
  saves: () => true,
  emit(s, node, level) {
    if (node.shortcut) {
      const input = s.input(node, 1);
      const at = input.op === 'input' ? 0 : s.levelOf(input);
      takeTapStatistics(s, node.shortcut, input, s.normOf(node.norms[1]), s.phase(at, node));
    }
    s.value(node, s.phase(level, node));
  },
  value(s, node, phase) {
    const [x, b] = node.inputs.map((_, i) => s.value(s.input(node, i), phase));
    const y = s.resultTensor(node);
    s.push(phase, 'residual_pool', { x, b, y, ...normsOf(s, node) });
    return y;
  },
  backward(s, node, phase) {
    s.push(phase, 'residual_pool_reduce', { ...operands(s, node, phase), ...normsOf(s, node) });
    phase.reduced.push(...Object.values(normsOf(s, node)).reverse());
    node.inputs.forEach((_, i) => {
      if (s.flows(node, i)) s.contributes(node, i, phase.level + 1, phase.domain);
    });
  },
  /** Of both branches at once. */
  inputGradient(s, node, i, phase) {
    const [y, y2] = node.inputs.map((_, j) =>
      residualPool.flows(node, j) ? s.passingGradient(s.input(node, j), phase) : -1,
    );
    s.push(phase, 'residual_pool_apply', { ...operands(s, node, phase), ...normsOf(s, node), y, y2 });
    return i === 0 ? y! : y2!;
  },
};

function operands(s: Schedule, node: ResidualPoolNode, phase: Phase) {
  const [x, b] = node.inputs.map((_, i) => s.value(s.input(node, i), phase));
  return { x, b, g: s.gradient(node, phase) };
}

function normsOf(s: Schedule, { norms }: ResidualPoolNode) {
  return { norm: s.normOf(norms[0]), norm2: s.normOf(norms[1]) };
}

export const sumPool: Planner<SumPoolNode> = {
  layers(s, node) {
    if (node.shortcut) s.addConv(node.shortcut, s.input(node, 1), false);
  },
  flows: () => false,
  folded: () => true,
  runsOverInput: true,
  saves: () => true,
  value(s, node, phase) {
    const [x, b] = node.inputs.map((_, i) => s.value(s.input(node, i), phase));
    const y = s.resultTensor(node);
    s.push(phase, 'max_pool', { x, b, y, conv: node.shortcut ? s.convOf(node.shortcut) : -1 });
    return y;
  },
  backward() {},
};
