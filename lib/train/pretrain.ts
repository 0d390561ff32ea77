// Pretraining: a corpus and a pretext task in, a run folder with an encoder out.
import { mkdir, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuiltFeatureStore, buildFeatureStore, type FeatureStoreOptions } from '../features/feature-build.js';
import type { FeatureStore, MappedFeatureStore } from '../features/feature-store.js';
import { type EncoderModel, saveEncoderModel } from '../models/encoder-model.js';
import { encoderWeights, initialParameters } from '../models/initial-weights.js';
import { chooseTasks, loadTasks, ownTasks, type Tasks } from '../systems/audio2vec/index.js';
import type { Task } from '../systems/audio2vec/task.js';
import { type TrainingGraph, trainingGraph } from '../systems/audio2vec/training-graph.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { type Checkpoint, loadCheckpoint, restoreNetwork, saveCheckpoint } from './checkpoint.js';
import { type PretrainingConfig, type PretrainingOptions, pretrainingConfig } from './config.js';
import { type CorpusFacts, corpusFacts } from './corpus.js';
import { type NetworkFactory, nativeNetwork, type TrainableNetwork } from './engine.js';
import { type HeldOutOptions, rebuilds, reconstruct, reportHeldOut } from './held-out.js';
import { curve, emptyHistory } from './history.js';
import { type Step, trainLoop } from './loop.js';
import { checkOwnTasks, modulesOf } from './own-tasks.js';
import { saveReconstructions } from './reconstructions.js';
import { extend, type RunLength } from './run-length.js';
import { lockRun } from './run-lock.js';
import { type RunLog, readRunLog, runFiles, writeRunLog } from './run-log.js';
import { BatchSampler } from './sampler.js';
import { splitClips } from './split.js';
import { whitened } from './whiten.js';

/** Held-out losses along the way are averaged over this many batches, */
const heldOutBatches = 4;
/** and in the end over batches of at least this many examples. */
const heldOutExamples = 1000;
/** So many held-out slices are kept beside what the decoder made of them. */
const keptReconstructions = 8;

interface Surroundings {
  /** A folder of recordings, whose log-mel is then computed once and kept in `out`; or log-mel from elsewhere. */
  corpus: string | FeatureStore;
  /** Folder of the run; created. {@link runFiles} has the names of what is in it; `encoder.safetensors` comes last. */
  out: string;
  /** Called for each recording while the log-mel of a folder is computed. */
  onFile?: FeatureStoreOptions['onProgress'];
  /** Called when the log-mel of a folder is there; `store.bad` lists the recordings that cannot be used. */
  onCorpus?: (corpus: BuiltFeatureStore) => void;
  /** Ends training after the step under way, saved. */
  signal?: AbortSignal;
  /** Seconds from one checkpoint to the next. Default 60. */
  checkpointSeconds?: number;
  /** The engine; default: the native one. */
  createNetwork?: NetworkFactory;
}

export interface PretrainOptions extends PretrainingOptions, Surroundings {}
export interface ResumeOptions extends Surroundings, RunLength {
  /** Needed by a run that has a task of your own: that task, as it was given to {@link pretrain}. A run does not load
   * modules by itself, so that opening someone's run never runs their code. Weights and options stay as the run has them. */
  task?: Tasks;
}

/** Trains an encoder without labels, yielding after every step.
 *
 * Throws `ERR_ARGUMENT` for wrong options and if `out` already holds a run, `ERR_LOCKED` if another process is at work
 * in it, `ERR_FILE` if the corpus or a task's module can't be read,
 * `ERR_DATASET` if it has too few or too short clips, `ERR_DIVERGED` if the loss stops being finite, and an `AbortError` that says how to go on when
 * `signal` aborts. Leaving the loop early saves too. */
export async function* pretrain(options: PretrainOptions): AsyncGenerator<Step, void> {
  const task = await loadTasks(options.task ?? 'contrastive');
  const config = pretrainingConfig({ ...options, task });
  const modules = modulesOf(options.task, task);
  if (modules) config.taskModules = modules;
  const checkpoint = join(options.out, runFiles.checkpoint);
  if (await exists(checkpoint)) {
    throw holdsRun(options.out);
  }
  yield* locked(options, async function* (corpus) {
    if (await exists(checkpoint)) throw holdsRun(options.out); // since we looked
    const run = prepare(config, corpus, options, ownTasks(task));
    const progress: Checkpoint = {
      step: 0,
      steps: config.steps,
      state: run.network.getState(),
      history: emptyHistory(),
      run: { config, corpus: run.facts },
    };
    progress.state.params = initialParameters(run.graph.graph, config.seed);
    run.network.setState(progress.state);
    yield* train(run, progress, options);
  });
}

