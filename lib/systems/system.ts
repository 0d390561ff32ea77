// What a system is: something that is learnt from a folder of recordings without labels. One folder each, and one line
// in systems.ts. Checkpoints, resume, progress, held-out losses and warnings, the run's log and report, `audio2vec train`
// and its flags follow from what is said here; lib/train/run.ts does that work.
import type { Arrays, Batch, Losses, NetworkOptions, Optimiser } from '../engine/network.js';
import type { FeatureStore } from '../features/feature-store.js';
import type { PartialFrontEnd } from '../features/front-ends.js';
import type { ColumnSource } from '../features/store-columns.js';
import type { Graph } from '../graph/graph.js';
import type { Captions, Results } from './results.js';
import type { RunConfig, RunDefaults, RunOptions } from './run-config.js';
import type { TrainableNetwork } from './trainable-network.js';

/** What the command line says of a system. It stands in a file of its own, `description.ts`, which loads nothing else. */
export interface SystemDescription {
  /** A word in small letters: `audio2vec train NAME`. */
  name: string;
  /** One line for `--help`. */
  summary: string;
  /** Its options besides those of every run, by their names in {@link System.configure}. */
  options: Readonly<Record<string, OptionSpec>>;
  /** Where it differs from the defaults of {@link RunOptions}. */
  runDefaults?: Readonly<RunDefaults>;
}

/** `O`: options as users give them, all of them optional. `C`: the same with every default filled in, as plain JSON; a
 * run's checkpoint stores it, and the run follows from it and the recordings alone. */
export interface System<O extends RunOptions = RunOptions, C extends RunConfig = RunConfig> extends SystemDescription {
  /** Fills in defaults and checks; `ERR_ARGUMENT` names the option that is wrong. */
  configure(options: O): C;
  /** What recordings become before training. */
  features(config: C): CorpusFeatures;
  /** All that follows from the configuration and the recordings. Throws `ERR_DATASET` if there are too few or too short
   * ones. */
  prepare(config: C, corpus: Corpus): Training | Promise<Training>;
}

/** An option of a system: how the command line has it. `learnRate` is `--learn-rate`. */
export interface OptionSpec {
  kind: 'integer' | 'number' | 'text' | 'flag' | { choices: readonly string[] };
  /** With its default in brackets: `weight of the diversity loss (default: 0.1)`. */
  summary: string;
}

/** Columns of the feature store that a system trains on. */
export interface CorpusFeatures {
  frontEnd: PartialFrontEnd;
  columns?: Readonly<Record<string, ColumnSource>>;
}

/** A corpus to train on. */
export interface Corpus {
  store: FeatureStore;
  /** Folder of the recordings, if there is one. */
  folder?: string;
  signal?: AbortSignal;
}

/** A run made ready. The same configuration and corpus give the same one, and all chance comes from the seed. */
export interface Training {
  graph: Graph;
  /** Where frames are gathered from and how they are normalised. */
  network?: Pick<NetworkOptions, 'store' | 'mean' | 'std' | 'inputs'>;
  /** Examples in the largest batch; default: `batchSize`. */
  maxExamples?: number;
  /** Parameters to begin with; default: random ones by the seed. */
  initial?: Arrays;
  /** Batch by step, from 0: decided by the step alone (and the {@link Training.rounds}), asked for one step ahead. Run-time
   * scalars that change along the run are set here. `steps`: of the whole run, once that is decided. `used` is an earlier
   * batch of no more use, whose arrays may be filled again. */
  batch(step: number, steps: number | undefined, used?: Batch): Batch | Promise<Batch>;
  /** Batches that held-out losses are averaged over; empty: they are not measured. */
  heldOut: readonly Batch[];
  /** Takes a step; default: `network.step(batch, optimiser)`. For gradients that are weighed before the update. */
  step?(network: TrainableNetwork, batch: Batch, optimiser: Optimiser): Promise<Losses>;
  /** Figures beside the held-out losses, whenever those are measured: kept in the run's log and drawn in its report. */
  measure?(network: TrainableNetwork): Promise<Record<string, number>>;
  /** What the report calls losses and measured figures; default: their names. */
  captions?: Captions;
  /** What is wrong with a run that goes on, such as a codebook that collapsed; shown once for each code. Asked whenever
   * held-out losses are due; `measured` is empty where nothing is. `steps`: of the whole run, given `minutes` an estimate,
   * undefined at first. */
  warnings?(measured: Readonly<Record<string, number>>, step: number, steps: number | undefined): readonly Warning[];
  /** Every `steps` steps, and at the first, the step under way ends and `begin` is awaited before the next batch is drawn:
   * to make new training data with the network as it is. */
  rounds?: { steps: number; begin(network: TrainableNetwork, round: number): Promise<void> };
  /** What changes along the run besides the network (a replay pool, smoothed weights), as arrays for the checkpoint.
   * `getState` between two steps; `setState` before the first of a resumed run. */
  getState?(): Arrays;
  setState?(state: Arrays): void;
  /** After the last step: writes the model (and whatever belongs beside it) into the run's folder and says what came of
   * it. The network is as trained. */
  finish(network: TrainableNetwork, run: FinishedRun): Promise<Finished>;
}

export interface Warning {
  /** Stable, like `CODEBOOK_COLLAPSED`. */
  code: string;
  /** What is wrong and what to do. */
  message: string;
}

export interface FinishedRun {
  /** Folder to write into. */
  out: string;
  step: number;
  /** What a model file says about its making: system, options, corpus, steps; nothing of the clock or this machine. */
  provenance: Record<string, unknown>;
  signal?: AbortSignal;
}

export interface Finished {
  /** Name of the model file in the run's folder. */
  model: string;
  /** For the log, the command and the report. */
  results: Results;
  /** More fields of run.json, for readers of this system's own. */
  details?: Record<string, unknown>;
}
