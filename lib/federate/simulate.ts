// A whole federated run in one process: a corpus is cut into many clients, which train one after the other.
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { listAudio } from '../audio/folder.js';
import { buildFeatureStore } from '../features/feature-build.js';
import type { MappedFeatureStore } from '../features/feature-store.js';
import { audio2vec } from '../systems/audio2vec/system.js';
import type { Results } from '../systems/results.js';
import type { NetworkFactory } from '../systems/trainable-network.js';
import { corpusFacts } from '../train/corpus.js';
import { lockRun } from '../train/run-lock.js';
import { checkNumber, checkOneOf, checkOptions } from '../util/arguments.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { removeLeftovers } from '../util/leftovers.js';
import { Random } from '../util/random.js';
import { pathExists } from '../util/read-file.js';
import { beginning, curriculum } from './beginning.js';
import { type Curriculum, FederatedClient, type LocalRound } from './client.js';
import { type FederatedConfig, type FederatedOptions, federatedConfig, federatedOptions } from './config.js';
import type { Layout } from './layout.js';
import { type SharedCorpus, saveEncoder, writeLog } from './outcome.js';
import { Accountant } from './privacy/accountant.js';
import { addNoise } from './privacy/noise.js';
import { type ClientRecord, federatedResults, meanOfKnown, type RoundRecord } from './round-history.js';
import { nextWeights } from './rules.js';
import { mostClients } from './secure/client.js';
import { fromFixed, resolution, toFixed } from './secure/fixed-point.js';
import { secureSum, stages } from './secure/in-process.js';
import { type SplitName, splits } from './split-corpus.js';
import { type FederatedState, loadState, saveState } from './state.js';
import { type FrameStatistics, pooledStatistics } from './statistics.js';
import { type ClientUpdate, checkUpdate, clip, meanOf, normOf, sumOf, type WeighedSum } from './update.js';

export interface SimulationOptions extends FederatedOptions {
  /** How many clients the corpus is cut into, and how. */
  clients: number;
  split?: SplitName;
  /** Of the Dirichlet distribution. Default 1. */
  alpha?: number;
  /** Chance that a client that was asked never reports. Default 0. */
  lost?: number;
}

export interface SimulationConfig extends FederatedConfig {
  clients: number;
  split: SplitName;
  alpha: number;
  lost: number;
}

/** What a simulation needs besides its options. */
export interface SimulationSurroundings {
  /** Folder of recordings. */
  corpus: string;
  /** Folder of the run; created. It ends with `encoder.safetensors` and `run.json`. */
  out: string;
  signal?: AbortSignal;
  /** A client that cannot take part, and why. */
  onUnusable?(client: string, reason: string): void;
  /** Called for each client while features are computed. */
  onClient?(progress: { done: number; total: number }): void;
  /** The engine; default: the native one. */
  createNetwork?: NetworkFactory;
}

/** A round as it is yielded. */
export interface SimulatedRound extends RoundRecord {
  rounds: number;
  secondsLeft: number;
}

const stateFile = 'federated.safetensors';

/** Fills in defaults and checks. */
export function simulationConfig(o: SimulationOptions): SimulationConfig {
  checkOptions('options', o, [...federatedOptions, 'clients', 'split', 'alpha', 'lost']);
  const { clients, split = 'folder', alpha = 1, lost = 0 } = o;
  if (!(Number.isInteger(clients) && clients >= 1 && clients <= 100_000)) {
    throw argumentError('clients', 'an integer from 1 to 100000', clients);
  }
  checkOneOf('split', split, Object.keys(splits));
  checkNumber('alpha', alpha, 1e-3, 1e6);
  checkNumber('lost', lost, 0, 1);
  const config = federatedConfig(o);
  if (config.secure && Math.round(config.fraction * clients) > mostClients) {
    throw argumentError('fraction', `such that at most ${mostClients} clients are in a secure round`, config.fraction);
  }
  return { ...config, clients, split, alpha, lost };
}

/** Begins a simulation. Throws `ERR_ARGUMENT`, `ERR_DATASET` if no client has enough recordings, `ERR_LOCKED`, and the
 * signal's reason: what was taken is saved after every round. */
