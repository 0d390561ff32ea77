// A run of any system: recordings and a configuration in, a folder with a model out. The folder is locked, features are
// computed once and kept, and what is interrupted goes on with the same bits.
import { createHash } from 'node:crypto';
import { mkdir, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Arrays } from '../engine/network.js';
import { type BuiltFeatureStore, buildFeatureStore, type FeatureStoreOptions } from '../features/feature-build.js';
import type { FeatureStore } from '../features/feature-store.js';
import { initialParameters } from '../graph/initial-parameters.js';
import { chanceLosses } from '../graph/losses.js';
import { native } from '../native/addon.js';
import { AveragingNetwork, Common } from '../parallel/averaging-network.js';
import { alone, checkSame, FailedElsewhere, inTurn, onFirst, type Ranks } from '../parallel/ranks.js';
import { sharedTraining, shareOf } from '../parallel/share.js';
import { checkBy, checkTraining } from '../systems/check-system.js';
import { resultsSchema } from '../systems/results.js';
import { checkRunConfig, type RunConfig } from '../systems/run-config.js';
import { runFiles } from '../systems/run-files.js';
import type { Corpus, Finished, System, Training, Warning } from '../systems/system.js';
import { type NetworkFactory, nativeNetwork, type TrainableNetwork } from '../systems/trainable-network.js';
import { checkBoolean, checkFunction, checkNumber, checkObject } from '../util/arguments.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { removeLeftovers } from '../util/leftovers.js';
import { pathExists, readWholeFile } from '../util/read-file.js';
import { type Checkpoint, parseCheckpoint, restoreNetwork, saveCheckpoint } from './checkpoint.js';
import { type CorpusFacts, corpusFacts } from './corpus.js';
import { curve, emptyHistory } from './history.js';
import { type Step, trainLoop } from './loop.js';
import { extend, type RunLength } from './run-length.js';
import { lockRun } from './run-lock.js';
import { ownFields, type RunLog, readRunLog, writeRunLog } from './run-log.js';
import { StepLog } from './step-log.js';

/** What a run needs besides its configuration. */
export interface Surroundings {
  /** A folder of recordings, whose features are then computed once and kept in `out`; or features from elsewhere. */
  corpus: string | FeatureStore;
  /** Folder of the run; created. {@link runFiles} has the names of what is in it; the model comes last. */
  out: string;
  /** Called for each recording while the features of a folder are computed. */
  onFile?: FeatureStoreOptions['onProgress'];
  /** Called when the features of a folder are there; `store.bad` lists the recordings that cannot be used. */
  onCorpus?: (corpus: BuiltFeatureStore) => void;
  /** Ends training after the step under way, saved. */
  signal?: AbortSignal;
  /** Seconds from one checkpoint to the next. Default 60. */
  checkpointSeconds?: number;
  /** Also write event files for TensorBoard, into the folder `tensorboard` of `out`. */
  tensorboard?: boolean;
  /** The engine; default: the native one. */
  createNetwork?: NetworkFactory;
  /** Processes that train this run together, each of which makes the same call (`joinRanks`): every batch is shared out
   * among them, and rank 0 writes. Default: this one alone. */
  ranks?: Ranks;
}

/** Their names. */
export const surroundings: readonly (keyof Surroundings)[] = [
  ...(['corpus', 'out', 'onFile', 'onCorpus', 'signal', 'checkpointSeconds', 'tensorboard'] as const),
  ...(['createNetwork', 'ranks'] as const),
];

/** Throws `ERR_ARGUMENT` for a corpus or a folder that cannot be one, or another member that is wrong; functions to be called
 * back and the signal have been checked as options are. */
export function checkSurroundings({ corpus, out, ...others }: Surroundings): void {
  const isStore = typeof corpus === 'object' && corpus !== null && 'clipStarts' in corpus && 'mean' in corpus;
  if (!isStore && (typeof corpus !== 'string' || corpus === '')) {
    throw argumentError('corpus', 'a folder of recordings or a feature store', corpus);
  }
  if (typeof out !== 'string' || out === '') throw argumentError('out', 'a folder for the run', out);
  const { checkpointSeconds, tensorboard, createNetwork, ranks } = others;
  if (checkpointSeconds !== undefined) checkNumber('checkpointSeconds', checkpointSeconds, 0);
  if (tensorboard !== undefined) checkBoolean('tensorboard', tensorboard);
  if (createNetwork !== undefined) checkFunction('createNetwork', createNetwork);
  if (ranks !== undefined) checkObject('ranks', ranks);
}

