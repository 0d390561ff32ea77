// Server and clients as users start them: processes, some of which are killed.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadState } from '../lib/federate/state.js';
import { loadEncoderModel } from '../lib/models/encoder-model.js';
import { Random } from '../lib/util/random.js';
import { BuiltPackage } from './helpers/built-package.js';
import { speakers, writeSpeakers } from './helpers/speakers.js';

let folder: string;
let built: BuiltPackage;
const alive = new Set<ChildProcess>();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-federate-processes-'));
  await writeSpeakers(join(folder, 'corpus'));
  built = await BuiltPackage.create();
}, 120_000);
afterAll(async () => {
  for (const child of alive) child.kill('SIGKILL');
  await rm(folder, { recursive: true });
  await rm(built.home, { recursive: true });
});

function start(line: string) {
  const child = spawn(process.execPath, [join(built.home, 'dist/cli/main.js'), 'federate', ...line.split(' ')]);
  alive.add(child);
  let text = '';
  const said: [what: string, tell: () => void][] = [];
  child.stderr.on('data', (chunk) => {
    text += chunk;
    for (const [what, tell] of said) if (text.includes(what)) tell();
  });
  const ended = new Promise<{ code: number | null; text: string }>((resolve) => {
    child.on('close', (code) => {
      alive.delete(child);
      resolve({ code, text });
    });
  });
  const says = (what: string) =>
    Promise.race([new Promise<void>((tell) => said.push([what, tell])), ended.then(() => {})]);
  return { child, ended, says };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const shape = '--frames 16 --channels 4 --embedding 6 --batch-size 4 --held-out 0.5 --warm-up 0 --threads 1';

async function run(
  name: string,
  rounds: number,
  disturb: (restart: () => Promise<void>, out: string) => Promise<void>,
  flags = '',
) {
  const [port, out] = [await freePort(), join(folder, name)];
  const serving = `serve --port ${port} --rounds ${rounds} --local-steps 2 --min-clients 3 --round-seconds 60 ${shape}${flags} -o ${out}`;
  let server = start(serving);
  await server.says('Listening');
  const clients = speakers.map((speaker) =>
    start(
      `join http://127.0.0.1:${port} --data ${join(folder, 'corpus', speaker)} --token ${speaker} --threads 1 ` +
        `--patience 60 -o ${out}-${speaker}`,
    ),
  );
  await disturb(async () => {
    server.child.kill('SIGKILL');
    await server.ended;
    server = start(serving);
    await server.says('Listening');
  }, out);
  const ends = await Promise.all([server, ...clients].map(({ ended }) => ended));
  expect(ends.map(({ code, text }) => (code === 0 ? 0 : text))).toEqual([0, 0, 0, 0]);
  return out;
}

it.each([
  ['', 5],
  [' --secure --stage-seconds 5', 3],
])(
  'a server that is killed again and again goes on, with the bits of one that was not:%s',
  async (flags, most) => {
    const rounds = 6;
    const name = flags.trim().slice(2, 8);
    const undisturbed = await run(`undisturbed${name}`, rounds, async () => {}, flags);
    const rng = new Random(1);
    let kills = 0;
    const disturb = async (restart: () => Promise<void>, out: string) => {
      while (kills < most) {
        await new Promise((resolve) => setTimeout(resolve, 100 + 900 * rng.uniform()));
        if (existsSync(join(out, 'encoder.safetensors'))) break;
        await restart();
        kills++;
      }
    };
    const killed = await run(`killed${name}`, rounds, disturb, flags);
    expect(kills).toBeGreaterThan(0);
    const [a, b] = await Promise.all([undisturbed, killed].map((out) => loadState(join(out, 'federated.safetensors'))));
    expect(b!.history).toEqual(a!.history);
    expect(b!.weights).toEqual(a!.weights);
    const model = await loadEncoderModel(join(killed, 'encoder.safetensors'));
    expect(model.weights.size).toBeGreaterThan(0);
    const text = await readFile(join(killed, 'audit.jsonl'), 'utf8');
    const events = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.filter((e) => e.event === 'averaged').length).toBeGreaterThanOrEqual(rounds - kills);
  },
  180_000,
);

it('examples/federate.mjs trains with a process for each folder', async () => {
  await mkdir(join(built.home, 'examples'), { recursive: true });
  await cp(join(import.meta.dirname, '..', 'examples', 'federate.mjs'), join(built.home, 'examples', 'federate.mjs'));
  const out = join(folder, 'example');
  const { code, stdout, stderr } = await built.run('examples/federate.mjs', [join(folder, 'corpus'), out, '2']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/round 2: 3 clients, loss \d+\.\d+, held out /);
  expect(stdout).toContain(join(out, 'server', 'encoder.safetensors'));
}, 120_000);
