// What an operator is: everything that is true of it, in one entry. Operators that are computed value by value or unit
// by unit say here which native steps they are made of, and the engine plans them without knowing them; convolutions,
// norms and losses have planners of their own (lib/engine/planners).
import type { Emitted, GraphWriter } from './emission.js';
import type { Layer } from './inference.js';
import type { Node } from './node.js';

/** What a step reads: the value of input number i, the operator's own value, or the gradient of that. */
export type Operand = number | 'result' | 'gradient';

/** A native step (native/engine/step.h) with its operands; what it writes is understood. */
export interface StepUse {
  step: string;
  x: Operand;
  b?: Operand;
  g?: Operand;
  /** Constants of the step, by the names of `PlanStep`. */
  fields?: Readonly<Record<string, number>>;
  /** The run-time scalar that its constant is multiplied with. */
  scalar?: string;
}

/** What every operator that can be exported has. */
export interface ExportedOperator<N extends Node = Node> {
  op: N['op'];
  /** What it is made of in an exported file. */
  emit(writer: GraphWriter, layer: Layer<N>, inputs: readonly Emitted[]): Emitted;
}

export interface Operator<N extends Node = Node> extends ExportedOperator<N> {
  /** What it computes, in a line. */
  summary: string;
  /** The steps that write its value, one after the other. */
  forward(node: N): readonly StepUse[];
  /** The step that adds to the gradient of input `i`; undefined where no gradient flows. */
  backward(node: N, i: number): StepUse | undefined;
  /** Whether it changes nothing in inference. */
  trainingOnly?: boolean;
  /** The same for maps whose frames and bands have changed places (its shape aside); undefined where there is no such
   * thing. Left out: it treats all positions alike. */
  transposed?(node: N): N | undefined;
}
