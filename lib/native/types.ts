// What the addon offers, as types. It receives only plain data that was checked before: C++ does not look again.
import type { PlanFormat } from './check-build.js';
import type { Plan } from './plan.js';

/** What this machine and build offer. */
export interface Capabilities {
  /** The instruction set in use: the best available, or what `AUDIO2VEC_ISA` names. */
  isa: string;
  /** All that could be used here, best first. `float64` is for checking gradients. */
  available: string[];
  /** float32 values in a vector of `isa`. */
  lanes: number;
}

/** How gathered slices are augmented (lib/engine/augmentation.ts), as plain arrays. */
export interface NativeAugmentation {
  mixStarts?: Float64Array;
  mixGain?: Float32Array;
  gain?: Float32Array;
  mask?: Int16Array;
}

/** One input of {@link NativeNetwork.run}: values, or slices by their first frame in a store. */
export type NativeInput = { tensor: number; values: Float32Array } | NativeFrames;

export interface NativeFrames {
  tensor: number;
  /** In a slice. */
  frames: number;
  starts: Float64Array;
  store: object;
  mean: Float32Array;
  inverseStd: Float32Array;
  augment?: NativeAugmentation;
}

/** native/engine/optimizers.h. */
export interface NativeUpdate {
  /** `sgd` takes its momentum from `beta1`. */
  rule: 'adam' | 'sgd';
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
}

/** What a run does besides the plan, and the arrays that it fills. */
export interface NativeRun {
  /** One value for each loss of the plan. */
  losses: Float64Array;
  /** Run-time scalars, in the plan's order; default: what the plan says. */
  scalars?: Float64Array;
  /** By parameter offset. */
  gradients?: Float64Array;
  /** Arrays that get the values of tensors. */
  outputs?: { tensor: number; values: Float32Array }[];
  /** The update that follows. */
  update?: NativeUpdate;
  cache?: NativeRowCache;
}

/** What a stream keeps from slice to slice: `cachedBytes` of map rows. `filled`: by the slice `hop` frames before. */
export interface NativeRowCache {
  rows: Uint8Array;
  hop: number;
  filled: boolean;
}

/** native/addon/network_addon.cc. Runs of one network must not overlap; their arrays must stay as they are until the end. */
export interface NativeNetwork {
  addPlan(plan: Plan, training: boolean): number;
  /** Gives its memory back; a later plan may get its number. */
  removePlan(plan: number): void;
  cachedBytes(plan: number, hop: number): number;
  run(plan: number, examples: number, inputs: NativeInput[], run: NativeRun): Promise<void>;
  /** The same on the calling thread. */
  runSync(plan: number, examples: number, inputs: NativeInput[], run: NativeRun): void;
  setParameters(flat: Float64Array): void;
  getParameters(): Float64Array;
  setGradients(flat: Float64Array): void;
  close(): void;
  setMoments(m: Float64Array, v: Float64Array, steps: number): void;
  getMoments(m: Float64Array, v: Float64Array): number;
  bytes(): number;
  /** Values in a vector. */
  readonly lanes: number;
}

/** The class that the addon exports (native/addon/feature_store_addon.cc). */
export interface NativeFeatureStore {
  read(start: number, count: number): Float32Array;
  /** In all frames together; 0 when closed. */
  readonly values: number;
  close(): void;
}

/** A front end's class: native/addon/log_mel_addon.cc, cqt_addon.cc. Results are the states that lib/features/front-end.ts
 * names. */
export interface NativeFrontEnd {
  /** Samples → `out` `[frames, width]`, on the calling thread. */
  runSync(samples: Float32Array, out: Float32Array): number;
  /** The same off the event loop, on so many threads, with the same bits; `cancel[0]` becomes 1 when it is to stop. */
  run(samples: Float32Array, out: Float32Array, threads: number, cancel: Int32Array): Promise<number>;
  /** Vector-Jacobian product: d loss / d features `[frames, width]` → `out`, d loss / d samples `[samples]`. */
  gradientSync?(samples: Float32Array, gradient: Float32Array, out: Float32Array): number;
  gradient?(
    samples: Float32Array,
    gradient: Float32Array,
    out: Float32Array,
    threads: number,
    cancel: Int32Array,
  ): Promise<number>;
}

export type NativeLogMel = Required<NativeFrontEnd>;
export type NativeCqt = NativeFrontEnd;

