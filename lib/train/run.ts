// A run of any system: recordings and a configuration in, a folder with a model out. The folder is locked, features are
// computed once and kept, and what is interrupted goes on with the same bits.
import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuiltFeatureStore, buildFeatureStore, type FeatureStoreOptions } from '../features/feature-build.js';
import type { FeatureStore } from '../features/feature-store.js';
import { initialParameters } from '../graph/initial-parameters.js';
import type { RunConfig } from '../systems/run-config.js';
import { runFiles } from '../systems/run-files.js';
import type { Corpus, System, Training } from '../systems/system.js';
import { type NetworkFactory, nativeNetwork, type TrainableNetwork } from '../systems/trainable-network.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { pathExists } from '../util/read-file.js';
import { type Checkpoint, loadCheckpoint, restoreNetwork, saveCheckpoint } from './checkpoint.js';
import { type CorpusFacts, corpusFacts } from './corpus.js';
import { curve, emptyHistory } from './history.js';
import { type Step, trainLoop } from './loop.js';
import { extend, type RunLength } from './run-length.js';
import { lockRun } from './run-lock.js';
import { type RunLog, readRunLog, writeRunLog } from './run-log.js';

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
  /** The engine; default: the native one. */
  createNetwork?: NetworkFactory;
}

/** What a checkpoint remembers of its run. */
export interface StoredRun {
  /** Absent: `audio2vec`. */
  system?: string;
  config: RunConfig;
  corpus: CorpusFacts;
}

/** Begins a run of `system`.
 * @param resumeHint what to tell a user whose run was interrupted: how to go on */
export async function* startRun(
  system: System,
  config: RunConfig,
  around: Surroundings,
  resumeHint: string,
): AsyncGenerator<Step, void> {
  const checkpoint = join(around.out, runFiles.checkpoint);
  if (await pathExists(checkpoint)) throw holdsRun(around.out);
  yield* locked(around, system.features(config), async function* (corpus) {
    if (await pathExists(checkpoint)) throw holdsRun(around.out); // since we looked
    const run = await prepare(system, config, corpus, around);
    const state = run.network.getState();
    state.params = run.training.initial ?? initialParameters(run.training.graph, config.seed);
    run.network.setState(state);
    const stored: StoredRun = { ...named(system), config, corpus: run.facts };
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
  const load = async () => {
    const progress = await loadCheckpoint(file);
    const stored = progress.run as unknown as StoredRun;
    if (!stored.config?.schedule || !stored.corpus) {
      throw new Audio2VecError('ERR_MODEL_FORMAT', `${file} is not the checkpoint of a training run.`);
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
    yield* train(run, progress, around, resumeHint);
  });
}

function holdsRun(out: string): Audio2VecError {
  return argumentError('out', 'a folder without a run in it (resume that one, or choose another)', out);
}

const named = ({ name }: { name: string }) => (name === 'audio2vec' ? {} : { system: name });

/** {@link withCorpus} while nobody else works in the run's folder. */
async function* locked(
  around: Surroundings,
  features: ReturnType<System['features']>,
  work: (corpus: LocalCorpus) => AsyncGenerator<Step>,
): AsyncGenerator<Step> {
  const made = await mkdir(around.out, { recursive: true }).catch((cause) => {
    throw new Audio2VecError('ERR_FILE', `Cannot make the folder ${around.out}: ${cause.message}.`, { cause });
  });
  const unlock = await lockRun(around.out);
  try {
    yield* withCorpus(around, features, work);
  } finally {
    await unlock();
    if (made !== undefined) await rmdir(around.out).catch(() => {}); // nothing came of it: nothing is left behind
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
  const { corpus, out, signal, onFile, onCorpus } = around;
  if (typeof corpus !== 'string') {
    yield* work({ store: corpus, signal });
    return;
  }
  const options = { ...features, signal, onProgress: onFile };
  const built = await buildFeatureStore(corpus, join(out, runFiles.features), options);
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
  network: TrainableNetwork;
}

async function prepare(
  system: System,
  config: RunConfig,
  corpus: LocalCorpus,
  { createNetwork = nativeNetwork }: Surroundings,
): Promise<Run> {
  const training = await system.prepare(config, corpus);
  const { graph, maxExamples = config.batchSize } = training;
  const network = createNetwork(graph, { ...training.network, maxExamples, threads: config.threads });
  const facts = { ...corpusFacts(corpus.store, corpus.folder), skipped: corpus.skipped };
  return { system, config, facts, training, network };
}

async function* train(
  run: Run,
  progress: Checkpoint,
  around: Surroundings,
  resumeHint: string,
): AsyncGenerator<Step, void> {
  const { system, config, facts, training, network } = run;
  const { out, signal } = around;
  const began = performance.now();
  let ended: number | undefined;
  const before = progress.step > 0 ? await readRunLog(out).catch(() => undefined) : undefined;
  const log = (status: RunLog['status'], more: Partial<RunLog<RunConfig>> = {}): Promise<void> =>
    writeRunLog(out, {
      status,
      ...named(system),
      config,
      corpus: facts,
      step: progress.step,
      steps: progress.steps,
      seconds: (before?.seconds ?? 0) + ((ended ?? performance.now()) - began) / 1000,
      losses: Object.fromEntries(Object.entries(progress.history.losses).map(([name, l]) => [name, curve(l)])),
      heldOut: progress.history.heldOut,
      ...more,
    });

  yield* trainLoop({
    ...{ network, config, training, progress, signal },
    save: async () => {
      await saveCheckpoint(join(out, runFiles.checkpoint), progress, training.graph.params);
      await log(signal?.aborted ? 'interrupted' : 'running');
    },
    saveEvery: around.checkpointSeconds ?? 60,
    whenInterrupted: `It is saved. Continue with ${resumeHint}, or add --resume to the command.`,
  });
  ended = performance.now();
  const { model, results, details } = await training.finish(network, {
    ...{ out, step: progress.step, signal },
    provenance: { ...named(system), ...provenance(config, facts), steps: progress.step },
  });
  await log('finished', { model, results, ...details });
}

/** What the model file says about its making: nothing of the clock or of this machine, so that equal runs make equal
 * files. */
function provenance(config: RunConfig, { clips, hours, fingerprint }: CorpusFacts): Record<string, unknown> {
  const { threads: _, minutes: __, ...rest } = config;
  return { ...rest, corpus: { clips, hours, fingerprint } };
}