export async function* simulate(
  around: SimulationSurroundings,
  options: SimulationOptions,
): AsyncGenerator<SimulatedRound, void> {
  const config = simulationConfig(options);
  yield* locked(around, async function* () {
    if (await pathExists(join(around.out, stateFile))) {
      throw argumentError('out', 'a folder without a run in it (resume that one, or choose another)', around.out);
    }
    const simulation = await Simulation.prepare(config, around);
    yield* simulation.run(simulation.begin());
  });
}

/** Continues the simulation in `out`, with the bits of one that never stopped. Throws `ERR_FILE` if there is none and
 * `ERR_DATASET` if the corpus has changed. */
export async function* resumeSimulation(around: SimulationSurroundings): AsyncGenerator<SimulatedRound, void> {
  yield* locked(around, async function* () {
    const state = await loadState(join(around.out, stateFile));
    const { config, fingerprint } = state.run as { config: SimulationConfig; fingerprint: string };
    const simulation = await Simulation.prepare(config, around);
    if (simulation.fingerprint !== fingerprint) {
      const message = `The recordings of ${around.corpus} are not those that the run in ${around.out} began with.`;
      throw new Audio2VecError('ERR_DATASET', message);
    }
    yield* simulation.run(state);
  });
}

async function* locked(
  { out }: SimulationSurroundings,
  work: () => AsyncGenerator<SimulatedRound>,
): AsyncGenerator<SimulatedRound> {
  await mkdir(out, { recursive: true }).catch((cause) => {
    throw new Audio2VecError('ERR_FILE', `Cannot make the folder ${out}: ${cause.message}.`, { cause });
  });
  const unlock = await lockRun(out);
  try {
    await removeLeftovers(out);
    yield* work();
  } finally {
    await unlock();
  }
}

interface SimulatedClient {
  name: string;
  seed: number;
  store: MappedFeatureStore;
}

/** What came of asking clients. */
interface Collected {
  /** Absent where secure aggregation failed. */
  sum?: WeighedSum;
  /** How many updates are in it. */
  updates: number;
  /** Of the clients that trained. */
  rounds: (LocalRound & { norm: number })[];
  failed?: string;
  bytesUp: number;
  bytesDown: number;
}

class Simulation {
  private readonly began = performance.now();
  private readonly accountant?: Accountant;

  private constructor(
    private readonly config: SimulationConfig,
    private readonly around: SimulationSurroundings,
    private readonly clients: readonly SimulatedClient[],
    private readonly statistics: FrameStatistics,
    private readonly layout: Layout,
    /** Of all clients' recordings. */
    readonly fingerprint: string,
  ) {
    const { privacy, fraction } = config;
    if (privacy) this.accountant = new Accountant({ sampling: fraction, ...privacy });
  }

  static async prepare(config: SimulationConfig, around: SimulationSurroundings): Promise<Simulation> {
    const { layout } = beginning(config);
    const found = await openClients(config, around);
    const statistics = pooledStatistics(found.map(({ store }) => store));
    const usable: SimulatedClient[] = [];
    const hash = createHash('sha256');
    for (const client of found) {
      try {
        const ready = await prepareClient(client, curriculum(config, statistics), around);
        ready.close();
      } catch (error) {
        if ((error as Audio2VecError).code !== 'ERR_DATASET') throw error;
        around.onUnusable?.(client.name, (error as Error).message);
        client.store.close();
        continue;
      }
      usable.push(client);
      hash.update(`${client.name} ${corpusFacts(client.store).fingerprint}\n`);
    }
    if (usable.length === 0) throw new Audio2VecError('ERR_DATASET', 'No client has enough recordings to train on.');
    return new Simulation(config, around, usable, statistics, layout, hash.digest('hex').slice(0, 32));
  }

  begin(): FederatedState {
    const { config, fingerprint } = this;
    const { weights } = beginning(config);
    const run = { config, fingerprint };
    return { round: 0, weights, rule: new Map(), local: new Map(), history: [], run };
  }