export interface NativeCqtStream {
  reset(): void;
  /** Returns the frames written, -1 if a value is not finite. */
  push(samples: Float32Array, out: Float32Array): number;
  pushSilence(count: number, out: Float32Array): number;
}

/** The class that the addon exports (native/addon/pseudo_labels_addon.cc). */
export interface NativePseudoLabels {
  run(samples: Float32Array, out: Float32Array | Float64Array, threads: number, cancel: Int32Array): Promise<number>;
}

/** Utterances for native/synthesis, one after the other in each array. */
export interface NativeTracts {
  isa: string;
  /** Samples from frame to frame. */
  hop: number;
  sampleRate: number;
  /** `[frames of all, 16]`, see `TractControl` in native/synthesis/vocal_tract.h. */
  frames: Float32Array;
  /** For each: frames, samples, steps a second, reflection at glottis and lips, loss, seed, values of excitation. */
  tracts: Float64Array;
  excitation: Float32Array;
  /** One for each. */
  out: Float32Array[];
}

/** The addon's functions. Internal: the public API wraps each of them. */
export interface Native {
  capabilities(): Capabilities;
  planFormat: PlanFormat;
  /** As lib/native/constants.ts has them, and the steps that can work on some rows of a map. */
  constants: Readonly<Record<string, number | readonly string[]>>;
  stepsByRows: readonly string[];
  LogMel: new (frontEnd: object, isa: string) => NativeLogMel;
  Cqt: new (filters: object, isa: string) => NativeCqt;
  CqtStream: new (cqt: NativeCqt) => NativeCqtStream;
  /** Window, corner frequencies and mel weights of a log-mel front end (lib/features/log-mel-tables.ts). */
  logMelTables(frontEnd: object): { window: Float64Array; corners: Float64Array; weights: Float64Array };
  /** A column of a store: of an open file by its descriptor, or of the file that another column belongs to. */
  PseudoLabels: new (
    frontEnd: object,
    isa: string,
  ) => NativePseudoLabels;
  FeatureStore: new (
    file: number | NativeFeatureStore,
    offset: number,
    frames: number,
    width: number,
    fileBytes: number,
  ) => NativeFeatureStore;
  Network: new (
    isa: string,
    threads: number,
    maxExamples: number,
    parameters: number,
    ranges: Float64Array,
  ) => NativeNetwork;
  /** Fills `out`; its content is unfinished when `cancel[0]` was set. */
  vocalTract(tracts: NativeTracts, threads: number, cancel: Int32Array): Promise<void>;
  vocalTractSync(tracts: NativeTracts): void;
  /** FLOP/s of nothing but multiply-adds, all threads together. */
  fmaPeak(isa: string, milliseconds: number, threads: number): Promise<number>;
  /**
   * Fills `output` with outputs of a recording (mono at `target` Hz) from `firstOutput` on; `layout.first` is the frame that
   * `layout.bytes` begins with. Resolves to -1, to the first frame that is not finite, or to -2 when `cancel[0]` was
   * set. See native/audio/convert.h.
   */
  toMono(
    layout: object,
    rate: number,
    output: Float32Array,
    cancel: Int32Array,
    firstOutput: number,
    target: number,
  ): Promise<number>;
  /** {@link toMono} on the calling thread. */
  toMonoSync(
    layout: object,
    rate: number,
    output: Float32Array,
    cancel: Int32Array,
    firstOutput: number,
    target: number,
  ): number;
  /** Input frames to either side of an output that it depends on. */
  resampleReach(rate: number, target: number): number;
  /** Distorts rows `[count]` of `samples`, one request `[kind, level, seed, in, other or -1, out]` after the other, see
   * native/distortion/distortion.h. */
  distort(samples: Float32Array, count: number, rate: number, requests: Float64Array): Promise<void>;
  /** C = A·B, or C += A·B with `add`: A is `[m, k]`, its element (i, j) `a[i * aRow + j * aColumn]`, B `[k, n]` likewise, C
   * has rows `cRow` apart. On the calling thread; sizes are not checked. See native/matrix/product.h. */
  matrixProduct(
    m: number,
    n: number,
    k: number,
    a: Float64Array,
    aRow: number,
    aColumn: number,
    b: Float64Array,
    bRow: number,
    bColumn: number,
    c: Float64Array,
    cRow: number,
    add: boolean,
  ): void;
}