/** What a checkpoint remembers of its run. */
export interface StoredRun {
  /** Absent: `audio2vec`. */
  system?: string;
  config: RunConfig;
  corpus: CorpusFacts;
  /** Processes that trained together last. Absent: one. */
  ranks?: number;
}

/** Begins a run of `system`.
 * @param resumeHint what to tell a user whose run was interrupted: how to go on */
export async function* startRun(
  system: System,
  config: RunConfig,
  around: Surroundings,
  resumeHint: string,
): AsyncGenerator<Step, void> {
  const { ranks = alone } = around;
  const checkNew = () =>
    onFirst(ranks, async () => {
      if (await pathExists(join(around.out, runFiles.checkpoint))) throw holdsRun(around.out);
    });
  await checkNew();
  yield* locked(around, system.features(config), async function* (corpus) {
    await checkNew(); // since we looked
    const run = await prepare(system, config, corpus, around);
    const state = run.network.getState();
    state.params = run.training.initial ?? initialParameters(run.training.graph, config.seed);
    run.network.setState(state);
    const stored: StoredRun = { ...named(system), config, corpus: run.facts, ...counted(ranks) };
    const progress = { step: 0, steps: config.steps, state, history: emptyHistory(), run: { ...stored } };
    yield* train(run, progress, around, resumeHint);
  });
}

/** Continues the run in `out` where its checkpoint stands. The result has the same bits as if it had never stopped.
 * @param systemOf the system of the run; throws if it isn't one that can be continued */
export async function* resumeRun(
  systemOf: (stored: StoredRun, file: string) => System | Promise<System>,
  around: Surroundings & RunLength,
  resumeHint: string,
): AsyncGenerator<Step, void> {
  const file = join(around.out, runFiles.checkpoint);
  const { ranks = alone } = around;
  const load = async () => {
    const progress = parseCheckpoint(await fromFirst(ranks, () => readCheckpoint(around.out)), file);
    const stored = progress.run as unknown as StoredRun;
    if (!stored.config?.schedule || !stored.corpus) {
      throw new Audio2VecError('ERR_MODEL_FORMAT', `${file} is not the checkpoint of a training run.`);
    }
    try {
      checkRunConfig(stored.config);
    } catch (cause) {
      const message = `${file} is not the checkpoint of a training run: ${(cause as Error).message}`;
      throw new Audio2VecError('ERR_MODEL_FORMAT', message, { cause });
    }
    const system = await systemOf(stored, file);
    extend(progress, stored.config, around);
    return { ...stored, progress, system };
  };
  const first = await load(); // what is wrong is told before the corpus is read
  yield* locked(around, first.system.features(first.config), async function* (store) {
    const { progress, system, config, corpus } = await load(); // it may have moved on before it was ours
    const run = await prepare(system, config, store, around);
    if (run.facts.fingerprint !== corpus.fingerprint) {
      throw new Audio2VecError(
        'ERR_DATASET',
        `The corpus is not the one the run in ${around.out} began with (${corpus.clips} clips then, ${run.facts.clips} now, ` +
          'or other contents). Restore it, or start a new run.',
      );
    }
    restoreNetwork(run.network, progress, file);
    if (progress.extra) run.training.setState?.(progress.extra);
    const before = (progress.run as unknown as StoredRun).ranks ?? 1;
    const { ranks: _, ...stored } = progress.run;
    progress.run = { ...stored, ...counted(ranks) };
    const warning = before === ranks.size ? undefined : otherRanks(before, ranks, config);
    yield* train(run, progress, around, resumeHint, warning);
  });
}

function holdsRun(out: string): Audio2VecError {
  return argumentError('out', 'a folder without a run in it (resume that one, or choose another)', out);
}

/** A checkpoint, a log or a model of a single process says nothing of ranks. */
const counted = ({ size }: Ranks) => (size === 1 ? {} : { ranks: size });

function otherRanks(before: number, { size }: Ranks, { batchSize }: RunConfig): Warning {
  const shares = (n: number) => `${n} × ${Math.floor(batchSize / n)}${batchSize % n ? ' or one more' : ''}`;
  const message =
    `This run goes on with another number of processes: ${shares(size)} examples a step instead of ${shares(before)}. ` +
    'Batches are drawn anew from here on, and batch norms and comparisons within a batch see the examples of one process.';
  return { code: 'RANKS_CHANGED', message };
}

