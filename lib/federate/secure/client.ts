// A client's part of secure aggregation (Bonawitz et al., Practical secure aggregation for privacy-preserving machine
// learning, CCS 2017, protocol for an honest but curious server). One object serves for one round:
//
//   keys()      → two public keys
//   share()     ← everybody's keys          → for each client, sealed: shares of what the masks come from
//   masked()    ← the shares for this one   → its vector behind masks
//   reveal()    ← whose vectors have come   → shares that take the masks of exactly those off the sum
//
// A vector is hidden by a mask with each other client, which cancel in the sum, and by one of its own. The first kind of
// secret is given away only of clients whose vector did not come, the second only of those whose did, never both of one.
import { randomBytes } from 'node:crypto';
import { split } from 'shamir-secret-sharing';
import { Audio2VecError } from '../../util/errors.js';
import { commonSecret, type KeyPair, newKeyPair, open, privateBytes, seal } from './keys.js';
import { mask } from './masks.js';

/** Public keys of a client. */
export interface ClientKeys {
  id: string;
  /** For shares that pass through the server. */
  sealing: Uint8Array;
  /** For masks. */
  masking: Uint8Array;
}

/** What a client reveals in the end: by client, its share of that one's own seed or of its masking key. */
export interface Revealed {
  seeds: Map<string, Uint8Array>;
  keys: Map<string, Uint8Array>;
}

/** Most clients of one sum: shares are points of a field with 256 elements. */
export const mostClients = 255;

/** So many clients must stay to the end, of `clients` that began; fewer together learn nothing. */
export function thresholdOf(clients: number): number {
  return Math.floor(clients / 2) + 1;
}

export class SecureClient {
  private readonly sealing: KeyPair = newKeyPair();
  private readonly masking: KeyPair = newKeyPair();
  private readonly seed = new Uint8Array(randomBytes(32));
  private roster = new Map<string, ClientKeys>();
  /** What it has in common with each other client, to seal shares. */
  private readonly secrets = new Map<string, Uint8Array>();
  /** Its shares of others' secrets, and of its own. */
  private readonly shares = new Map<string, Uint8Array>();
  private stage: 'keys' | 'shared' | 'masked' | 'revealed' = 'keys';

  /** @param round what tells this sum from all others: run and round */
  constructor(
    readonly id: string,
    private readonly round: string,
  ) {}

  keys(): ClientKeys {
    return { id: this.id, sealing: this.sealing.publicKey, masking: this.masking.publicKey };
  }

  /** Shares of its secrets for the others, each readable by one of them only. Throws `ERR_SECURE` if there are too few. */
  async share(roster: readonly ClientKeys[]): Promise<Map<string, Uint8Array>> {
    this.enter('keys', 'shared');
    this.roster = new Map(roster.map((keys) => [keys.id, keys]));
    const own = this.roster.get(this.id);
    const distinct = new Set(
      roster.flatMap((k) => [k.sealing, k.masking].map((key) => Buffer.from(key).toString('hex'))),
    );
    if (roster.length < 2 || roster.length > mostClients) throw broken(`${roster.length} clients are in the round`);
    if (this.roster.size < roster.length || distinct.size < 2 * roster.length) throw broken('a client is there twice');
    if (!own || !same(own.sealing, this.sealing.publicKey) || !same(own.masking, this.masking.publicKey)) {
      throw broken('this client is not there with its own keys');
    }
    const threshold = thresholdOf(roster.length);
    const keyShares = await split(privateBytes(this.masking), roster.length, threshold);
    const seedShares = await split(this.seed, roster.length, threshold);
    const sealed = new Map<string, Uint8Array>();
    for (const [i, { id, sealing }] of roster.entries()) {
      const both = new Uint8Array(Buffer.concat([keyShares[i]!, seedShares[i]!]));
      if (id === this.id) this.shares.set(id, both);
      else {
        const secret = commonSecret(this.sealing, sealing, `shares ${this.round}`);
        this.secrets.set(id, secret);
        sealed.set(id, seal(secret, both, this.about(this.id, id)));
      }
    }
    return sealed;
  }

  /** The vector behind its masks.
   * @param shares sealed, of each client that sent them */
  masked(vector: Uint32Array, shares: ReadonlyMap<string, Uint8Array>): Uint32Array {
    this.enter('shared', 'masked');
    for (const [id, sealed] of shares) {
      const secret = this.secrets.get(id);
      if (!secret) throw broken(`shares came from ${id}, which is not in the round`);
      this.shares.set(id, open(secret, sealed, this.about(id, this.id)));
    }
    if (this.shares.size < thresholdOf(this.roster.size)) throw broken('too few clients sent shares');
    const sum = vector.slice();
    mask(sum, this.seed, 1);
    for (const id of this.shares.keys()) {
      if (id === this.id) continue;
      mask(sum, maskSeed(this.masking, this.roster.get(id)!.masking, this.round), signOf(this.id, id));
    }
    return sum;
  }

  /** Once only: of another set of clients it would give away what this one protects.
   * @param present clients whose vectors have come */
  reveal(present: readonly string[]): Revealed {
    const here = new Set(present);
    this.enter('masked', 'revealed');
    if (!here.has(this.id) || here.size < thresholdOf(this.roster.size)) throw broken('too few vectors have come');
    for (const id of here) if (!this.shares.has(id)) throw broken(`${id} sent no shares, but a vector`);
    const revealed: Revealed = { seeds: new Map(), keys: new Map() };
    for (const [id, both] of this.shares) {
      const half = both.length / 2;
      if (here.has(id)) revealed.seeds.set(id, both.slice(half));
      else revealed.keys.set(id, both.slice(0, half));
    }
    return revealed;
  }

  private about(from: string, to: string): string {
    return JSON.stringify([this.round, from, to]);
  }

  private enter(from: SecureClient['stage'], to: SecureClient['stage']): void {
    if (this.stage !== from) throw broken(`"${to}" was asked for after "${this.stage}"`);
    this.stage = to;
  }
}

/** Seed of the mask that two clients have in common. */
export function maskSeed(own: KeyPair, publicKey: Uint8Array, round: string): Uint8Array {
  return commonSecret(own, publicKey, `mask ${round}`);
}

/** One of two clients adds their mask, the other takes it away. */
export function signOf(id: string, other: string): 1 | -1 {
  return id < other ? 1 : -1;
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

export function broken(reason: string): Audio2VecError {
  return new Audio2VecError('ERR_SECURE', `Secure aggregation ends: ${reason}.`);
}