  async *run(state: FederatedState): AsyncGenerator<SimulatedRound, void> {
    const { rounds } = this.config;
    const { out, signal } = this.around;
    const first = state.round;
    try {
      while (state.round < rounds) {
        const record = await this.round(state);
        state.round++;
        state.history.push(record);
        await saveState(join(out, stateFile), state);
        await this.log(state);
        const perRound = (performance.now() - this.began) / 1000 / (state.round - first);
        yield { ...record, rounds, secondsLeft: perRound * (rounds - state.round) };
        signal?.throwIfAborted();
      }
      await this.finish(state);
    } finally {
      for (const { store } of this.clients) store.close();
    }
  }

  /** All that changes in a round is written to `state` at its end. */
  private async round(state: FederatedState): Promise<RoundRecord> {
    const { config, layout } = this;
    const asked = this.draw(state.round);
    const { updates, rounds, ...collected } = await this.collect(asked, state);
    const total = collected.sum && this.noised(collected.sum, state.round);
    if (total && total.weight > 0) {
      state.weights = nextWeights(config.rule, state.weights, meanOf(total), layout, state.rule);
    }
    return {
      round: state.round + 1,
      ...{ asked: asked.length, reported: updates },
      loss: meanOfKnown(rounds.map((r) => r.loss)),
      heldOut: meanOfKnown(rounds.map((r) => r.heldOut?.loss)),
      norm: meanOfKnown(rounds.map((r) => r.norm)),
      epsilon: this.accountant?.epsilon(state.round + 1),
      failed: collected.failed,
      bytesDown: asked.length * 4 * layout.size + collected.bytesDown,
      bytesUp: collected.bytesUp,
    };
  }

  /** Trains the clients that were asked and adds up what they send, plainly or by secure aggregation. */
  private async collect(asked: readonly SimulatedClient[], state: FederatedState): Promise<Collected> {
    const { config, layout } = this;
    const luck = new Random(config.training.seed).fork('lost').fork(state.round);
    const lost = new Map(asked.map((client) => [client.name, luck.uniform() < config.lost ? luck.int(4) : undefined]));
    const rounds: (LocalRound & { norm: number })[] = [];
    const take = async (client: SimulatedClient) => {
      const done = await this.train(client, state);
      if (!done) return undefined;
      const { delta } = done.update;
      const norm = config.clipNorm === undefined ? normOf(delta) : clip(delta, config.clipNorm);
      checkUpdate(done.update, layout, { maxNorm: config.clipNorm });
      rounds.push({ ...done, norm });
      return done.update;
    };
    if (!config.secure) {
      const updates: ClientUpdate[] = [];
      for (const client of asked) {
        const update = lost.get(client.name) === undefined ? await take(client) : undefined;
        if (update) updates.push(config.privacy ? { ...update, examples: 1 } : update);
      }
      const bytesUp = 4 * layout.size * updates.length;
      return { sum: sumOf(updates, layout.size), updates: updates.length, rounds, bytesUp, bytesDown: 0 };
    }
    const unit = this.unit(asked.length);
    const byName = new Map(asked.map((client) => [client.name, client]));
    try {
      const { sum, counted, ...bytes } = await secureSum(
        `${this.fingerprint} ${state.round}`,
        layout.size,
        [...byName.keys()],
        async (name) => {
          const update = await take(byName.get(name)!);
          return update && toFixed(update.delta, unit);
        },
        (name) => stages[lost.get(name) ?? -1],
      );
      return { sum: { sum: fromFixed(sum, unit), weight: counted.length }, updates: counted.length, rounds, ...bytes };
    } catch (error) {
      if ((error as Audio2VecError).code !== 'ERR_SECURE') throw error;
      return { updates: 0, rounds, failed: (error as Error).message, bytesUp: 0, bytesDown: 0 };
    }
  }

  /** With differential privacy: noise on the sum, and the number of clients that is expected in the place of those that came,
   * which would tell who did (McMahan et al., Learning differentially private recurrent language models, 2018). */
  private noised(total: WeighedSum, round: number): WeighedSum {
    const { privacy, clipNorm, fraction, training } = this.config;
    if (!privacy) return total;
    const rng = new Random(training.seed).fork('noise').fork(round);
    addNoise(total.sum, privacy.noise * clipNorm!, () => rng.normal(), this.unit(this.clients.length));
    return { sum: total.sum, weight: fraction * this.clients.length };
  }

