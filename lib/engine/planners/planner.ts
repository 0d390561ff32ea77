// What an operator's planner does: it emits the native steps of its value and of its gradients.
import type { EngineNode, NormNode } from '../engine-graph.js';
import type { Phase } from '../plan-builder.js';
import type { Schedule } from '../schedule.js';

export interface Planner<N extends EngineNode = EngineNode> {
  /** Puts the node's layers (weights, norms) into the plan. */
  layers?(s: Schedule, node: N): void;
  /** Whether a gradient flows to input `i`. */
  flows(node: N, i: number): boolean;
  /** Training: whether its value needs batch statistics of its input, so the phase after. */
  waits?: boolean;
  /** The norm that takes statistics of input `i`. */
  normOfInput?(node: N, i: number): NormNode | undefined;
  /** Whether its steps walk its input's units, whose shape decides where they run. */
  runsOverInput?: boolean;
  /** Training: whether its value is worth saving; else it is computed again wherever it is used. */
  saves(s: Schedule, node: N): boolean;
  /** Level, where it does not follow from the inputs; for nodes that are not values, their steps. */
  level?(s: Schedule, node: N): number;
  emit?(s: Schedule, node: N, level: number): void;
  /** Emits what computes its value in a phase; returns its tensor, which `resultTensor` gave. */
  value(s: Schedule, node: N, phase: Phase): number;
  /** Emits, in the phase in which its gradient is complete, what that gives: gradients of parameters, and for each input
   * that a gradient flows to either a step that adds to its saved gradient (`add`) or, where that `isPassing`, the news
   * that `inputGradient` can be asked for (`contributes`). */
  backward(s: Schedule, node: N, phase: Phase): void;
  /** Emits the gradient of input `i` in the phase that uses it; returns its tensor. */
  inputGradient?(s: Schedule, node: N, i: number, phase: Phase): number;
}
