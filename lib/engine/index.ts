// `audio2vec/engine`: the engine by itself, for networks of one's own on one's own arrays. Describe a network with
// `Graph`, run it with `Network`. docs/engine.md is its guide, examples/own-network.mjs a network from start to end.
export {
  type ConvOptions,
  Graph,
  type Init,
  type LossKind,
  type Node,
  type Op,
  type Parameter,
  type PoolMode,
  type Ref,
  type Scalar,
  type Shape,
} from '../graph/graph.js';
export { initialParameters } from '../graph/initial-parameters.js';
export type { OwnNode, OwnOperator, StepUse } from '../graph/operator.js';
export { addOperator } from '../graph/operators/index.js';
export type { PointwiseName } from '../graph/pointwise-functions.js';
export type { Axes, Padding, Window, WindowOptions } from '../graph/window.js';
export { Audio2VecError, type ErrorCode } from '../util/errors.js';
export { readWeights, type WeightFile, writeWeights } from '../util/weights.js';
export { clipGradients } from './clip-gradients.js';
export {
  type Arrays,
  type Batch,
  type BatchInput,
  type FrameSource,
  type GradientOptions,
  type Gradients,
  type InputSource,
  type Losses,
  Network,
  type NetworkOptions,
  type NetworkState,
} from './network.js';
export type { AdamOptions, Optimiser, SgdOptions } from './optimiser.js';
export type { Rewrite } from './rewrites/rewrite.js';