  /** Of fixed-point numbers. */
  private unit(clients: number): number {
    return resolution(this.config.clipNorm!, Math.max(1, clients));
  }

  /** Undefined for a client whose training diverged: it has nothing to report. */
  private async train(client: SimulatedClient, state: FederatedState): Promise<LocalRound | undefined> {
    const ready = await prepareClient(client, curriculum(this.config, this.statistics), this.around);
    try {
      const local = state.local.get(client.name);
      if (local) ready.local = new Map(local);
      const done = await ready.train(state.weights, state.round);
      if (ready.local.size > 0) state.local.set(client.name, ready.local);
      return done;
    } catch (error) {
      if ((error as Audio2VecError).code === 'ERR_DIVERGED') return undefined;
      throw error;
    } finally {
      ready.close();
    }
  }

  private draw(round: number): SimulatedClient[] {
    const { clients, config } = this;
    const rng = new Random(config.training.seed).fork('clients').fork(round);
    if (config.privacy) return clients.filter(() => rng.uniform() < config.fraction); // as the accountant takes it
    const count = Math.max(1, Math.round(config.fraction * clients.length));
    const drawn = rng.sample(clients.length, count).sort((a, b) => a - b);
    return drawn.map((i) => clients[i]!);
  }

  /** Measures every client with the final weights, and writes the encoder. */
  private async finish(state: FederatedState): Promise<void> {
    const { config, statistics, layout, around } = this;
    const records: ClientRecord[] = [];
    for (const client of this.clients) {
      const ready = await prepareClient(client, curriculum(config, statistics), around);
      const local = state.local.get(client.name);
      if (local) ready.local = new Map(local);
      const heldOut = await ready.evaluate(state.weights);
      ready.close();
      const { store, name } = client;
      records.push({ name, clips: store.clipNames.length, frames: store.frames, heldOut: heldOut?.loss });
      around.signal?.throwIfAborted();
    }
    const model = await saveEncoder(around.out, config, state, layout, this.corpus, this.clients.length);
    await this.log(state, { model, results: federatedResults(state.history, records) });
  }

  private log(state: FederatedState, finished?: { model: string; results: Results }): Promise<void> {
    const seconds = (performance.now() - this.began) / 1000;
    return writeLog(this.around.out, this.config, state, this.corpus, seconds, finished);
  }

  private get corpus(): SharedCorpus {
    const { clients, statistics, fingerprint, around } = this;
    const clips = clients.reduce((sum, { store }) => sum + store.clipNames.length, 0);
    return { folder: around.corpus, clips, frontEnd: clients[0]!.store.frontEnd, statistics, fingerprint };
  }
}

function prepareClient({ store, seed }: SimulatedClient, given: Curriculum, around: SimulationSurroundings) {
  const { signal, createNetwork } = around;
  return FederatedClient.prepare(store, given, { seed, signal, createNetwork });
}

/** A feature store for each client, as on its own device; kept with the run. */
async function openClients(config: SimulationConfig, around: SimulationSurroundings): Promise<SimulatedClient[]> {
  const { corpus, out, signal } = around;
  const { seed } = config.training;
  const shares = splits[config.split](await listAudio(corpus, { signal }), config.clients, { ...config, seed });
  const folder = join(out, 'clients');
  await mkdir(folder, { recursive: true });
  const features = audio2vec().features(config.training);
  const clients: SimulatedClient[] = [];
  for (const [i, { name, files }] of shares.entries()) {
    const paths = files.map((file) => join(corpus, file));
    const file = join(folder, `${String(i + 1).padStart(5, '0')}.a2v`);
    try {
      const { store } = await buildFeatureStore(paths, file, { ...features, signal });
      clients.push({ name, store, seed: new Random(seed).fork(`client ${name}`).bits() });
    } catch (error) {
      if ((error as Audio2VecError).code !== 'ERR_DATASET') throw error;
      around.onUnusable?.(name, (error as Error).message);
    }
    around.onClient?.({ done: i + 1, total: shares.length });
  }
  if (clients.length === 0) throw new Audio2VecError('ERR_DATASET', 'No client has recordings that can be used.');
  return clients;
}
