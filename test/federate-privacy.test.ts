// Secure aggregation and differential privacy.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Accountant } from '../lib/federate/privacy/accountant.js';
import { addNoise, secretNormals } from '../lib/federate/privacy/noise.js';
import { SecureClient, thresholdOf } from '../lib/federate/secure/client.js';
import { fromFixed, resolution, toFixed } from '../lib/federate/secure/fixed-point.js';
import { type Stage, secureSum, stages } from '../lib/federate/secure/in-process.js';
import { commonSecret, keyPair, newKeyPair, open, privateBytes, seal } from '../lib/federate/secure/keys.js';
import { mask } from '../lib/federate/secure/masks.js';
import { SecureServer } from '../lib/federate/secure/server.js';
import { normOf } from '../lib/federate/update.js';
import { Random } from '../lib/util/random.js';

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
const refused = expect.objectContaining({ code: 'ERR_SECURE' });

describe('keys', () => {
  it('give both sides the same secret, another for each purpose', () => {
    const [a, b] = [newKeyPair(), newKeyPair()];
    expect(keyPair(privateBytes(a)).publicKey).toEqual(a.publicKey);
    const secret = commonSecret(a, b.publicKey, 'x');
    expect(secret).toEqual(commonSecret(b, a.publicKey, 'x'));
    expect(secret).not.toEqual(commonSecret(a, b.publicKey, 'y'));
    expect(() => commonSecret(a, new Uint8Array(32), 'x')).toThrow(refused);
    expect(() => commonSecret(a, new Uint8Array(3), 'x')).toThrow(refused);
  });

  it('seal: nothing opens but what was sealed, for whom it was', () => {
    const secret = new Uint8Array(32).fill(7);
    const sealed = seal(secret, hex('010203'), 'a to b');
    expect(open(secret, sealed, 'a to b')).toEqual(hex('010203'));
    expect(() => open(secret, sealed, 'a to c')).toThrow(refused);
    for (let i = 0; i < sealed.length; i++) {
      const changed = sealed.slice();
      changed[i]! ^= 1;
      expect(() => open(secret, changed, 'a to b')).toThrow(refused);
    }
    expect(() => open(secret, sealed.subarray(0, 20), 'a to b')).toThrow(refused);
  });
});

describe('a mask', () => {
  it('is the keystream of AES-256 in counter mode', () => {
    // AES-256 of a block of zeros under a key of zeros (NIST, KAT vectors).
    const values = new Uint32Array(4);
    mask(values, new Uint8Array(32), 1);
    expect(Buffer.from(values.buffer).toString('hex')).toBe('dc95c078a2408989ad48a21492842087');
  });

  it('comes off again, whatever the length', () => {
    for (const size of [1, 1000, 16384, 16385, 40000]) {
      const values = Uint32Array.from({ length: size }, (_, i) => i * 123457);
      const hidden = values.slice();
      mask(hidden, new Uint8Array(32).fill(3), 1);
      expect(hidden).not.toEqual(values);
      mask(hidden, new Uint8Array(32).fill(3), -1);
      expect(hidden).toEqual(values);
    }
  });
});

describe('fixed point', () => {
  it('sums to the real sum, and never makes a vector longer', () => {
    const [clients, bound] = [30, 5];
    const unit = resolution(bound, clients);
    const rng = new Random(1);
    const vectors = Array.from({ length: clients }, () =>
      Float32Array.from({ length: 500 }, () => rng.uniform(-bound, bound)),
    );
    const sum = new Uint32Array(500);
    for (const vector of vectors) {
      const fixed = toFixed(vector, unit);
      for (let i = 0; i < 500; i++) sum[i]! += fixed[i]!;
      expect(normOf(fromFixed(fixed, unit))).toBeLessThanOrEqual(normOf(vector));
    }
    fromFixed(sum, unit).forEach((value, i) => {
      expect(Math.abs(value - vectors.reduce((s, v) => s + v[i]!, 0))).toBeLessThanOrEqual(clients * unit);
    });
    const extreme = new Uint32Array(1).map(() => clients * toFixed([-bound], unit)[0]!);
    expect(fromFixed(extreme, unit)[0]).toBeCloseTo(-clients * bound, 4);
  });
});

