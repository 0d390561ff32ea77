// The server's work without the network: who is there, whose turn it is, what has come. All that it must know after a crash
// is on disk before it is answered: clients, who was asked, updates, weights.
import { randomInt, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultFrontEnd } from '../../features/front-end-config.js';
import { writeFileAtomic } from '../../util/atomic-write.js';
import { Audio2VecError } from '../../util/errors.js';
import { pathExists } from '../../util/read-file.js';
import { beginning } from '../beginning.js';
import { type FederatedConfig, type FederatedOptions, federatedConfig } from '../config.js';
import type { Layout } from '../layout.js';
import { type SharedCorpus, saveEncoder, writeLog } from '../outcome.js';
import { Accountant } from '../privacy/accountant.js';
import { addNoise, secretNormals } from '../privacy/noise.js';
import { federatedResults, meanOfKnown, type RoundRecord } from '../round-history.js';
import { nextWeights } from '../rules.js';
import { mostClients } from '../secure/client.js';
import { resolution } from '../secure/fixed-point.js';
import { type FederatedState, loadState, saveState } from '../state.js';
import { pooledStatistics } from '../statistics.js';
import { checkUpdate, meanOf, sumOf, type WeighedSum } from '../update.js';
import {
  arraysToBytes,
  type Joining,
  type UpdateReport,
  updateFromBytes,
  type Welcome,
  type Work,
} from './protocol.js';
import { SecureRound } from './secure-round.js';

export interface CoordinatorOptions {
  /** Seconds for each stage of secure aggregation but that of training. */
  stageSeconds: number;
  /** Clients that must have joined before the first round. */
  minClients: number;
  /** Seconds that a round may take; what comes later is refused. */
  roundSeconds: number;
  /** Clients that must have reported for the round to count; otherwise it is taken again. */
  minReports: number;
  /** Largest number of examples that a client may claim. */
  maxExamples: number;
  /** Told all that happens. */
  audit(event: AuditEvent): void;
}

export interface AuditEvent {
  event: string;
  client?: string;
  round?: number;
  [more: string]: unknown;
}

/** The round that is under way, as it is kept on disk. */
interface OpenRound {
  /** From 0. */
  round: number;
  /** Rounds that too few reported in are taken again. */
  attempt: number;
  asked: string[];
  /** Milliseconds since 1970. */
  ends: number;
}

const files = { state: 'federated.safetensors', clients: 'clients.json', round: 'round.json', updates: 'updates' };

