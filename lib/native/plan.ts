// What the native engine is given: tensors, layers and a list of steps in phases. Data only; native/engine/step.h has
// the C++ side of each type, native/engine/*.h the meaning of each step.

/** A map of T frames × F bands × C channels (or a vector: T = F = 1) per unit. */
export interface PlanTensor {
  t: number;
  f: number;
  c: number;
  vector: boolean;
  /** Whether bands are innermost. */
  byBands: boolean;
  /** Units per training example. */
  rows: number;
  /** Units a thread holds at a time; 0: kept for the whole batch. */
  group: number;
  /** Whether only the rows of the strip at hand are held (see {@link keepStripsOnly} in passes.ts). */
  strip: boolean;
  /** Training: the first and last phase that a kept map is needed in; -1: it has its memory to itself (lifetimes.ts). */
  from: number;
  to: number;
}

export interface PlanConv {
  dense: boolean;
  kt: number;
  kf: number;
  /** 0; the input is read as if upsampled (nearest, by 2): 1 along frames, 2 along bands. */
  upsampled: 0 | 1 | 2;
  cin: number;
  cout: number;
  /** Bands of the maps on either side (1 for dense), which decide how channels are folded into vectors. */
  fIn: number;
  fOut: number;
  byBands: boolean;
  /** Offsets into the parameters; bias -1: none. */
  weight: number;
  bias: number;
  /** Whether the gradient of its input is wanted. */
  backward: boolean;
  /** Inference: the norm whose running statistics go into weights and bias; -1: none. */
  foldedNorm: number;
  /** 0; computed for pairs of outputs along 1 frames, 2 bands (see winograd.ts). */
  winograd: 0 | 1 | 2;
  /** Whether that also holds for its weight gradient. */
  winogradWeights: boolean;
}

export interface PlanNorm {
  c: number;
  f: number;
  byBands: boolean;
  relu: boolean;
  /** Training: the convolution of one channel that it normalises (native/engine/single_channel.h), -1: none; and whether
   * that one's gradients follow from sums over its taps. */
  single: number;
  tapGradients: boolean;
  weight: number;
  bias: number;
  mean: number;
  var: number;
  /** Values per channel in one training example, and how often each stands in the map that the model describes. */
  count: number;
  copies: number;
}

/** Tensors of a step: operands x, b and g, results y and y2. */
export function tensorsOf(step: PlanStep): number[] {
  return [step.x, step.b, step.g, step.y, step.y2].filter((i) => i >= 0);
}

/** Tensor, conv and norm fields are indices, -1 where the step has none. */
export interface PlanStep {
  kind: string;
  x: number;
  b: number;
  g: number;
  y: number;
  y2: number;
  conv: number;
  norm: number;
  norm2: number;
  relu: boolean;
  accumulate: boolean;
  rows: number;
  first: number;
  weight: number;
  margin: number;
  /** Index of the loss this step adds to. */
  loss: number;
}

/** Steps done one after the other on each strip of rows, so that what passes between them stays in the L1 cache. */
export interface PlanPass {
  strips: number;
  /** What a stream may carry from slice to slice of the map that the last step makes: all but `edge` rows at either end,
   * which the zeros beyond the slice have reached. A row is `stride` frames further than the one before it; 0: nothing
   * can be carried. */
  edge: number;
  stride: number;
  steps: PlanStep[];
}

/** Work done unit by unit in parallel. Between two phases all threads meet, and batch statistics become known. */
export interface PlanPhase {
  /** Units per example, and how many a thread takes at a time. */
  rows: number;
  group: number;
  passes: PlanPass[];
  /** Norms whose forward or backward sums are complete when the phase ends. */
  statistics: number[];
  reduced: number[];
}

export interface Plan {
  tensors: PlanTensor[];
  convs: PlanConv[];
  norms: PlanNorm[];
  phases: PlanPhase[];
  /** Tensor of each input node, and of each node that can be read afterwards. */
  inputs: Record<string, number>;
  outputs: Record<string, number>;
  /** Names of the loss nodes, in the order of their indices. */
  losses: string[];
}
