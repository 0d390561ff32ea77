// Loads the C++ addon and types it. Everything native passes through here; callers check their arguments first, so
// that C++ receives only valid plain data.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NativeAugmentation } from './engine/augmentation.js';
import type { AdamOptions } from './engine/network.js';
import type { Plan } from './engine/plan.js';
import { Audio2VecError } from './errors.js';
import type { NativeFeatureStore } from './feature-store.js';
import type { NativeLogMel } from './log-mel.js';
import type { FrontEndConfig } from './model/front-end-config.js';

/** What this machine and build offer. */
export interface Capabilities {
  /** The instruction set in use: the best available, or what `AUDIO2VEC_ISA` names. */
  isa: string;
  /** All that could be used here, best first. `float64` is for checking gradients. */
  available: string[];
  /** float32 values in a vector of `isa`. */
  lanes: number;
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

/** What a run does besides the plan, and the arrays that it fills. */
export interface NativeRun {
  /** One value for each loss of the plan. */
  losses: Float64Array;
  adam?: Required<AdamOptions>;
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

/** The addon's functions. Internal: the public API wraps each of them. */
export interface Native {
  capabilities(): Capabilities;
  LogMel: new (frontEnd: FrontEndConfig, isa: string) => NativeLogMel;
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
   * Fills `output` with the recording as mono at 16 kHz. Resolves to -1, to the first frame that is not finite, or to
   * -2 when `cancel[0]` was set. See native/audio/convert.h.
   */
  toMono16k(layout: object, rate: number, output: Float32Array, cancel: Int32Array): Promise<number>;
}

// From lib/ (tests) and from dist/ the package root is one level up.
const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function load(): Native {
  const require = createRequire(import.meta.url);
  const candidates = [
    process.env.AUDIO2VEC_ADDON,
    join(root, 'build', 'Release', 'audio2vec.node'),
    join(root, 'build', 'Debug', 'audio2vec.node'),
  ].filter((path) => path !== undefined);
  const tried: string[] = [];
  for (const path of candidates) {
    try {
      return require(path) as Native;
    } catch (error) {
      tried.push(`  ${path}: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  throw new Audio2VecError(
    'ERR_NATIVE_ADDON',
    `The audio2vec addon could not be loaded on ${process.platform}-${process.arch}, Node ${process.version}. Tried:\n` +
      `${tried.join('\n')}\n` +
      'Build it with "npm rebuild audio2vec" (in a checkout: "npm run build:native"); where npm blocks install ' +
      'scripts, allow it first with "npm install-scripts approve audio2vec". That needs CMake 3.18 or newer ' +
      'and a C++17 compiler: on Debian and Ubuntu "apt-get install cmake g++", on macOS "xcode-select --install" and "brew install cmake".',
  );
}

export const native: Native = load();

const asked = process.env.AUDIO2VEC_ISA;
if (asked && !native.capabilities().available.includes(asked)) {
  throw new Audio2VecError(
    'ERR_ISA',
    `AUDIO2VEC_ISA is ${JSON.stringify(asked)}, but here there is only ${native.capabilities().available.join(', ')}. Unset it or name one of these.`,
  );
}

/** What this machine and build offer. */
export function capabilities(): Capabilities {
  return native.capabilities();
}
