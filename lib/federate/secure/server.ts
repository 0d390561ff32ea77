// The server's part of secure aggregation: it passes sealed shares on, adds up vectors behind masks, and takes the masks off
// the sum. See client.ts.
import { combine } from 'shamir-secret-sharing';
import { broken, type ClientKeys, maskSeed, mostClients, type Revealed, same, signOf, thresholdOf } from './client.js';
import { keyPair } from './keys.js';
import { mask } from './masks.js';

export class SecureServer {
  private readonly roster = new Map<string, ClientKeys>();
  /** Sealed shares by receiver and sender. */
  private readonly sealed = new Map<string, Map<string, Uint8Array>>();
  private readonly shared = new Set<string>();
  private readonly present = new Set<string>();
  private readonly revealed: Revealed[] = [];
  private readonly sum: Uint32Array;

  /** @param round as the clients have it
   * @param size values in a vector */
  constructor(
    private readonly round: string,
    size: number,
  ) {
    this.sum = new Uint32Array(size);
  }

  takeKeys(keys: ClientKeys): void {
    if (this.roster.has(keys.id)) throw broken(`${keys.id} sent keys twice`);
    if (this.roster.size === mostClients) throw broken(`more than ${mostClients} clients are in the round`);
    if (keys.sealing.length !== 32 || keys.masking.length !== 32) throw broken(`keys of ${keys.id} are not 32 bytes`);
    this.roster.set(keys.id, keys);
  }

  /** Everybody's keys, once all that will come have come. */
  get clients(): ClientKeys[] {
    return [...this.roster.values()];
  }

  takeShares(from: string, sealed: ReadonlyMap<string, Uint8Array>): void {
    if (!this.roster.has(from) || this.shared.has(from)) throw broken(`shares of ${from} were not expected`);
    const wanted = [...this.roster.keys()].filter((id) => id !== from);
    if (sealed.size !== wanted.length || wanted.some((id) => !sealed.has(id))) {
      throw broken(`${from} has no shares for somebody`);
    }
    this.shared.add(from);
    for (const [to, bytes] of sealed) this.sealed.set(to, (this.sealed.get(to) ?? new Map()).set(from, bytes));
  }

  /** Sealed shares for a client, of all that sent theirs, once all that will come have come. */
  sharesFor(id: string): ReadonlyMap<string, Uint8Array> {
    return this.sealed.get(id) ?? new Map();
  }

  takeVector(from: string, masked: Uint32Array): void {
    if (!this.shared.has(from) || this.present.has(from)) throw broken(`a vector of ${from} was not expected`);
    if (masked.length !== this.sum.length) throw broken(`the vector of ${from} has ${masked.length} values`);
    for (let i = 0; i < masked.length; i++) this.sum[i]! += masked[i]!;
    this.present.add(from);
  }

  /** Clients whose vectors are in the sum. */
  get counted(): string[] {
    return [...this.present];
  }

  takeRevealed(from: string, revealed: Revealed): void {
    if (!this.present.has(from)) throw broken(`${from} reveals, but sent no vector`);
    this.revealed.push(revealed);
  }

  /** The sum of all vectors that came. Throws `ERR_SECURE` if too few clients stayed to the end. */
  async finish(): Promise<Uint32Array> {
    const threshold = thresholdOf(this.roster.size);
    if (this.revealed.length < threshold) {
      throw broken(`${this.revealed.length} clients stayed to the end, ${threshold} are needed`);
    }
    const recover = (kind: keyof Revealed, id: string) => {
      const shares = this.revealed.map((r) => r[kind].get(id)).filter((share) => share !== undefined);
      if (shares.length < threshold) throw broken(`too few shares of ${id} have come`);
      return combine(shares.slice(0, threshold)).catch((cause) =>
        Promise.reject(broken(`shares of ${id}: ${cause.message}`)),
      );
    };
    const sum = this.sum.slice();
    for (const id of this.present) mask(sum, await recover('seeds', id), -1);
    for (const id of this.shared) {
      if (this.present.has(id)) continue;
      const key = keyPair(await recover('keys', id));
      if (!same(key.publicKey, this.roster.get(id)!.masking)) throw broken(`the key of ${id} could not be recovered`);
      // What each present client added for the one that is missing.
      for (const other of this.present) {
        mask(sum, maskSeed(key, this.roster.get(other)!.masking, this.round), signOf(other, id) === 1 ? -1 : 1);
      }
    }
    return sum;
  }
}
