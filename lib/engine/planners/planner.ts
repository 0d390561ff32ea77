// What an operator's planner does: it emits the native steps of its value and of its gradients.
import type { PlanStep } from '../../native/plan.js';
import type { EngineNode, Mode, NormNode } from '../engine-graph.js';
import type { Phase, PlanBuilder } from '../plan-builder.js';

/** What a planner may ask of the schedule (lib/engine/graph-schedule.ts), and of the plan that it builds. */
export interface Schedule extends PlanBuilder {
  input(node: EngineNode, i?: number): EngineNode;
  readers(node: EngineNode): readonly EngineNode[];
  isTarget(node: EngineNode): boolean;
  isTrainable(node: EngineNode): boolean;
  /** Whether input `i` of a node needs the gradient that flows to it. */
  flows(node: EngineNode, i: number): boolean;
  /** Nodes of one domain run unit by unit together. */
  domain(node: EngineNode): string;
  levelOf(node: EngineNode): number;
  phase(level: number, node: EngineNode): Phase;
  /** Whether batch statistics of a node's value are wanted. */
  hasStatistics(node: EngineNode): boolean;
  /** Whether a node's value is saved for the whole batch; the tensor that it is saved in. */
  isSaved(node: EngineNode): boolean;
  savedTensor(node: EngineNode): number | undefined;
  /** The tensor that holds a node's value in a phase. */
  value(node: EngineNode, phase: Phase): number;
  /** Where a planner writes a node's value. */
  resultTensor(node: EngineNode): number;
  /** Whether a node's gradient is what its only reader computes where it is used, so that it need not be saved. */
  isPassing(node: EngineNode): boolean;
  /** Notes that input `i` of `node` gets its gradient at a level in a domain. */
  contributes(node: EngineNode, i: number, level: number, domain: string): void;
  /** Adds what `step` computes to the saved gradient of input `i`: its result `y` is that gradient. */
  add(node: EngineNode, i: number, phase: Phase, step: PlanStep): void;
  /** The saved gradient of a node. `at`: the tensor to put it into, if it is the first to be asked for. */
  savedGradient(node: EngineNode, at?: number): number;
  /** A tensor for a gradient that is read in the phase that makes it, and nowhere else. */
  passingGradient(node: EngineNode, phase: Phase): number;
  /** The tensor that holds the gradient of a node's value in a phase. */
  gradient(node: EngineNode, phase: Phase): number;
}

export interface Planner<N extends EngineNode = EngineNode> {
  /** Puts the node's layers (weights, norms) into the plan. */
  layers?(s: Schedule, node: N): void;
  /** Whether a gradient flows to input `i`. */
  flows(node: N, i: number): boolean;
  /** Training: whether its value needs batch statistics of its input, so the phase after. */
  waits?(node: N): boolean;
  /** The norm that takes statistics of input `i`. */
  normOfInput?(node: N, i: number): NormNode | undefined;
  /** Whether its steps walk its input's units, whose shape decides where they run. */
  runsOverInput?: boolean;
  /** Whether its steps know planar maps (planar.ts): take them and give one. */
  planar?(node: N, mode: Mode): boolean;
  /** Whether they read planar maps also where they give none. */
  endsPlanar?: boolean;
  /** Whether its steps know maps in which bands of few channels share vectors. */
  folded?(node: N): boolean;
  /** Whether they read an input of the graph value by value, however its channels lie. */
  readsAnyLayout?(node: N): boolean;
  /** Training: whether its value is worth saving; else it is computed again wherever it is used. */
  saves(s: Schedule, node: N): boolean;
  /** Whether it reads its own gradient in another phase than the one in which that is complete, so that it must be saved. */
  readsGradientLater?: boolean;
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
