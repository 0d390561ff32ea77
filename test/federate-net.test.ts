// Server and clients over HTTP on this machine.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { beginning } from '../lib/federate/beginning.js';
import { federatedConfig } from '../lib/federate/config.js';
import { joinFederation } from '../lib/federate/net/join.js';
import { arraysToBytes, updateToBytes } from '../lib/federate/net/protocol.js';
import { type ServeOptions, serve } from '../lib/federate/net/server.js';
import { Tokens } from '../lib/federate/net/tokens.js';
import { SecureClient } from '../lib/federate/secure/client.js';
import { loadEncoderModel } from '../lib/models/encoder-model.js';
import { readRunLog } from '../lib/train/run-log.js';
import { speakers, writeSpeakers } from './helpers/speakers.js';

let folder: string;
let corpus: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-federate-net-'));
  corpus = join(folder, 'corpus');
  await writeSpeakers(corpus);
}, 60_000);
afterAll(() => rm(folder, { recursive: true }));

const options = {
  ...{ rounds: 2, localSteps: 2, minClients: 3, port: 0, roundSeconds: 30 },
  training: {
    ...{ task: 'contrastive', batchSize: 4, heldOut: 0.5, warmUp: 0, threads: 1, seed: 3 },
    encoder: { frames: 16, channels: [4], embedding: 6 },
  },
};

/** A server that runs; `ended` is when it has ended. */
async function started(out: string, more: Partial<ServeOptions> = {}) {
  let ended: Promise<void> = Promise.resolve();
  const url = await new Promise<string>((resolve, reject) => {
    ended = serve({ ...options, out: join(folder, out), ...more, onListening: resolve });
    ended.catch(reject);
  });
  return { url, ended };
}

const join3 = (url: string, run: string, token = (name: string) => name) =>
  Promise.all(
    speakers.map((name) =>
      joinFederation({
        url,
        data: join(corpus, name),
        out: join(folder, `${run}-${name}`),
        token: token(name),
        threads: 1,
      }),
    ),
  );