async function readCheckpoint(out: string): Promise<Buffer> {
  const file = join(out, runFiles.checkpoint);
  if (await pathExists(file)) return readWholeFile(file);
  throw new Audio2VecError(
    'ERR_FILE',
    `There is no run to continue in ${out}: none was begun there, or it was stopped before its first step. Begin it as a new ` +
      'one (on the command line without --resume).',
  );
}

/** Bytes that rank 0 reads. */
async function fromFirst(ranks: Ranks, read: () => Promise<Buffer>): Promise<Buffer> {
  let bytes: Buffer = Buffer.alloc(0);
  await onFirst(ranks, async () => {
    bytes = await read();
  });
  return Buffer.from(await ranks.broadcast(bytes));
}

const named = ({ name }: { name: string }) => (name === 'audio2vec' ? {} : { system: name });

/** {@link withCorpus} while nobody else works in the run's folder. */
async function* locked(
  around: Surroundings,
  features: ReturnType<System['features']>,
  work: (corpus: LocalCorpus) => AsyncGenerator<Step>,
): AsyncGenerator<Step> {
  const { ranks = alone, out } = around;
  let made: string | undefined;
  let unlock = async () => {};
  try {
    await onFirst(ranks, async () => {
      made = await mkdir(out, { recursive: true }).catch((cause) => {
        throw new Audio2VecError('ERR_FILE', `Cannot make the folder ${out}: ${cause.message}.`, { cause });
      });
      unlock = await lockRun(out);
      await removeLeftovers(out);
    });
    yield* withCorpus(around, features, work);
  } finally {
    await unlock();
    if (made !== undefined) await rmdir(out).catch(() => {}); // nothing came of it: nothing is left behind
  }
}

interface LocalCorpus extends Corpus {
  /** Recordings of the folder that could not be used. */
  skipped?: number;
}

/** Trains on the corpus; one that is opened here is closed in the end. */
async function* withCorpus(
  around: Surroundings,
  features: ReturnType<System['features']>,
  work: (corpus: LocalCorpus) => AsyncGenerator<Step>,
): AsyncGenerator<Step> {
  const { corpus, out, signal, onFile, onCorpus, ranks = alone } = around;
  if (typeof corpus !== 'string') {
    yield* work({ store: corpus, signal });
    return;
  }
  const options = { ...features, signal, onProgress: onFile };
  const built = await inTurn(ranks, () => buildFeatureStore(corpus, join(out, runFiles.features), options));
  try {
    onCorpus?.(built);
    yield* work({ store: built.store, folder: corpus, skipped: built.store.bad.length, signal });
  } finally {
    built.store.close();
  }
}

/** All that follows from the configuration and the corpus. */
interface Run {
  system: { name: string };
  config: RunConfig;
  facts: CorpusFacts;
  training: Training;
  /** As the loop trains it; with other ranks it averages. */
  network: TrainableNetwork;
  /** The engine itself. */
  own: TrainableNetwork;
  /** Examples in a batch of this rank. */
  examples: number;
  /** Absent: this process is alone. */
  common?: Common;
}

async function prepare(
  system: System,
  config: RunConfig,
  corpus: LocalCorpus,
  { createNetwork = nativeNetwork, ranks = alone, signal }: Surroundings,
): Promise<Run> {
  const examples = shareOf(config.batchSize, ranks);
  const prepared = await system.prepare({ ...config, batchSize: examples }, corpus);
  checkTraining(prepared, system.name);
  const training = sharedTraining(prepared, ranks);
  const { graph, maxExamples = examples } = training;
  const own = createNetwork(graph, { ...training.network, maxExamples, threads: config.threads });
  const facts = { ...corpusFacts(corpus.store, corpus.folder), skipped: corpus.skipped };
  const run: Run = { system, config, facts, training, network: own, own, examples };
  if (ranks.size === 1) return run;
  const { threads: _, ...options } = config; // which may differ
  const all = { ...options, recordings: facts.fingerprint, 'instruction set': native.capabilities().isa };
  await checkSame(ranks, all, sameness);
  run.common = new Common({ ranks, examples, total: config.batchSize, signal });
  run.network = new AveragingNetwork(own, run.common);
  return run;
}

function digest(arrays: Arrays): string {
  const hash = createHash('sha256');
  for (const array of arrays.values()) hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  return hash.digest('hex').slice(0, 16);
}

