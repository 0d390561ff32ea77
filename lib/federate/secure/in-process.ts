// Secure aggregation with all clients in one process: for simulations and tests.
import { SecureClient } from './client.js';
import { SecureServer } from './server.js';

/** When a client is lost: before it sends this. */
export type Stage = 'keys' | 'shares' | 'vector' | 'reveal';
export const stages: readonly Stage[] = ['keys', 'shares', 'vector', 'reveal'];

export interface SecureSum {
  sum: Uint32Array;
  /** Clients whose vectors are in it. */
  counted: string[];
  /** Bytes that all clients sent and received. */
  bytesUp: number;
  bytesDown: number;
}

/** Sum of the vectors of all clients that are not lost before they send theirs.
 * @param vectorOf asked for once it is due
 * @throws `ERR_SECURE` if too few stay to the end */
export async function secureSum(
  round: string,
  size: number,
  clients: readonly string[],
  vectorOf: (id: string) => Promise<Uint32Array | undefined>,
  lostAt: (id: string) => Stage | undefined = () => undefined,
): Promise<SecureSum> {
  const server = new SecureServer(round, size);
  let [bytesUp, bytesDown] = [0, 0];
  const alive = new Map(clients.map((id) => [id, new SecureClient(id, round)]));
  const at = (stage: Stage) => {
    for (const id of alive.keys()) if (lostAt(id) === stage) alive.delete(id);
    return [...alive.values()];
  };
  for (const client of at('keys')) {
    server.takeKeys(client.keys());
    bytesUp += 64;
  }
  const roster = server.clients;
  for (const client of at('shares')) {
    bytesDown += 64 * roster.length;
    const shares = await client.share(roster);
    bytesUp += bytesOf(shares.values());
    server.takeShares(client.id, shares);
  }
  for (const client of at('vector')) {
    const vector = await vectorOf(client.id);
    if (!vector) {
      alive.delete(client.id); // it has nothing to send
      continue;
    }
    const shares = server.sharesFor(client.id);
    bytesDown += bytesOf(shares.values());
    bytesUp += vector.byteLength;
    server.takeVector(client.id, client.masked(vector, shares));
  }
  const { counted } = server;
  for (const client of at('reveal')) {
    const revealed = client.reveal(counted);
    bytesUp += bytesOf(revealed.seeds.values()) + bytesOf(revealed.keys.values());
    server.takeRevealed(client.id, revealed);
  }
  return { sum: await server.finish(), counted, bytesUp, bytesDown };
}

function bytesOf(arrays: Iterable<Uint8Array>): number {
  let bytes = 0;
  for (const { byteLength } of arrays) bytes += byteLength;
  return bytes;
}
