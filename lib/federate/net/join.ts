// A client of a federated run: trains on the recordings of a folder whenever the server asks for it.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildFeatureStore } from '../../features/feature-build.js';
import type { MappedFeatureStore } from '../../features/feature-store.js';
import { audio2vec } from '../../systems/audio2vec/system.js';
import { lockRun } from '../../train/run-lock.js';
import { checkOptions } from '../../util/arguments.js';
import { Audio2VecError, argumentError, type ErrorCode } from '../../util/errors.js';
import { Random } from '../../util/random.js';
import { pathExists } from '../../util/read-file.js';
import { readSafetensors, type Tensor, writeSafetensors } from '../../util/safetensors.js';
import { beginning, curriculum } from '../beginning.js';
import type { LocalRound } from '../client.js';
import { FederatedClient } from '../client.js';
import type { FederatedConfig } from '../config.js';
import { federatedConfig } from '../config.js';
import type { Layout } from '../layout.js';
import { SecureClient } from '../secure/client.js';
import { toFixed } from '../secure/fixed-point.js';
import { checkUpdate, clip } from '../update.js';
import { Connection, type ConnectionOptions } from './connection.js';
import type { Welcome } from './protocol.js';
import {
  arraysFromBytes,
  type Joining,
  largestUpdate,
  parseMessage,
  updateToBytes,
  type Work,
  welcomeSchema,
  workSchema,
} from './protocol.js';
import { fromText, mapFromText, mapToText, type SecureWork, toText, vectorToBytes } from './secure-messages.js';

export interface JoinOptions extends ConnectionOptions {
  /** Folder of recordings. They are never sent, nor are features of them. */
  data: string;
  /** Folder for the features, and for what stays local. */
  out: string;
  /** Most seconds that a round may train. Default: as long as the server gives. */
  maxSeconds?: number;
  /** Most training steps in a round that are accepted; default 10000. */
  maxSteps?: number;
  threads?: number;
  /** After each round of this client. */
  onRound?(round: { round: number; loss: number }): void;
  /** Something went wrong with a round; the client goes on. */
  onProblem?(message: string): void;
}

/** Takes part until the server says that the run is over.
 * @returns rounds whose update the server took
 * @throws `ERR_NETWORK` if the server stays away, `ERR_TOKEN`, `ERR_PROTOCOL`, `ERR_DATASET`, the signal's reason */
export async function joinFederation(options: JoinOptions): Promise<number> {
  const connecting = ['url', 'token', 'ca', 'patience', 'signal'] as const;
  const limits = ['maxSeconds', 'maxSteps', 'threads'] as const;
  checkOptions('options', options, [...connecting, ...limits, 'data', 'out', 'onRound', 'onProblem']);
  const { data, out, signal, maxSteps = 10_000 } = options;
  await mkdir(out, { recursive: true });
  const unlock = await lockRun(out);
  const connection = await Connection.open(options);
  try {
    // Which features are wanted follows from the run: the first question is what that is.
    const features = audio2vec().features(federatedConfig({ rounds: 1 }).training);
    const { store } = await buildFeatureStore(data, join(out, 'features.a2v'), { ...features, signal });
    try {
      const { clipNames, frames, mean, std } = store;
      const joining: Joining = { clips: clipNames.length, frames, mean: [...mean], std: [...std] };
      const answer = await connection.ask('POST', '/v1/join', JSON.stringify(joining));
      const welcome = parseMessage(welcomeSchema, answer.toString(), 'a welcome');
      const config = federatedConfig(welcome.options); // checks everything
      if (config.localSteps > maxSteps) {
        throw argumentError('localSteps of the server', `at most ${maxSteps}`, config.localSteps);
      }
      if (options.threads !== undefined) config.training.threads = options.threads;
      return await new Participant(options, connection, config, welcome, store).takePart();
    } finally {
      store.close();
    }
  } finally {
    await unlock();
  }
}

/** What a client survives: a round that was over, that diverged here, or was refused. */
const forgivable = new Set<ErrorCode>([
  ...(['ERR_PROTOCOL', 'ERR_SECURE', 'ERR_DIVERGED'] as const),
  ...(['ERR_UPDATE_NOT_FINITE', 'ERR_UPDATE_BOUNDS'] as const),
]);

class Participant {
  private readonly layout: Layout;
  private readonly localFile: string;
  /** Rounds whose update the server took. */
  private taken = 0;
  /** A round that this client could not do: it would not be better the second time. */
  private spoilt?: number;
  /** Keys and masks of the secure round that is under way. */
  private secure?: { name: string; client: SecureClient };

  constructor(
    private readonly options: JoinOptions,
    private readonly connection: Connection,
    private readonly config: FederatedConfig,
    private readonly welcome: Welcome,
    private readonly store: MappedFeatureStore,
  ) {
    this.layout = beginning(config).layout;
    this.localFile = join(options.out, `local-${welcome.run.replaceAll(/[^\w-]/g, '')}.safetensors`);
  }

