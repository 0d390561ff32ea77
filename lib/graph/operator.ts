// What an operator is: everything that is true of it, in one entry. Operators that are computed value by value or unit
// by unit say here which native steps they are made of, and the engine plans them without knowing them; convolutions,
// norms and losses have planners of their own (lib/engine/planners).
import type { Emitted, GraphWriter } from './emission.js';
import type { Layer } from './layer.js';
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

/** An operand made of whole numbers, and which: the inputs that it is made of must be in range. */
export interface Indices {
  operand: number;
  what: string;
  range(operands: readonly Pick<Node, 'name' | 'shape' | 'rows'>[]): readonly [number, number];
}

/** A trained network, as one of its nodes sees it. */
export interface Trained {
  /** The node's own parameter or buffer, by the end of its name: `weight`. */
  array(key: string): Float32Array;
  /** A run-time scalar's default; 1 for none. */
  scalar(name: string | undefined): number;
}

/** What is true of every operator, also of those with planners of their own. */
export interface OperatorFacts<N extends Node = Node> {
  op: N['op'];
  /** What the layer table calls it; default: `op`. */
  title?(node: N, inputs: readonly Node[]): string;
  /** Its parameter `weight` is multiplied with what it reads, at every position: the layer table counts that. */
  multiplies?: true;
  /** What a node of a trained network has besides: its arrays, and what run-time scalars make of its constants. */
  trained?(node: N, of: Trained): Partial<Layer<N>>;
  /** What it is made of in an exported file. */
  emit(writer: GraphWriter, layer: Layer<N>, inputs: readonly Emitted[]): Emitted;
  /** The same for maps whose frames and bands have changed places (its shape aside); undefined where there is no such
   * thing. Left out: it treats all positions alike. */
  transposed?(node: N): N | undefined;
  /** Its values are values of its first input, or of all its inputs, without arithmetic. */
  moves?: 'first' | 'all';
  /** Its values are choices: a small difference of what it reads changes none of them, or one altogether. */
  chooses?: true;
  indices?: Indices;
}

/** An operator that the engine plans from its entry. */
export interface Operator<N extends Node = Node> extends OperatorFacts<N> {
  /** What it computes, in a line. */
  summary: string;
  /** The steps that write its value, one after the other. */
  forward(node: N): readonly StepUse[];
  /** The step that adds to the gradient of input `i`; undefined where no gradient flows. */
  backward(node: N, i: number): StepUse | undefined;
  /** It changes nothing in inference. */
  trainingOnly?: true;
  /** Its value is cheaper to compute again than to load. */
  recomputed?: true;
  /** Its steps walk the units of what it reads, which are larger than those of its value. */
  overInput?: true;
  /** Its steps reach values by the strides of a tensor (`place`, `Run` in native/engine/tensor.h) wherever bands stand, so
   * that maps may be planar. Left out, the maps of its nodes have channels innermost. */
  planar?: true;
  /** Whether its steps also know maps in which bands of few channels share a vector. Left out, each band has its own. */
  folded?(node: N): boolean;
}

/** A node of an operator that `addOperator` added: what every node has, and what the method that made it put in. */
export type OwnNode = Pick<Node, 'name' | 'inputs' | 'shape' | 'rows' | 'params'> & { op: string };

/** An operator besides those of the package. `N` has the attributes of its nodes. */
export interface OwnOperator<N extends OwnNode = OwnNode>
  extends Omit<Operator, 'op' | 'title' | 'trained' | 'emit' | 'transposed' | 'forward' | 'backward' | 'folded'> {
  op: N['op'];
  title?(node: N, inputs: readonly Node[]): string;
  emit(writer: GraphWriter, node: N, inputs: readonly Emitted[]): Emitted;
  transposed?(node: N): N | undefined;
  forward(node: N): readonly StepUse[];
  backward(node: N, i: number): StepUse | undefined;
  folded?(node: N): boolean;
}
