// What the native engine is given: tensors, layers and a list of steps in phases. Data only. The records are those of
// native/engine/plan_spec.h, field by field, which is checked when the addon loads (check-build.ts); native/engine/*.h has the meaning of
// each step.

/** A map of T frames × F bands × C channels (or a vector: T = F = 1) per unit. */
export interface PlanTensor {
  t: number;
  f: number;
  c: number;
  vector: boolean;
  /** Whether bands are innermost. */
  planar: boolean;
  /** Whether neighbouring bands of few channels may share a vector. */
  folded: boolean;
  /** Units per training example. */
  rows: number;
  /** Units a thread holds at a time; 0: saved for the whole batch. */
  group: number;
  /** Whether only the rows of the strip at hand are held (see `keepStripsOnly` in lib/engine/passes.ts). */
  strip: boolean;
  /** Training: the first and last phase that a saved map is needed in; -1: it has its memory to itself
   * (lib/engine/live-ranges.ts). */
  from: number;
  to: number;
}

/** {@link PlanConv.kind}: ConvKind in native/engine/step.h. */
export const convKinds = ['taps', 'dense', 'window', 'depthwise'] as const;

export interface PlanConv {
  /** Index into {@link convKinds}. */
  kind: number;
  kt: number;
  kf: number;
  strideT: number;
  strideF: number;
  dilationT: number;
  dilationF: number;
  padT: number;
  padF: number;
  /** 0; the input is read as if upsampled (nearest, by 2): 1 along frames, 2 along bands. */
  upsampled: 0 | 1 | 2;
  cin: number;
  cout: number;
  /** Bands of the maps on either side (1 for dense), which decide how channels are folded into vectors. */
  fIn: number;
  fOut: number;
  /** As the maps on either side. */
  planar: boolean;
  folded: boolean;
  /** Offsets into the parameters; bias -1: none. */
  weight: number;
  bias: number;
  /** Whether the gradient of its input is wanted. */
  backward: boolean;
  /** Inference: the norm whose running statistics go into weights and bias; -1: none. */
  foldedNorm: number;
  /** 0; computed for pairs of outputs along 1 frames, 2 bands (see lib/engine/winograd.ts). */
  winograd: 0 | 1 | 2;
  /** Whether that also holds for its weight gradient. */
  winogradWeights: boolean;
}

export interface PlanNorm {
  c: number;
  f: number;
  planar: boolean;
  folded: boolean;
  relu: boolean;
  /** Training: by running statistics, which stay as they are. */
  running: boolean;
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

/** Working memory of a batch-coupled loss, in values: for each thread, each example, each pair of examples. */
export interface PlanScratch {
  perThread: number;
  perExample: number;
  perPair: number;
}

/** Tensor, conv, norm, loss, scratch and scalar fields are indices, -1 where the step has none. */
export interface PlanStep {
  kind: string;
  /** Operands (g: a gradient) and results. */
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
  /** Units or channels of an operand, where an operator picks some of them. */
  rows: number;
  first: number;
  count: number;
  /** Window of a pool, factors of an upsampling. */
  kt: number;
  kf: number;
  strideT: number;
  strideF: number;
  padT: number;
  padF: number;
  /** Index of the loss this step adds to. */
  loss: number;
  scratch: number;
  /** Run-time scalar that `weight` or `number` is multiplied with. */
  scalar: number;
  /** Weight of a loss. */
  weight: number;
  /** The operator's constant: a margin, a length, a slope. */
  number: number;
}

/** A step that does nothing yet. */
export const emptyStep: PlanStep = {
  kind: '',
  x: -1,
  b: -1,
  g: -1,
  y: -1,
  y2: -1,
  conv: -1,
  norm: -1,
  norm2: -1,
  relu: false,
  accumulate: false,
  rows: 1,
  first: 0,
  count: 0,
  kt: 1,
  kf: 1,
  strideT: 1,
  strideF: 1,
  padT: 0,
  padF: 0,
  loss: -1,
  scratch: -1,
  scalar: -1,
  weight: 0,
  number: 0,
};

/** Tensors of a step: operands x, b and g, results y and y2. */
export function tensorsOf(step: PlanStep): number[] {
  return [step.x, step.b, step.g, step.y, step.y2].filter((i) => i >= 0);
}

/** Steps done one after the other on each strip of rows, so that what passes between them stays in the L1 cache. */
export interface PlanPass {
  strips: number;
  /** What a stream may cache from slice to slice of the map that the last step makes: all but `edge` rows at either end,
   * which the zeros beyond the slice have reached. A row is `stride` frames further than the one before it; 0: nothing
   * can be cached. */
  edge: number;
  stride: number;
  steps: PlanStep[];
}

/** Work done unit by unit in parallel. Between two phases is a barrier, at which batch statistics become known. */
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
  scratches: PlanScratch[];
  /** Run-time scalars: what they are unless a run says otherwise. */
  scalars: { name: string; value: number }[];
  /** Tensor of each input node, and of each node that can be read afterwards. */
  inputs: Record<string, number>;
  outputs: Record<string, number>;
  /** Names of the loss nodes, in the order of their indices. */
  losses: string[];
}
