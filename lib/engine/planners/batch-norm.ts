// Batch normalisation. Backward it takes two phases: sums over the batch, then the gradient of what was normalised,
// computed where it is used. (By running statistics, forward takes no phase of its own.)
import type { NormNode } from '../engine-graph.js';
import type { Planner } from './planner.js';

export const batchNorm: Planner<NormNode> = {
  layers: (s, node) => s.addNorm(node),
  flows: () => true,
  planar: () => true,
  folded: () => true,
  waits: (node) => !node.running,
  normOfInput: (node) => (node.running ? undefined : node),
  saves: () => false,
  value(s, node, phase) {
    const x = s.value(s.input(node), phase);
    const y = s.resultTensor(node);
    s.push(phase, 'norm', { x, y, norm: s.normOf(node) });
    return y;
  },
  backward(s, node, phase) {
    const norm = s.normOf(node);
    const input = s.input(node);
    s.push(phase, 'norm_reduce', { x: s.value(input, phase), b: s.gradient(node, phase), norm });
    phase.reduced.push(norm);
    if (!s.flows(node, 0)) return;
    if (s.isPassing(input)) return s.contributes(node, 0, phase.level + 1, phase.domain);
    const later = s.phase(phase.level + 1, node);
    const y = s.savedGradient(input);
    const fields = { x: s.value(input, later), b: s.gradient(node, later), y, norm };
    s.add(node, 0, later, s.push(later, 'norm_apply', fields));
  },
  inputGradient(s, node, _, phase) {
    const input = s.input(node);
    const x = s.value(input, phase);
    const b = s.gradient(node, phase);
    const y = s.passingGradient(input, phase);
    s.push(phase, 'norm_apply', { x, b, y, norm: s.normOf(node) });
    return y;
  },
};