const sameness = {
  recordings: 'All machines must see the same recordings, with the same names.',
  weights: 'They must stay the same: is a machine at fault? The last checkpoint is from before.',
  'instruction set': 'Set AUDIO2VEC_ISA for all to one that all have (audio2vec info lists them).',
};

async function* train(
  run: Run,
  progress: Checkpoint,
  around: Surroundings,
  resumeHint: string,
  warning?: Warning,
): AsyncGenerator<Step, void> {
  const { system, config, facts, training, network, own, examples, common } = run;
  const { out, ranks = alone } = around;
  await common?.mean([]); // the clock of rank 0
  const signal = common?.signal ?? around.signal;
  const writes = ranks.rank === 0;
  const began = performance.now();
  let ended: number | undefined;
  const steps = writes ? await StepLog.open(out, progress.step, around.tensorboard) : undefined;
  const before = progress.step > 0 ? await readRunLog(out).catch(() => undefined) : undefined;
  const log = (status: RunLog['status'], more: Partial<RunLog<RunConfig>> = {}): Promise<void> =>
    writeRunLog(out, {
      status,
      ...named(system),
      config,
      corpus: facts,
      ...counted(ranks),
      step: progress.step,
      steps: progress.steps,
      seconds: (before?.seconds ?? 0) + ((ended ?? performance.now()) - began) / 1000,
      losses: Object.fromEntries(Object.entries(progress.history.losses).map(([name, l]) => [name, curve(l)])),
      heldOut: progress.history.heldOut,
      chance: chanceLosses(training.graph.nodes, examples),
      captions: training.captions,
      ...more,
    });

  try {
    const loop = trainLoop({
      ...{ network, config, training, progress, signal, now: common?.now },
      onStep: (step) => steps?.add(step),
      save: async () => {
        if (common) await checkSame(ranks, { weights: digest(progress.state.params) }, sameness);
        if (!writes) return;
        await steps?.flush();
        await saveCheckpoint(join(out, runFiles.checkpoint), progress, training.graph.params);
        await log(signal?.aborted ? 'interrupted' : 'running');
      },
      saveEvery: around.checkpointSeconds ?? 60,
      together: common !== undefined,
      whenInterrupted: `It is saved. Continue with ${resumeHint}, or add --resume to the command.`,
    });
    const first = warning && (await loop.next());
    if (first && !first.done) {
      const step: Step = first.value;
      yield { ...step, warnings: [warning, ...(step.warnings ?? [])] };
    }
    yield* loop;
  } catch (error) {
    // All ranks have the same losses, and rank 0 tells.
    const { code, message } = error as Audio2VecError;
    throw code === 'ERR_DIVERGED' && !writes ? new FailedElsewhere(code, message) : error;
  } finally {
    await steps?.flush(); // also of a run that failed
  }
  ended = performance.now();
  await onFirst(ranks, async () => {
    const finished: unknown = await training.finish(own, {
      ...{ out, step: progress.step, signal: around.signal },
      provenance: { ...named(system), ...provenance(config, facts), ...counted(ranks), steps: progress.step },
    });
    const { model, results, details } = await checkFinished(out, finished, system.name);
    await log('finished', { model, results, ...details });
  });
}

/** Throws `ERR_ARGUMENT` unless `finish` of a system says what came of it and has written the model that it names. */
async function checkFinished(out: string, finished: unknown, system = 'audio2vec'): Promise<Finished> {
  const of = `what finish of the system ${system} gives`;
  checkObject(of, finished);
  const { model, results, details = {} } = finished as Partial<Finished>;
  checkBy(resultsSchema, `results of ${of}`, results);
  checkBy(z.looseObject({}), `details of ${of}`, details);
  const taken = Object.keys(details).find((field) => ownFields.includes(field));
  if (taken !== undefined) throw argumentError(`details of ${of}`, 'fields that the log of a run has not', taken);
  const found = typeof model === 'string' && (await stat(join(out, model)).catch(() => undefined));
  if (!found) throw argumentError(`model of ${of}`, `a file that it wrote into ${out}`, model);
  return finished as Finished;
}

/** What the model file says about its making: nothing of the clock or of this machine, so that equal runs make equal
 * files. */
function provenance(config: RunConfig, { clips, hours, fingerprint }: CorpusFacts): Record<string, unknown> {
  const { threads: _, minutes: __, ...rest } = config;
  return { ...rest, corpus: { clips, hours, fingerprint } };
}
