// A round by secure aggregation, as the server sees it: four stages, each with a time of its own. Nothing of it is kept on
// disk: after a crash the round is taken again, with new keys.
import type { z } from 'zod';
import { Audio2VecError } from '../../util/errors.js';
import { fromFixed } from '../secure/fixed-point.js';
import { SecureServer } from '../secure/server.js';
import type { WeighedSum } from '../update.js';
import { parseMessage } from './protocol.js';
import {
  fromText,
  keysMessage,
  mapFromText,
  mapToText,
  revealedMessage,
  sharesMessage,
  toText,
  vectorFromBytes,
} from './secure-messages.js';

/** Stages in their order; what a client sends in each. */
const order = ['keys', 'shares', 'vector', 'revealed'] as const;

export interface SecureRoundOptions {
  /** What tells this sum from all others: run, round and attempt. */
  name: string;
  asked: readonly string[];
  /** Values in a vector. */
  size: number;
  /** Of fixed-point numbers. */
  unit: number;
  /** Seconds for training, and for each of the other stages. */
  trainSeconds: number;
  stageSeconds: number;
}

export class SecureRound {
  private readonly server: SecureServer;
  private stage: (typeof order)[number] = 'keys';
  /** Clients that are expected in this stage and have not sent anything, and those that have. */
  private waiting: Set<string>;
  private readonly sent = new Set<string>();
  private ends: number;

  constructor(private readonly options: SecureRoundOptions) {
    this.server = new SecureServer(options.name, options.size);
    this.waiting = new Set(options.asked);
    this.ends = Date.now() + 1000 * options.stageSeconds;
  }

  get name(): string {
    return this.options.name;
  }

  /** What the client is to send now, with what it needs for that; undefined: it is to wait. */
  work(client: string) {
    if (!this.waiting.has(client)) return undefined;
    const { stage, server } = this;
    const { name, unit } = this.options;
    const work = { stage, name, seconds: (this.ends - Date.now()) / 1000 };
    if (stage === 'vector') return { ...work, unit, shares: mapToText(server.sharesFor(client)) };
    if (stage === 'revealed') return { ...work, present: server.counted };
    if (stage === 'keys') return work;
    const text = ({ id, sealing, masking }: (typeof server.clients)[number]) => ({
      ...{ id, sealing: toText(sealing), masking: toText(masking) },
    });
    return { ...work, roster: server.clients.map(text) };
  }

  /** What a client sends in a stage. Throws `ERR_PROTOCOL` if it is not the stage, `ERR_SECURE` if something is wrong. */
  take(id: string, stage: string, body: Buffer): void {
    if (this.stage !== stage || !this.waiting.has(id)) {
      throw new Audio2VecError('ERR_PROTOCOL', `"${stage}" of ${id} was not expected now.`);
    }
    this.waiting.delete(id); // also if it is refused: nobody waits for another
    const { server } = this;
    const message = <T>(schema: z.ZodType<T>) => parseMessage(schema, body.toString(), stage);
    if (stage === 'keys') {
      const { sealing, masking } = message(keysMessage);
      server.takeKeys({ id, sealing: fromText(sealing), masking: fromText(masking) });
    } else if (stage === 'shares') {
      server.takeShares(id, mapFromText(message(sharesMessage).shares));
    } else if (stage === 'vector') {
      server.takeVector(id, vectorFromBytes(body));
    } else {
      const { seeds, keys } = message(revealedMessage);
      server.takeRevealed(id, { seeds: mapFromText(seeds), keys: mapFromText(keys) });
    }
    this.sent.add(id);
  }

  /** Goes on to the next stage once all have sent what is expected, or its time is over.
   * @returns the clients lost in the stage that ended, and whether it was the last */
  advance(): { lost: string[]; over: boolean } | undefined {
    if (this.waiting.size > 0 && Date.now() < this.ends) return undefined;
    const lost = [...this.waiting];
    const next = order[order.indexOf(this.stage) + 1];
    if (next === undefined) return { lost, over: true };
    const { trainSeconds, stageSeconds } = this.options;
    this.stage = next;
    this.waiting = new Set(this.sent);
    this.sent.clear();
    this.ends = Date.now() + 1000 * (next === 'vector' ? trainSeconds : stageSeconds);
    return { lost, over: false };
  }

  /** Throws `ERR_SECURE` if too few stayed to the end. */
  async finish(): Promise<WeighedSum> {
    const sum = await this.server.finish();
    return { sum: fromFixed(sum, this.options.unit), weight: this.server.counted.length };
  }
}