/** Continues the run in `out` where its checkpoint stands. The result has the same bits as if it had never stopped.
 * Throws as {@link pretrain} does; also `ERR_FILE` if there is no checkpoint, `ERR_DATASET` if the corpus is not the one
 * the run began with, and `ERR_ARGUMENT` if a task of your own is needed and not given. */
export async function* resumePretraining(options: ResumeOptions): AsyncGenerator<Step, void> {
  const file = join(options.out, runFiles.checkpoint);
  const own = ownTasks(options.task === undefined ? [] : await loadTasks(options.task));
  const load = async () => {
    const progress = await loadCheckpoint(file);
    const { config, corpus } = progress.run as { config: PretrainingConfig; corpus: CorpusFacts };
    if (!config?.encoder || !config.schedule || !config.task || !corpus) {
      throw new Audio2VecError('ERR_MODEL_FORMAT', `${file} is not the checkpoint of a pretraining run.`);
    }
    checkOwnTasks(config, own, options.out);
    extend(progress, config, options);
    return { progress, config, corpus };
  };
  await load(); // what is wrong is told before the corpus is read
  yield* locked(options, async function* (store) {
    const { progress, config, corpus } = await load(); // it may have moved on before it was ours
    const run = prepare(config, store, options, own);
    if (run.facts.fingerprint !== corpus.fingerprint) {
      throw new Audio2VecError(
        'ERR_DATASET',
        `The corpus is not the one the run in ${options.out} began with (${corpus.clips} clips then, ${run.facts.clips} now, ` +
          'or other contents). Restore it, or start a new run.',
      );
    }
    restoreNetwork(run.network, progress, file);
    yield* train(run, progress, options);
  });
}

function holdsRun(out: string): Audio2VecError {
  return argumentError('out', 'a folder without a run in it (resume that one, or choose another)', out);
}

/** {@link withCorpus} while nobody else works in the run's folder. */
async function* locked(options: Surroundings, work: (corpus: Corpus) => AsyncGenerator<Step>): AsyncGenerator<Step> {
  const made = await mkdir(options.out, { recursive: true }).catch((cause) => {
    throw new Audio2VecError('ERR_FILE', `Cannot make the folder ${options.out}: ${cause.message}.`, { cause });
  });
  const unlock = await lockRun(options.out);
  try {
    yield* withCorpus(options, work);
  } finally {
    await unlock();
    if (made !== undefined) await rmdir(options.out).catch(() => {}); // nothing came of it: nothing is left behind
  }
}

/** A corpus to train on, and where it comes from. */
interface Corpus {
  store: FeatureStore;
  folder?: string;
  /** Recordings of the folder that could not be used. */
  skipped?: number;
}

/** Trains on the corpus; one that is opened here is closed in the end. */
async function* withCorpus(
  options: Surroundings,
  work: (corpus: Corpus) => AsyncGenerator<Step>,
): AsyncGenerator<Step> {
  const { corpus, out, signal, onFile, onCorpus } = options;
  if (typeof corpus !== 'string') {
    yield* work({ store: corpus });
    return;
  }
  const built = await buildFeatureStore(corpus, join(out, runFiles.features), { signal, onProgress: onFile });
  const store: MappedFeatureStore = built.store;
  try {
    onCorpus?.(built);
    yield* work({ store, folder: corpus, skipped: store.bad.length });
  } finally {
    store.close();
  }
}

/** All that follows from the configuration and the corpus. */
interface Run {
  config: PretrainingConfig;
  store: FeatureStore;
  facts: CorpusFacts;
  /** Tasks of the user's own. */
  own: readonly Task[];
  graph: TrainingGraph;
  network: TrainableNetwork;
  /** Those to train on. */
  clips: Int32Array;
  train: BatchSampler;
  /** Absent when no clip is held out. */
  heldOut?: BatchSampler;
}

