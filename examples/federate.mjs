// Trains one encoder with several clients, each a process of this machine with recordings of its own:
//   node examples/federate.mjs RECORDINGS OUT [ROUNDS]
// Each folder below RECORDINGS becomes a client. On real machines the two halves below run apart, with tokens and HTTPS.
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { joinFederation, serve, Tokens } from 'audio2vec';

const [corpus, out, rounds = '10', url] = process.argv.slice(2);
if (!corpus || !out) throw new Error('usage: federate.mjs RECORDINGS OUT [ROUNDS]');

if (url) {
  // A client: its recordings are in `corpus` and stay there.
  const token = process.env.TOKEN ?? '';
  await joinFederation({ url, data: corpus, out, token, threads: 1, onProblem: (message) => console.error(message) });
} else {
  // The server, which starts a client for each folder.
  const entries = await readdir(corpus, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const secrets = names.map(() => randomBytes(16).toString('hex'));
  const tokens = Tokens.parse(names.map((_, i) => `client-${i + 1} ${secrets[i]}`).join('\n'));
  const clients = [];
  await serve({
    out: join(out, 'server'),
    port: 0,
    tokens,
    minClients: names.length,
    rounds: Number(rounds),
    localSteps: 10,
    training: { task: 'contrastive', encoder: { frames: 32 }, batchSize: 16, heldOut: 0.2, warmUp: 10, seed: 1 },
    onListening: (address) => {
      for (const [i, name] of names.entries()) {
        const args = [join(corpus, name), join(out, `client-${i + 1}`), rounds, address];
        clients.push(fork(fileURLToPath(import.meta.url), args, { env: { ...process.env, TOKEN: secrets[i] } }));
      }
    },
    onRound: ({ round, reported, loss, heldOut }) =>
      console.log(
        `round ${round}: ${reported} clients, loss ${loss?.toFixed(3)}, held out ${heldOut?.toFixed(3) ?? 'nothing'}`,
      ),
  });
  await Promise.all(clients.filter(({ exitCode }) => exitCode === null).map((client) => once(client, 'exit')));
  console.log(`encoder: ${join(out, 'server', 'encoder.safetensors')}`);
}