const ids = (count: number) => Array.from({ length: count }, (_, i) => `client-${i}`);
const vectors = (count: number, size: number) => {
  const rng = new Random(count);
  return new Map(ids(count).map((id) => [id, Uint32Array.from({ length: size }, () => rng.bits())]));
};
const plainSum = (all: Map<string, Uint32Array>, of: readonly string[], size: number) => {
  const sum = new Uint32Array(size);
  for (const id of of) for (let i = 0; i < size; i++) sum[i]! += all.get(id)![i]!;
  return sum;
};

describe('secure aggregation', () => {
  it.each([2, 3, 10])('of %i clients gives their sum', async (count) => {
    const all = vectors(count, 1000);
    const { sum, counted } = await secureSum('run 1', 1000, ids(count), async (id) => all.get(id));
    expect(counted).toEqual(ids(count));
    expect(sum).toEqual(plainSum(all, ids(count), 1000));
  });

  it('gives the sum of those whose vectors came, whoever is lost and when', async () => {
    const rng = new Random(5);
    for (let trial = 0; trial < 30; trial++) {
      const all = vectors(9, 50);
      const lost = new Map<string, Stage>();
      for (const id of ids(9)) if (rng.uniform() < 0.3) lost.set(id, stages[rng.int(4)]!);
      const began = ids(9).filter((id) => lost.get(id) !== 'keys').length;
      const stayed = 9 - lost.size;
      const work = secureSum(
        `run ${trial}`,
        50,
        ids(9),
        async (id) => all.get(id),
        (id) => lost.get(id),
      );
      if (stayed < thresholdOf(began)) {
        await expect(work).rejects.toMatchObject({ code: 'ERR_SECURE' });
        continue;
      }
      const { sum, counted } = await work;
      expect(counted).toEqual(ids(9).filter((id) => !lost.has(id) || lost.get(id) === 'reveal'));
      expect(sum).toEqual(plainSum(all, counted, 50));
    }
  });

  it('shows a curious server nothing of one client: two vectors look alike, and like chance', async () => {
    const size = 20_000;
    /** All that the server has of client-0 when it sends `vector`, but for the final sum. */
    const seen = async (vector: Uint32Array) => {
      const [round, clients] = ['run', ids(4).map((id) => new SecureClient(id, 'run'))];
      const server = new SecureServer(round, size);
      for (const client of clients) server.takeKeys(client.keys());
      for (const client of clients) server.takeShares(client.id, await client.share(server.clients));
      return clients[0]!.masked(vector, server.sharesFor('client-0'));
    };
    for (const vector of [new Uint32Array(size), new Uint32Array(size).fill(1), new Uint32Array(size).fill(2 ** 31)]) {
      const masked = await seen(vector);
      expect(await seen(vector)).not.toEqual(masked);
      // χ² of the 256 values of each byte: 255 in the mean, deviation 22.6; beyond 6 deviations by chance once in 10⁸.
      const bytes = new Uint8Array(masked.buffer);
      for (let at = 0; at < 4; at++) {
        const counts = new Float64Array(256);
        for (let i = at; i < bytes.length; i += 4) counts[bytes[i]!]!++;
        const chi = counts.reduce((sum, n) => sum + (n - size / 256) ** 2 / (size / 256), 0);
        expect(Math.abs(chi - 255)).toBeLessThan(6 * 22.6);
      }
      // Neighbouring values do not go together.
      let together = 0;
      for (let i = 1; i < size; i++) together += (masked[i]! / 2 ** 32 - 0.5) * (masked[i - 1]! / 2 ** 32 - 0.5);
      expect(Math.abs(together / size)).toBeLessThan((6 / 12) * size ** -0.5);
    }
  });

  it('a client reveals once, to whoever has enough vectors, and never both secrets of one', async () => {
    const clients = ids(5).map((id) => new SecureClient(id, 'run'));
    const server = new SecureServer('run', 3);
    for (const client of clients) server.takeKeys(client.keys());
    for (const client of clients) server.takeShares(client.id, await client.share(server.clients));
    for (const client of clients.slice(0, 4)) {
      server.takeVector(client.id, client.masked(Uint32Array.of(1, 2, 3), server.sharesFor(client.id)));
    }
    const revealed = clients[0]!.reveal(server.counted);
    expect([...revealed.seeds.keys()].sort()).toEqual(ids(4));
    expect([...revealed.keys.keys()]).toEqual(['client-4']);
    expect(() => clients[0]!.reveal(ids(3))).toThrow(refused);
    expect(() => clients[1]!.reveal(ids(2))).toThrow(refused); // fewer than the threshold
    expect(() => clients[4]!.reveal(ids(4))).toThrow(refused); // it sent nothing
    server.takeRevealed('client-0', revealed);
    await expect(server.finish()).rejects.toThrow(refused);
  });

  it('a client refuses a round that is not one', async () => {
    const client = () => new SecureClient('a', 'run');
    const [a, b] = [client(), new SecureClient('b', 'run')];
    await expect(a.share([a.keys()])).rejects.toThrow(refused);
    const c = client();
    await expect(c.share([b.keys(), { ...c.keys(), masking: b.keys().masking }])).rejects.toThrow(refused);
    const d = client();
    await expect(d.share([d.keys(), { ...d.keys(), id: 'b' }])).rejects.toThrow(refused); // one behind two names
    await expect(d.share([d.keys(), b.keys()])).rejects.toThrow(refused); // keys serve once
    const [e, f] = [client(), new SecureClient('b', 'run')];
    const shares = await f.share([e.keys(), f.keys()]);
    await e.share([e.keys(), f.keys()]);
    const changed = shares.get('a')!;
    changed[20]! ^= 1;
    expect(() => e.masked(Uint32Array.of(1), new Map([['b', changed]]))).toThrow(refused);
  });

  it('a poisoned vector of another size, or a second one, does not get into the sum', async () => {
    const clients = ids(3).map((id) => new SecureClient(id, 'run'));
    const server = new SecureServer('run', 3);
    for (const client of clients) server.takeKeys(client.keys());
    expect(() => server.takeKeys(clients[0]!.keys())).toThrow(refused);
    for (const client of clients) server.takeShares(client.id, await client.share(server.clients));
    expect(() => server.takeVector('client-0', new Uint32Array(4))).toThrow(refused);
    server.takeVector('client-0', new Uint32Array(3));
    expect(() => server.takeVector('client-0', new Uint32Array(3))).toThrow(refused);
    expect(() => server.takeVector('somebody', new Uint32Array(3))).toThrow(refused);
  });
});

