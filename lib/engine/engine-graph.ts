// The graph as the engine computes it: nodes of the model description, some of them with attributes that only the engine
// knows, and fused ones that rewrites (rewrites/) put in the place of several.
import { distinctParameters, type Node, type Parameter, sizeOf } from '../graph/node.js';

export type Mode = 'train' | 'infer';

/** What batch norms of a training plan go by. */
export type Statistics = 'batch' | 'running';

type WithRelu = {
  /** max(0, ·) at the end: see rewrites/layer-relu.ts. */
  relu?: true;
};

export type DenseNode = Node & { op: 'dense' } & WithRelu;

export type ConvNode = Node & { op: 'conv' } & WithRelu & {
    /** Reads its input as if upsampled by 2: see rewrites/upsampling.ts. */
    upsampled?: 'frames' | 'bands';
    /** Inference: the norm whose running statistics are folded into weights and bias, with its ReLU. */
    foldedNorm?: NormNode;
  };

export type NormNode = Node & { op: 'batch-norm' } & {
  /** How often each value stands in the map that the model describes: see rewrites/upsampling.ts. */
  copies?: number;
  /** Training: by running statistics, as in inference. */
  running?: true;
};

type Common = Pick<Node, 'name' | 'inputs' | 'shape' | 'rows' | 'params'>;

/** Training: a convolution of a single input channel and its norm (rewrites/single-channel.ts). Named as the norm. */
export type NormedConvNode = Common & { op: 'normed-conv'; conv: ConvNode; norm: NormNode };

/** Training: pool(ReLU(norm(a)) + ReLU(norm(b))), named as the pool (rewrites/residual-pool.ts). With `shortcut`, b is what
 * that convolution of a single channel makes of the second input. */
export type ResidualPoolNode = Common & {
  op: 'residual-pool';
  norms: readonly [NormNode, NormNode];
  shortcut?: ConvNode;
};

/** Inference: pool(a + b), named as the pool (rewrites/sum-pool.ts); `shortcut` as above. */
export type SumPoolNode = Common & { op: 'sum-pool'; shortcut?: ConvNode };

export type LossNode = Node & { op: 'loss' } & {
  /** It is computed in the phase that computes what it compares: see rewrites/loss-in-place.ts. */
  inPlace?: true;
  /** Its operand is a difference, to be compared with zero: see rewrites/difference-loss.ts. */
  ofDifference?: true;
};

export type EngineNode =
  | Node
  | ConvNode
  | DenseNode
  | NormNode
  | LossNode
  | NormedConvNode
  | ResidualPoolNode
  | SumPoolNode;

/** Where each parameter lies in the flat array of all parameters; shared ones once. */
export function parameterOffsets(nodes: readonly Node[]): Map<string, { offset: number; parameter: Parameter }> {
  const offsets = new Map<string, { offset: number; parameter: Parameter }>();
  let offset = 0;
  for (const parameter of distinctParameters(nodes)) {
    offsets.set(parameter.name, { offset, parameter });
    offset += sizeOf(parameter.shape);
  }
  return offsets;
}

/** Who reads each node: the node, and as which of its inputs. */
export function usesOf<N extends { inputs: readonly string[] }>(
  nodes: readonly N[],
): Map<string, { node: N; i: number }[]> {
  const uses = new Map<string, { node: N; i: number }[]>();
  for (const node of nodes) {
    node.inputs.forEach((input, i) => {
      const list = uses.get(input);
      if (list) list.push({ node, i });
      else uses.set(input, [{ node, i }]);
    });
  }
  return uses;
}

export function channels(node: EngineNode): number {
  return node.shape[node.shape.length - 1]!;
}

export function size(node: EngineNode): [number, number, number] {
  return node.shape.length === 3 ? [...node.shape] : [1, 1, node.shape[0]];
}

/** Whether a node is a map of a single band. */
export function isLine(node: EngineNode): boolean {
  return node.shape.length === 3 && node.shape[1] === 1;
}

export function area(node: EngineNode): number {
  const [t, f] = size(node);
  return t * f;
}