  async takePart(): Promise<number> {
    const { signal, onProblem } = this.options;
    for (;;) {
      signal?.throwIfAborted();
      const answer = await this.connection.ask('GET', '/v1/work?wait=10');
      const work: Work = parseMessage(workSchema, answer.toString(), 'work');
      if (work.do === 'stop') return this.taken;
      if (work.do === 'wait' || work.round === this.spoilt) {
        await sleep(work.do === 'wait' ? 100 : 1000, undefined, { signal });
        continue;
      }
      const seconds = Math.min(work.seconds, this.options.maxSeconds ?? Number.POSITIVE_INFINITY);
      const timeout = AbortSignal.timeout(Math.max(1, Math.min(2 ** 31 - 1, 1000 * seconds)));
      try {
        await (work.do === 'secure' ? this.stage(work, timeout) : this.round(work, timeout));
      } catch (error) {
        signal?.throwIfAborted();
        const { code, message } = error as Audio2VecError;
        if (!timeout.aborted && !forgivable.has(code)) throw error;
        if (!timeout.aborted && code !== 'ERR_PROTOCOL' && code !== 'ERR_SECURE') this.spoilt = work.round;
        onProblem?.(timeout.aborted ? `Round ${work.round + 1} took longer than ${seconds.toFixed(0)} s.` : message);
        await sleep(500, undefined, { signal });
      }
    }
  }

  /** A round without secure aggregation. */
  private round({ round, ...statistics }: Extract<Work, { do: 'train' }>, timeout: AbortSignal): Promise<void> {
    return this.train(round, statistics, timeout, async ({ update, loss, heldOut }) => {
      // Differential privacy covers the update, not what would be told besides.
      const report = this.config.privacy ? {} : { loss, heldOut: heldOut?.loss };
      const body = updateToBytes(update, this.layout, this.welcome.run, report);
      await this.connection.ask('PUT', `/v1/update?round=${round}`, body);
    });
  }

  /** A stage of secure aggregation. */
  private async stage(work: SecureWork, timeout: AbortSignal): Promise<void> {
    const { stage, name, round } = work;
    const send = (body: object | Buffer) => {
      const path = `/v1/secure?stage=${stage}&name=${encodeURIComponent(name)}`;
      return this.connection.ask('PUT', path, Buffer.isBuffer(body) ? body : JSON.stringify(body));
    };
    if (stage === 'keys') {
      const client = new SecureClient(this.welcome.client, name);
      this.secure = { name, client };
      const { sealing, masking } = client.keys();
      await send({ sealing: toText(sealing), masking: toText(masking) });
      return;
    }
    if (this.secure?.name !== name) throw new Audio2VecError('ERR_PROTOCOL', 'This client has no keys for the round.');
    const { client } = this.secure;
    if (stage === 'shares') {
      const roster = work.roster.map(({ id, sealing, masking }) => ({
        ...{ id, sealing: fromText(sealing), masking: fromText(masking) },
      }));
      await send({ shares: mapToText(await client.share(roster)) });
    } else if (stage === 'vector') {
      await this.train(round, work, timeout, async ({ update }) => {
        await send(vectorToBytes(client.masked(toFixed(update.delta, work.unit), mapFromText(work.shares))));
      });
    } else {
      const { seeds, keys } = client.reveal(work.present);
      await send({ seeds: mapToText(seeds), keys: mapToText(keys) });
    }
  }

  /** Trains for a round; what stays local is kept once the rest has been sent. */
  private async train(
    round: number,
    { mean, std }: { mean: readonly number[]; std: readonly number[] },
    timeout: AbortSignal,
    send: (done: LocalRound) => Promise<void>,
  ): Promise<void> {
    const { connection, layout, config, store, options, localFile } = this;
    const bytes = await connection.ask('GET', `/v1/weights?round=${round}`, undefined, largestUpdate(layout));
    const { flat: weights } = arraysFromBytes(bytes, layout, 'The weights');
    // The same on every visit: which clips are held out must not change.
    const seed = new Random(`${config.training.seed} ${store.frames} ${store.mean.join()}`).bits();
    const statistics = { mean: Float32Array.from(mean), std: Float32Array.from(std) };
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
    const client = await FederatedClient.prepare(store, curriculum(config, statistics), { seed, signal });
    try {
      if (client.local.size > 0 && (await pathExists(localFile))) client.local = await readLocal(localFile);
      const done = await client.train(weights, round);
      if (config.clipNorm !== undefined) clip(done.update.delta, config.clipNorm);
      checkUpdate(done.update, layout);
      await send(done);
      if (client.local.size > 0) await saveLocal(localFile, client.local);
      this.taken++;
      options.onRound?.({ round: round + 1, loss: done.loss });
    } finally {
      client.close();
    }
  }
}

async function readLocal(file: string) {
  const { tensors } = await readSafetensors(file);
  return new Map([...tensors].map(([name, { data }]) => [name, data as Float32Array]));
}

async function saveLocal(file: string, local: FederatedClient['local']): Promise<void> {
  await writeSafetensors(
    file,
    new Map([...local].map(([name, data]): [string, Tensor] => [name, { shape: [data.length], data }])),
  );
}