describe('the accountant', () => {
  const golden = JSON.parse(readFileSync(join(import.meta.dirname, 'golden', 'dp-accounting.json'), 'utf8'));

  it.each(golden.cases as { sampling: number; noise: number; delta: number; rounds: number; epsilon: number }[])(
    'agrees with dp-accounting to 1 %: sampling $sampling, noise $noise, $rounds rounds',
    ({ rounds, epsilon, ...parameters }) => {
      expect(Math.abs(new Accountant(parameters).epsilon(rounds) / epsilon - 1)).toBeLessThan(0.01);
    },
  );

  it('begins at 0 and grows', () => {
    const accountant = new Accountant({ sampling: 0.2, noise: 1, delta: 1e-4 });
    const all = [0, 1, 2, 10, 100].map((rounds) => accountant.epsilon(rounds));
    expect(all[0]).toBe(0);
    expect([...all].sort((a, b) => a - b)).toEqual(all);
    expect(() => new Accountant({ sampling: 0, noise: 1, delta: 1e-4 })).toThrow(/sampling/);
    expect(() => new Accountant({ sampling: 1, noise: 0, delta: 1e-4 })).toThrow(/noise/);
  });
});

describe('noise', () => {
  it.each([
    ['secret', secretNormals()],
    [
      'seeded',
      (
        (rng) => () =>
          rng.normal()
      )(new Random(1)),
    ],
  ])('%s, is normal, in units', (_, normals) => {
    const sum = new Float64Array(40_000);
    addNoise(sum, 2, normals, 2 ** -10);
    const moment = (k: number) => sum.reduce((s, x) => s + (x / 2) ** k, 0) / sum.length;
    // Deviations of the estimates: 0.005, 0.007, 0.049; within 6 of them.
    expect(Math.abs(moment(1))).toBeLessThan(0.03);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.045);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.3);
    expect(sum.every((x) => Number.isInteger(x * 2 ** 10))).toBe(true);
  });
});
