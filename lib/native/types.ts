// What the addon offers, as types. It receives only plain data that was checked before: C++ does not look again.
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

/** How gathered slices are altered (lib/engine/augmentation.ts), as plain arrays. */
export interface NativeAugmentation {
  mixStarts?: Float64Array;
  mixGain?: Float32Array;
  gain?: Float32Array;
  mask?: Int16Array;
}

/** One input of {@link NativeNetwork.run}: values, or slices by their first frame in a store. */
export type NativeInput =
  | { tensor: number; values: Float32Array }
  | {
      tensor: number;
      starts: Float64Array;
      store: object;
      mean: Float32Array;
      inverseStd: Float32Array;
      augment?: NativeAugmentation;
    };

/** native/engine/adam.h. */
export interface NativeAdam {
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
  adam?: NativeAdam;
  /** By parameter offset. */
  gradients?: Float64Array;
  /** The value of tensor `output`. */
  output?: number;
  values?: Float32Array;
  carry?: NativeCarry;
}

/** What a stream keeps from slice to slice: `carriedBytes` of map rows. `filled`: by the slice `hop` frames before. */
export interface NativeCarry {
  rows: Uint8Array;
  hop: number;
  filled: boolean;
}

/** native/engine/binding.cc. Runs of one network must not overlap; their arrays must stay as they are until the end. */
export interface NativeNetwork {
  addPlan(plan: Plan, training: boolean): number;
  carriedBytes(plan: number, hop: number): number;
  run(plan: number, examples: number, inputs: NativeInput[], run: NativeRun): Promise<void>;
  /** The same on the calling thread. */
  runSync(plan: number, examples: number, inputs: NativeInput[], run: NativeRun): void;
  setParameters(flat: Float64Array): void;
  getParameters(): Float64Array;
  setMoments(m: Float64Array, v: Float64Array, steps: number): void;
  getMoments(m: Float64Array, v: Float64Array): number;
  bytes(): number;
  /** Values in a vector. */
  readonly lanes: number;
}

/** The class that the addon exports (native/frontend/feature_store_addon.cc). */
export interface NativeFeatureStore {
  read(start: number, count: number): Float32Array;
  close(): void;
}

/** The class that the addon exports (native/frontend/log_mel_addon.cc). */
export interface NativeLogMel {
  runSync(samples: Float32Array, out: Float32Array): number;
  run(samples: Float32Array, out: Float32Array, threads: number, cancel: Int32Array): Promise<number>;
}

/** The addon's functions. Internal: the public API wraps each of them. */
export interface Native {
  capabilities(): Capabilities;
  LogMel: new (frontEnd: object, isa: string) => NativeLogMel;
  FeatureStore: new (
    path: string,
    offset: number,
    frames: number,
    bands: number,
    fileBytes: number,
  ) => NativeFeatureStore;
  Network: new (
    isa: string,
    threads: number,
    maxExamples: number,
    parameters: number,
    ranges: Float64Array,
  ) => NativeNetwork;
  /** FLOP/s of nothing but multiply-adds, all threads together. */
  fmaPeak(isa: string, milliseconds: number, threads: number): Promise<number>;
  /**
   * Fills `output` with outputs of a recording (mono at 16 kHz) from `firstOutput` on; `layout.first` is the frame that
   * `layout.bytes` begins with. Resolves to -1, to the first frame that is not finite, or to -2 when `cancel[0]` was
   * set. See native/audio/convert.h.
   */
  toMono16k(
    layout: object,
    rate: number,
    output: Float32Array,
    cancel: Int32Array,
    firstOutput: number,
  ): Promise<number>;
  /** Input frames to either side of an output that it depends on. */
  resampleReach(rate: number): number;
}