function prepare(
  config: PretrainingConfig,
  corpus: Corpus,
  { createNetwork = nativeNetwork }: Surroundings,
  own: readonly Task[],
): Run {
  const { store, folder, skipped } = corpus;
  const { encoder, seed, batchSize, augmentation, threads } = config;
  if (store.bands !== encoder.bands)
    throw argumentError('encoder.bands', `${store.bands}, as the corpus has`, encoder.bands);
  const choices = chooseTasks(config.task, encoder.frames, own);
  const graph = trainingGraph(encoder, choices);
  const { clipStarts, mean, std } = store;
  const span = Math.max(...choices.map(({ task, options }) => task.span(options, encoder.frames)));
  const split = splitClips(clipStarts, span, config.heldOut, seed);
  const shared = { clipStarts, batchSize, seed };
  const train = new BatchSampler(graph, { ...shared, clips: split.train, augmentation });
  const canHoldOut = split.heldOut.length > 0 && heldOutSuffices(choices, split.heldOut, clipStarts, span);
  const heldOut = canHoldOut
    ? new BatchSampler(graph, { ...shared, clips: split.heldOut, label: 'held-out' })
    : undefined;
  const network = createNetwork(graph.graph, { maxExamples: batchSize, threads, store, mean, std });
  const facts = { ...corpusFacts(store, folder), skipped };
  return { config, store, facts, own, graph, network, clips: split.train, train, heldOut };
}

/** Tasks that contrast clips need two of them. */
function heldOutSuffices(
  choices: ReturnType<typeof chooseTasks>,
  clips: Int32Array,
  clipStarts: Float64Array,
  span: number,
): boolean {
  const usable = clips.filter((i) => clipStarts[i + 1]! - clipStarts[i]! >= span).length;
  return usable >= (choices.some(({ task }) => task.negatives) ? 2 : 1);
}

async function* train(run: Run, progress: Checkpoint, options: Surroundings): AsyncGenerator<Step, void> {
  const { config, store, facts, graph, network, heldOut } = run;
  const { out, signal } = options;
  const began = performance.now();
  let ended: number | undefined;
  const secondsBefore =
    progress.step > 0
      ? await readRunLog(out).then(
          (log) => log.seconds,
          () => 0,
        )
      : 0;
  const log = (status: RunLog['status'], more: Partial<RunLog> = {}): Promise<void> =>
    writeRunLog(out, {
      status,
      config,
      corpus: facts,
      step: progress.step,
      steps: progress.steps,
      seconds: secondsBefore + ((ended ?? performance.now()) - began) / 1000,
      losses: Object.fromEntries(Object.entries(progress.history.losses).map(([name, l]) => [name, curve(l)])),
      heldOut: progress.history.heldOut,
      ...more,
    });
  const save = async (status: RunLog['status']) => {
    await saveCheckpoint(join(out, runFiles.checkpoint), progress, graph.graph.params);
    await log(status);
  };

  yield* trainLoop({
    network,
    config,
    batch: (step, used) => run.train.batch(step, used),
    heldOut: heldOut ? Array.from({ length: heldOutBatches }, (_, i) => heldOut.batch(i)) : [],
    progress,
    save: () => save(signal?.aborted ? 'interrupted' : 'running'),
    saveEvery: options.checkpointSeconds ?? 60,
    signal,
    whenInterrupted: `It is saved. Continue with resumePretraining({ corpus, out: ${JSON.stringify(out)}${run.own.length ? ', task' : ''} }), or add --resume to the command.`,
  });

  ended = performance.now();
  const measure: HeldOutOptions | undefined = heldOut && {
    network,
    graph,
    store,
    train: run.train,
    heldOut,
    batches: Math.ceil(heldOutExamples / config.batchSize),
  };
  const tasks = measure && (await reportHeldOut(measure));
  const rebuilding = graph.tasks.find((nodes) => rebuilds(graph, nodes));
  if (measure && rebuilding) {
    await saveReconstructions(out, await reconstruct(measure, rebuilding, keptReconstructions), store.bands);
  }
  const trained: EncoderModel = {
    config: config.encoder,
    frontEnd: store.frontEnd,
    mean: store.mean,
    std: store.std,
    weights: encoderWeights(network.getState().params),
    provenance: { ...provenance(config, facts), steps: progress.step, tasks },
  };
  const { seed, threads } = config;
  const model = config.whiten ? await whitened(trained, { store, clips: run.clips, seed, threads, signal }) : trained;
  await saveEncoderModel(join(out, runFiles.encoder), model);
  await log('finished', { tasks });
}

/** What the model file says about its making: nothing of the clock or of this machine, so that equal runs make equal
 * files. */
function provenance(config: PretrainingConfig, { clips, hours, fingerprint }: CorpusFacts): Record<string, unknown> {
  const { encoder: _, threads: __, minutes: ___, taskModules: ____, ...rest } = config;
  return { ...rest, corpus: { clips, hours, fingerprint } };
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