const audit = async (out: string) =>
  (await readFile(join(folder, out, 'audit.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const sayings = { clips: 4, frames: 300, mean: Array(64).fill(0), std: Array(64).fill(1) };

async function ask(url: string, token: string, method: string, path: string, body?: string | Buffer) {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(new URL(path, url), {
    method,
    headers,
    body: body && new Uint8Array(Buffer.from(body)),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  return { status: response.status, bytes, json: () => JSON.parse(bytes.toString()) };
}

describe('a server with three clients', () => {
  it('trains to the end and writes what a simulation does', async () => {
    const { url, ended } = await started('whole');
    expect(await join3(url, 'whole')).toEqual([2, 2, 2]);
    await ended;
    const { weights } = await loadEncoderModel(join(folder, 'whole', 'encoder.safetensors'));
    expect([...weights.values()].every((values) => values.every(Number.isFinite))).toBe(true);
    const { status, results, losses, corpus: heard } = await readRunLog(join(folder, 'whole'));
    expect([status, results!.tables![0]!.rows.length, losses.loss!.length, heard.clips]).toEqual([
      'finished',
      3,
      2,
      12,
    ]);
    const events = (await audit('whole')).map(({ event, client }) => [event, client].join(' ').trim());
    expect(events.filter((e) => e.startsWith('joined')).sort()).toEqual(speakers.map((name) => `joined ${name}`));
    expect(events.filter((e) => e.startsWith('update'))).toHaveLength(6);
    expect(events.filter((e) => e === 'averaged')).toHaveLength(2);
  }, 60_000);

  it('gives the same weights as the same clients in any order of arrival', async () => {
    const { url, ended } = await started('again');
    await join3(url, 'again');
    await ended;
    const [a, b] = await Promise.all(
      ['whole', 'again'].map((run) => loadEncoderModel(join(folder, run, 'encoder.safetensors'))),
    );
    expect([b!.mean, b!.weights]).toEqual([a!.mean, a!.weights]);
  }, 60_000);

  it('goes on without a client that is lost, and refuses what is poisoned, late or too large', async () => {
    const { url, ended } = await started('lossy', { roundSeconds: 3, minClients: 5, clipNorm: 5, localHeads: true });
    const honest = join3(url, 'lossy');
    for (const name of ['lost', 'poisoner']) {
      expect((await ask(url, name, 'POST', '/v1/join', JSON.stringify(sayings))).status).toBe(200);
    }
    const { run } = (await ask(url, 'poisoner', 'POST', '/v1/join', JSON.stringify(sayings))).json();
    const { layout } = beginning(federatedConfig({ ...options, clipNorm: 5, localHeads: true }));
    const work = async () => (await ask(url, 'poisoner', 'GET', '/v1/work')).json();
    const put = (body: Buffer, round: number) => ask(url, 'poisoner', 'PUT', `/v1/update?round=${round}`, body);
    for (let waited = 0; (await work()).do !== 'train' && waited < 100; waited++)
      await new Promise((r) => setTimeout(r, 100));

    expect((await put(Buffer.alloc(1), 7)).json().code).toBe('ERR_PROTOCOL'); // of a round that is not
    const zeros = new Float32Array(layout.size);
    expect((await put(updateToBytes({ delta: zeros, examples: 1 }, layout, run, {}), 1)).json().message).toMatch(
      /Round 1/,
    );
    const nan = updateToBytes({ delta: zeros.slice().fill(Number.NaN), examples: 1 }, layout, run, {});
    expect(await put(nan, 0)).toMatchObject({ status: 422 });
    // One refusal is enough: nothing more of it counts in this round, and nobody waits for it.
    expect((await put(updateToBytes({ delta: zeros, examples: 1 }, layout, run, {}), 0)).json().message).toMatch(
      /refused/,
    );
    expect(await work()).toMatchObject({ do: 'wait' });
    for (let waited = 0; waited < 100; waited++) {
      const now = await work();
      if (now.do === 'train' && now.round === 1) break;
      await new Promise((r) => setTimeout(r, 100));
    }
    const huge = updateToBytes({ delta: zeros.slice().fill(1), examples: 1 }, layout, run, {});
    expect((await put(huge, 1)).json().code).toBe('ERR_UPDATE_BOUNDS');
    expect((await ask(url, 'lost', 'GET', '/v1/work')).json().do).toBe('train'); // it never answers
    expect(await honest).toEqual([2, 2, 2]);
    for (const name of ['lost', 'poisoner'])
      expect((await ask(url, name, 'GET', '/v1/work')).json()).toEqual({ do: 'stop' });
    await ended;
    const events = await audit('lossy');
    expect(events.filter((e) => e.event === 'lost').map((e) => [e.client, e.round])).toEqual([
      ['lost', 0],
      ['lost', 1],
    ]);
    expect(events.filter((e) => e.event === 'refused').map((e) => e.code)).toEqual([
      ...['ERR_PROTOCOL', 'ERR_PROTOCOL', 'ERR_UPDATE_NOT_FINITE', 'ERR_PROTOCOL', 'ERR_UPDATE_BOUNDS'],
    ]);
    const { weights } = await loadEncoderModel(join(folder, 'lossy', 'encoder.safetensors'));
    expect([...weights.values()].every((values) => values.every(Number.isFinite))).toBe(true);
  }, 60_000);

  it('refuses wrong shapes, bodies that are too large, and what is no message', async () => {
    const stop = new AbortController();
    const { url, ended } = await started('wrong', { minClients: 1, signal: stop.signal });
    const { run } = (await ask(url, 'a', 'POST', '/v1/join', JSON.stringify(sayings))).json();
    expect((await ask(url, 'a', 'GET', '/v1/work')).json()).toMatchObject({ do: 'train', round: 0 });
    const { layout } = beginning(federatedConfig(options));
    expect((await ask(url, 'a', 'GET', '/v1/weights?round=3')).status).toBe(422);
    const other = {
      arrays: layout.arrays.slice(1).map((a) => ({ ...a, offset: a.offset - layout.arrays[0]!.size })),
      size: layout.size - layout.arrays[0]!.size,
    };
    const missing = arraysToBytes(new Float32Array(other.size), other, { run, examples: 1 });
    expect((await ask(url, 'a', 'PUT', '/v1/update?round=0', missing)).json().code).toBe('ERR_UPDATE_SHAPE');
    const large = await ask(url, 'b', 'PUT', '/v1/update?round=0', Buffer.alloc(1 << 20)).catch(() => ({
      status: 422,
    }));
    expect(large.status).toBe(422);
    for (const body of [
      '',
      '{',
      '{"clips":1}',
      JSON.stringify({ ...sayings, mean: [1] }),
      JSON.stringify({ ...sayings, frames: -1 }),
    ]) {
      const { status, json } = await ask(url, 'a', 'POST', '/v1/join', body);
      expect([status, json().code]).toEqual([422, 'ERR_PROTOCOL']);
    }
    expect((await ask(url, 'a', 'GET', '/')).status).toBe(404);
    expect((await ask(url, '../x', 'GET', '/v1/work')).status).toBe(401);
    stop.abort(new Error('enough'));
    await expect(ended).rejects.toThrow('enough');
  }, 60_000);

  it('knows clients by their tokens', async () => {
    const secret = (name: string) => `${name}-0123456789abcdef`;
    const tokens = Tokens.parse(speakers.map((name) => `${name} ${secret(name)}`).join('\n'));
    const { url, ended } = await started('tokens', { tokens, rounds: 1 });
    expect((await ask(url, 'ann', 'GET', '/v1/work')).status).toBe(401);
    await expect(
      joinFederation({
        url,
        data: join(corpus, 'ann'),
        out: join(folder, 'intruder'),
        token: 'x',
        patience: 1,
        threads: 1,
      }),
    ).rejects.toMatchObject({ code: 'ERR_TOKEN' });
    expect(await join3(url, 'tokens', secret)).toEqual([1, 1, 1]);
    await ended;
    expect(
      (await audit('tokens'))
        .filter((e) => e.event === 'joined')
        .map((e) => e.client)
        .sort(),
    ).toEqual(speakers);
    for (const text of ['ann short', '../ann 0123456789abcdef', `ann ${secret('a')}\nann ${secret('b')}`]) {
      expect(() => Tokens.parse(text)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    }
    const open = serve({ ...options, out: join(folder, 'open'), host: '0.0.0.0' });
    await expect(open).rejects.toThrow(/tokens/);
  }, 60_000);

  it('adds up securely what comes, also where a client is lost in the middle', async () => {
    const more = { clipNorm: 50, training: { ...options.training, task: 'autoencoder' } };
    const plain = await started('plain', more);
    await join3(plain.url, 'plain');
    await plain.ended;
    const { url, ended } = await started('secure', { ...more, secure: true, stageSeconds: 2 });
    expect(await join3(url, 'secure')).toEqual([2, 2, 2]);
    await ended;
    const [a, b] = await Promise.all(
      ['plain', 'secure'].map((run) => loadEncoderModel(join(folder, run, 'encoder.safetensors'))),
    );
    // The three have as many frames each, so that counting the same is being weighed by frames.
    for (const [name, values] of a!.weights) {
      b!.weights.get(name)!.forEach((value, i) => {
        expect(value).toBeCloseTo(values[i]!, 5);
      });
    }
    const { losses } = await readRunLog(join(folder, 'secure'));
    expect(losses.loss).toEqual([]); // the server has seen none
    const events = await audit('secure');
    for (const stage of ['keys', 'shares', 'vector', 'revealed']) {
      expect(events.filter(({ event }) => event === stage)).toHaveLength(6);
    }

    const lossy = await started('secure-lossy', { ...more, secure: true, stageSeconds: 2, minClients: 4, rounds: 1 });
    const honest = join3(lossy.url, 'secure-lossy');
    const lost = (method: string, path: string, body?: string) => ask(lossy.url, 'lost', method, path, body);
    const { client } = (await lost('POST', '/v1/join', JSON.stringify(sayings))).json();
    let work = { stage: '', name: '' };
    for (let i = 0; i < 10 && work.stage !== 'keys'; i++) work = (await lost('GET', '/v1/work?wait=5')).json();
    const mine = new SecureClient(client, work.name);
    const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
    const { sealing, masking } = mine.keys();
    const to = (stage: string) => `/v1/secure?stage=${stage}&name=${encodeURIComponent(work.name)}`;
    const keys = JSON.stringify({ sealing: base64(sealing), masking: base64(masking) });
    expect((await lost('PUT', to('shares'), '{}')).json().code).toBe('ERR_PROTOCOL'); // too early
    expect((await lost('PUT', to('keys'), keys)).status).toBe(200);
    const { roster } = (await lost('GET', '/v1/work?wait=5')).json();
    const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
    const sealed = await mine.share(
      roster.map((k: Record<string, string>) => ({ id: k.id, sealing: bytes(k.sealing!), masking: bytes(k.masking!) })),
    );
    const shares = Object.fromEntries([...sealed].map(([id, data]) => [id, base64(data)]));
    expect((await lost('PUT', to('shares'), JSON.stringify({ shares }))).status).toBe(200);
    expect((await lost('GET', '/v1/work?wait=5')).json().stage).toBe('vector');
    expect((await lost('PUT', to('vector'), 'short')).json().code).toBe('ERR_SECURE'); // and is gone
    expect(await honest).toEqual([1, 1, 1]);
    await lost('GET', '/v1/work');
    await lossy.ended;
    expect((await audit('secure-lossy')).find(({ event }) => event === 'averaged')).toMatchObject({ reported: 3 });
    const { weights } = await loadEncoderModel(join(folder, 'secure-lossy', 'encoder.safetensors'));
    for (const values of weights.values())
      expect(values.every((v) => Number.isFinite(v) && Math.abs(v) < 100)).toBe(true);
  }, 60_000);

  it('speaks HTTPS, and a client trusts only the certificate it was given', async () => {
    const file = (name: string) => join(import.meta.dirname, 'fixtures', 'tls', name);
    const tls = { cert: file('cert.pem'), key: file('key.pem') };
    const { url, ended } = await started('https', { tls, minClients: 1, rounds: 1 });
    expect(url).toMatch(/^https:/);
    const own = {
      url,
      data: join(corpus, 'ann'),
      out: join(folder, 'https-ann'),
      token: 'ann',
      threads: 1,
      patience: 0.1,
    };
    await expect(joinFederation(own)).rejects.toMatchObject({ code: 'ERR_NETWORK' });
    expect(await joinFederation({ ...own, ca: tls.cert })).toBe(1);
    await ended;
  }, 60_000);

  it('is private if asked: clients tell no losses, ε is in the log', async () => {
    const privacy = { noise: 1, delta: 1e-3 };
    const { url, ended } = await started('private', { privacy, clipNorm: 0.1, fraction: 0.99 });
    await join3(url, 'private');
    await ended;
    const { losses, results } = await readRunLog(join(folder, 'private'));
    expect(losses.loss).toEqual([]);
    expect(results!.figures!.epsilon).toBeGreaterThan(0);
  }, 60_000);
});