export class Coordinator {
  private current?: OpenRound;
  private secureRound?: SecureRound;
  private readonly reported = new Map<string, ReturnType<typeof updateFromBytes>>();
  private readonly told = new Set<string>();
  private readonly refused = new Set<string>();
  private readonly accountant?: Accountant;
  private readonly normals = secretNormals();
  private readonly began = performance.now();
  private queue: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly out: string,
    private readonly given: FederatedOptions,
    private readonly config: FederatedConfig,
    readonly layout: Layout,
    private readonly state: FederatedState,
    private readonly clients: Map<string, Joining>,
    private readonly options: CoordinatorOptions,
  ) {
    const { privacy, fraction } = config;
    if (privacy) this.accountant = new Accountant({ sampling: fraction, ...privacy });
  }

  /** Begins a run in `out`, or continues the one that is there. Throws `ERR_ARGUMENT` where that has other options. */
  static async open(out: string, given: FederatedOptions, options: CoordinatorOptions): Promise<Coordinator> {
    const config = federatedConfig(given);
    const { layout, weights } = beginning(config);
    await mkdir(out, { recursive: true });
    const file = join(out, files.state);
    const key = JSON.stringify({ ...config, training: { ...config.training, threads: undefined } });
    let state: FederatedState;
    if (await pathExists(file)) {
      state = await loadState(file);
      if (state.run.key !== key) {
        throw new Audio2VecError('ERR_ARGUMENT', `out must be of a run with the same options: ${out} has others.`);
      }
    } else {
      const run = { id: randomUUID(), key };
      state = { round: 0, weights, rule: new Map(), local: new Map(), history: [], run };
      await saveState(file, state);
    }
    const clients = new Map<string, Joining>(JSON.parse((await readText(join(out, files.clients))) ?? '[]'));
    const coordinator = new Coordinator(out, given, config, layout, state, clients, options);
    await coordinator.restore();
    return coordinator;
  }

  get run(): string {
    return this.state.run.id as string;
  }

  get done(): boolean {
    return this.state.round === this.config.rounds;
  }

  get history(): readonly RoundRecord[] {
    return this.state.history;
  }

  /** Whether each client has heard that the run is over. */
  get everybodyTold(): boolean {
    return [...this.clients.keys()].every((client) => this.told.has(client));
  }

  /** A client comes, or comes again. Throws `ERR_PROTOCOL` if its frames have another width. */
  join(client: string, joining: Joining): Promise<Welcome> {
    return this.alone(async () => {
      const { bands } = this.config.training.encoder;
      if (joining.mean.length !== bands || joining.std.length !== bands || joining.std.some((s) => !(s > 0))) {
        throw new Audio2VecError('ERR_PROTOCOL', `Frames must have ${bands} bands with positive deviations.`);
      }
      if (this.config.secure && this.clients.size >= mostClients && !this.clients.has(client)) {
        throw new Audio2VecError('ERR_PROTOCOL', `At most ${mostClients} clients take part in secure aggregation.`);
      }
      // Statistics are fixed once the first round has begun.
      this.clients.set(client, joining);
      await writeFileAtomic(join(this.out, files.clients), JSON.stringify([...this.clients]));
      this.options.audit({ event: 'joined', client, frames: joining.frames });
      return { run: this.run, client, options: this.given };
    });
  }

  /** What a client is to do now. */
  work(client: string): Promise<Work> {
    return this.alone(async () => {
      await this.advance();
      if (this.done) {
        this.told.add(client);
        return { do: 'stop' };
      }
      if (!this.clients.has(client)) throw new Audio2VecError('ERR_PROTOCOL', 'Join first.');
      const { current, secureRound } = this;
      if (secureRound) {
        const asked = secureRound.work(client);
        if (!asked) return { do: 'wait' };
        const { mean, std } = this.statistics();
        return { do: 'secure', round: current!.round, ...asked, mean: [...mean], std: [...std] } as Work;
      }
      if (!current?.asked.includes(client) || this.reported.has(client) || this.refused.has(client)) {
        return { do: 'wait' };
      }
      const { mean, std } = this.statistics();
      const seconds = (current.ends - Date.now()) / 1000;
      return { do: 'train', round: current.round, seconds, mean: [...mean], std: [...std] };
    });
  }

  /** Shared weights, as a round begins with them. Throws `ERR_PROTOCOL` if it is over. */
  weights(round: number): Buffer {
    if (round !== this.state.round)
      throw new Audio2VecError('ERR_PROTOCOL', `Round ${round} is over or has not begun.`);
    return arraysToBytes(this.state.weights, this.layout, { run: this.run, round: this.state.round });
  }

  /** Takes an update, if it is of the round that is under way and nothing is wrong with it.
   * @throws `ERR_PROTOCOL`, `ERR_UPDATE_…`, `ERR_MODEL_FORMAT` */
  update(client: string, round: number, bytes: Buffer): Promise<void> {
    return this.alone(async () => {
      await this.advance();
      const { current } = this;
      try {
        if (!current || current.round !== round) {
          throw new Audio2VecError('ERR_PROTOCOL', `Round ${round} is over or has not begun: the update is too late.`);
        }
        if (!current.asked.includes(client)) throw new Audio2VecError('ERR_PROTOCOL', 'This client was not asked.');
        if (this.refused.has(client)) throw new Audio2VecError('ERR_PROTOCOL', 'An update of this round was refused.');
        if (this.reported.has(client)) return; // sent again because the answer was lost
        const taken = this.checked(client, bytes);
        await writeFileAtomic(join(this.updatesFolder(current), client), bytes);
        this.reported.set(client, taken);
        this.options.audit({ event: 'update', client, round, bytes: bytes.length });
      } catch (error) {
        const { code, message } = error as Audio2VecError;
        this.options.audit({ event: 'refused', client, round, code, message });
        throw error;
      }
      await this.advance();
    });
  }

  /** Takes what a client sends in a stage of a secure round.
   * @throws `ERR_PROTOCOL`, `ERR_SECURE` */
  secure(client: string, stage: string, name: string, body: Buffer): Promise<void> {
    return this.alone(async () => {
      await this.advance();
      const { current, secureRound } = this;
      try {
        if (secureRound?.name !== name) {
          throw new Audio2VecError('ERR_PROTOCOL', 'This secure round is over or has not begun.');
        }
        secureRound.take(client, stage, body);
        this.options.audit({ event: stage, client, round: current!.round, bytes: body.length });
      } catch (error) {
        const { code, message } = error as Audio2VecError;
        this.options.audit({ event: 'refused', client, round: current?.round, code, message });
        throw error;
      }
      await this.advance();
    });
  }

  /** Ends a round whose time is over; to be called now and then. */
  tick(): Promise<void> {
    return this.alone(() => this.advance());
  }

  private checked(client: string, bytes: Buffer) {
    const { clipNorm: maxNorm } = this.config;
    try {
      const taken = updateFromBytes(bytes, this.layout, this.run);
      checkUpdate(taken.update, this.layout, { maxNorm, maxExamples: this.options.maxExamples });
      return taken;
    } catch (error) {
      this.refused.add(client); // nobody waits for another
      throw error;
    }
  }

  private async advance(): Promise<void> {
    if (this.done) return;
    if (!this.current) {
      if (this.clients.size >= this.options.minClients) await this.begin(0);
      return;
    }
    if (this.secureRound) return this.advanceSecure(this.current, this.secureRound);
    const { asked, ends, round, attempt } = this.current;
    const missing = asked.filter((id) => !this.reported.has(id) && !this.refused.has(id));
    const over = Date.now() >= ends;
    if (missing.length > 0 && !over) return;
    for (const client of missing) this.options.audit({ event: 'lost', client, round });
    // With differential privacy nobody may tell from a round that is taken again who was missing.
    if (this.reported.size < this.options.minReports && !this.config.privacy) {
      this.options.audit({ event: 'repeated', round, reported: this.reported.size });
      await this.begin(attempt + 1);
    } else await this.finishRound(this.current, ...this.plainSum());
  }

  private async advanceSecure(current: OpenRound, secure: SecureRound): Promise<void> {
    const { round, attempt } = current;
    for (let step = secure.advance(); step; step = secure.advance()) {
      for (const client of step.lost) this.options.audit({ event: 'lost', client, round });
      if (!step.over) continue;
      let total: WeighedSum;
      try {
        total = await secure.finish();
        if (total.weight < this.options.minReports && !this.config.privacy) {
          throw new Audio2VecError('ERR_SECURE', `${total.weight} clients are too few.`);
        }
      } catch (error) {
        if ((error as Audio2VecError).code !== 'ERR_SECURE') throw error;
        this.options.audit({ event: 'repeated', round, message: (error as Error).message });
        return this.begin(attempt + 1);
      }
      return this.finishRound(current, total, []);
    }
  }

  /** Sum of the updates that have come, and what came with them. */
  private plainSum(): [WeighedSum, UpdateReport[]] {
    const { config, layout } = this;
    const taken = [...this.reported.keys()].sort().map((id) => this.reported.get(id)!); // whoever came first
    const updates = taken.map(({ update }) => (config.privacy ? { ...update, examples: 1 } : update));
    return [sumOf(updates, layout.size), taken.map(({ report }) => report)];
  }

  private async begin(attempt: number): Promise<void> {
    const { round } = this.state;
    const open: OpenRound = { round, attempt, asked: this.draw(), ends: Date.now() + 1000 * this.options.roundSeconds };
    if (round === 0 && attempt === 0) {
      this.state.run.statistics = this.pooled();
      await saveState(join(this.out, files.state), this.state);
    }
    await mkdir(this.updatesFolder(open), { recursive: true });
    await writeFileAtomic(join(this.out, files.round), JSON.stringify(open));
    this.open(open);
    if (this.config.secure) this.secureRound = this.secureRoundOf(open);
    this.options.audit({ event: 'round', round, attempt, asked: open.asked });
  }

  private secureRoundOf({ round, attempt, asked }: OpenRound): SecureRound {
    const { roundSeconds: trainSeconds, stageSeconds } = this.options;
    const unit = resolution(this.config.clipNorm!, asked.length || 1);
    const name = `${this.run} ${round} ${attempt}`;
    return new SecureRound({ name, asked, size: this.layout.size, unit, trainSeconds, stageSeconds });
  }

  private open(current: OpenRound | undefined): void {
    this.current = current;
    this.secureRound = undefined;
    this.reported.clear();
    this.refused.clear();
  }

  private draw(): string[] {
    const all = [...this.clients.keys()];
    const { fraction, privacy } = this.config;
    if (privacy) return all.filter(() => randomInt(2 ** 32) < fraction * 2 ** 32); // as the accountant takes it
    const count = Math.max(1, Math.round(fraction * all.length));
    return Array.from({ length: count }, () => all.splice(randomInt(all.length), 1)[0]!).sort();
  }

  private async finishRound({ round, asked }: OpenRound, total: WeighedSum, reports: UpdateReport[]): Promise<void> {
    const { config, layout, state } = this;
    const { privacy, clipNorm, fraction } = config;
    const reported = config.secure ? total.weight : reports.length;
    if (privacy) {
      const unit = resolution(clipNorm!, this.clients.size);
      addNoise(total.sum, privacy.noise * clipNorm!, this.normals, unit);
      total.weight = fraction * this.clients.size;
    }
    if (total.weight > 0) state.weights = nextWeights(config.rule, state.weights, meanOf(total), layout, state.rule);
    const told = (value: (report: UpdateReport) => number | undefined) => meanOfKnown(reports.map(value));
    state.history.push({
      round: round + 1,
      ...{ asked: asked.length, reported },
      loss: told((r) => r.loss),
      heldOut: told((r) => r.heldOut),
      epsilon: this.accountant?.epsilon(round + 1),
      ...{ bytesDown: asked.length * 4 * layout.size, bytesUp: reported * 4 * layout.size },
    });
    state.round++;
    await saveState(join(this.out, files.state), state);
    this.options.audit({ event: 'averaged', round, reported, epsilon: state.history.at(-1)!.epsilon });
    await this.leave();
    if (!this.done) await this.begin(0);
    else this.open(undefined);
  }

  /** Writes run.json, and in the end the encoder; drops updates that have been averaged. */
  private async leave(): Promise<void> {
    const { config, state, layout, out } = this;
    const clips = [...this.clients.values()].reduce((sum, client) => sum + client.clips, 0);
    const corpus: SharedCorpus = {
      clips,
      frontEnd: defaultFrontEnd,
      statistics: this.statistics(),
      fingerprint: this.run,
    };
    let finished: Parameters<typeof writeLog>[5];
    if (this.done) {
      const model = await saveEncoder(out, config, state, layout, corpus, this.clients.size);
      const clients = [...this.clients].map(([name, { clips, frames }]) => ({ name, clips, frames }));
      finished = { model, results: federatedResults(state.history, clients) };
    }
    await writeLog(out, config, state, corpus, (performance.now() - this.began) / 1000, finished);
    await rm(join(out, files.round), { force: true });
    await rm(join(out, files.updates), { recursive: true, force: true });
  }

  /** After a crash: the round that was under way, with what had come. */
  private async restore(): Promise<void> {
    const text = await readText(join(this.out, files.round));
    if (this.done) {
      await this.leave(); // which may have been cut short
      return;
    }
    if (text === undefined) return;
    const open = JSON.parse(text) as OpenRound;
    if (open.round !== this.state.round) return; // it was averaged already
    if (this.config.secure) {
      // What would take the masks off died with the server: with other keys once more.
      this.options.audit({ event: 'repeated', round: open.round, message: 'the server was stopped' });
      await this.begin(open.attempt + 1);
      return;
    }
    this.open(open);
    const folder = this.updatesFolder(open);
    for (const client of await readdir(folder)) {
      if (client.endsWith('.tmp')) continue;
      this.reported.set(client, this.checked(client, await readFile(join(folder, client))));
    }
    this.options.audit({ event: 'resumed', round: open.round, reported: this.reported.size });
  }

  private updatesFolder({ round, attempt }: OpenRound): string {
    return join(this.out, files.updates, `${round}-${attempt}`);
  }

  private pooled() {
    const inOrder = [...this.clients.keys()].sort().map((id) => this.clients.get(id)!); // whoever came first
    const { frames, mean, std } = pooledStatistics(
      inOrder.map(({ frames, mean, std }) => ({
        ...{ frames, mean: Float32Array.from(mean), std: Float32Array.from(std) },
      })),
    );
    return { frames, mean: [...mean], std: [...std] };
  }

  private statistics() {
    const { frames, mean, std } = this.state.run.statistics as ReturnType<Coordinator['pooled']>;
    return { frames, mean: Float32Array.from(mean), std: Float32Array.from(std) };
  }

  /** One thing after the other: requests come at any time. */
  private alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.queue.then(work);
    this.queue = result.catch(() => {});
    return result;
  }
}

function readText(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return undefined;
    throw new Audio2VecError('ERR_FILE', `${file}: ${error.message}.`, { cause: error });
  });
}
