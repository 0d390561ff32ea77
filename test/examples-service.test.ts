// The service of examples/service, fed with good, oversized, truncated and wrong files over a real socket.
import { readFile } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NeighbourIndex } from '../examples/service/neighbour-index.js';
import { buildService } from '../examples/service/service.js';
import { readAudio } from '../lib/audio/index.js';
import { Encoder } from '../lib/embed/encoder.js';
import { randomModel } from './helpers/models.js';

const clips = join(import.meta.dirname, '..', 'node_modules', 'supersonic-scsynth-samples', 'samples');
const clip = (name: string) => readFile(join(clips, `${name}.flac`));
const encoder = Encoder.fromModel(randomModel(), { threads: 1 });
const limits = { bytes: 2 ** 20, audioSeconds: 20, uploadMs: 1000, workMs: 30_000, concurrency: 4 };
const app = buildService(encoder, new NeighbourIndex(encoder.dimension), { limits });
let url: string;
let drum: Buffer;

beforeAll(async () => {
  url = await app.listen({ port: 0, host: '127.0.0.1' });
  drum = await clip('drum_snare_hard');
});
afterAll(() => app.close());

async function send(path: string, body?: Uint8Array, { method = 'POST', type = 'audio/flac' } = {}) {
  const init = { method, body: body as Uint8Array<ArrayBuffer> | undefined, headers: { 'content-type': type } };
  const response = await fetch(url + path, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: JSON.parse(text) };
}

/** 16-bit mono WAV of silence at 16 kHz, whose header may claim more than there is. */
function wav(samples: number, claimed = samples): Buffer {
  const file = Buffer.alloc(44 + 2 * samples);
  file.write('RIFF', 0, 'latin1');
  file.writeUInt32LE(36 + 2 * claimed, 4);
  file.write('WAVEfmt ', 8, 'latin1');
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(16000, 24);
  file.writeUInt32LE(32000, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36, 'latin1');
  file.writeUInt32LE(2 * claimed, 40);
  return file;
}

describe('the service', () => {
  it('embeds as the library does, whatever the client calls the format', async () => {
    const samples = await readAudio(drum);
    const expected = await encoder.sceneEmbedding(samples);
    for (const type of ['audio/flac', 'application/json', 'text/plain', 'application/x-www-form-urlencoded']) {
      const { status, body } = await send('/embed', drum, { type });
      expect(status).toBe(200);
      expect(Float32Array.from(body.embedding)).toEqual(expected);
      expect(body.seconds).toBe(samples.length / 16000);
    }
    const { body } = await send('/embed?hop=0.1', drum);
    const slices = await encoder.timestampEmbeddings(samples, { hop: 10 });
    expect(body.slices.map((s: { seconds: number }) => 1000 * s.seconds)).toEqual([...slices.timestamps]);
  });

  it('finds what it was given, best first', async () => {
    expect((await send('/neighbours', drum)).body).toEqual({ neighbours: [] });
    const names = ['drum_snare_hard', 'loop_amen', 'bass_hit_c', 'elec_bell', 'perc_snap'];
    for (const name of names) {
      const put = await send(`/index/${name}`, await clip(name), { method: 'PUT' });
      expect(put).toMatchObject({ status: 201, body: { name } });
    }
    const amen = await clip('loop_amen');
    const again = await Promise.all([1, 2, 3].map(() => send('/index/loop_amen', amen, { method: 'PUT' })));
    expect(again.map((a) => a.body.indexed)).toEqual([5, 5, 5]); // replaced
    const { body } = await send('/neighbours?k=50', drum);
    expect(body.neighbours[0].name).toBe('drum_snare_hard');
    expect(body.neighbours[0].similarity).toBeCloseTo(1, 5);
    expect(body.neighbours.map((n: { name: string }) => n.name).sort()).toEqual([...names].sort());
    const similarities = body.neighbours.map((n: { similarity: number }) => n.similarity);
    expect(similarities).toEqual([...similarities].sort((x, y) => y - x));
    expect((await send('/neighbours?k=2', drum)).body.neighbours.length).toBe(2);
  });

  it('tells its health and its metrics', async () => {
    await send('/embed', drum);
    const health = await (await fetch(`${url}/health`)).json();
    expect(health).toMatchObject({ status: 'ok', dimension: 128, working: 0 });
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(/^request_seconds_count\{route="\/embed",status="200"\} \d+$/m);
    expect(metrics).toMatch(/^audio_seconds_total [\d.]+$/m);
    expect(metrics).toMatch(/^recordings_in_work 0$/m);
  });
});

describe('what it refuses', () => {
  it.each<[string, () => Uint8Array, number, string]>([
    ['more bytes than allowed', () => new Uint8Array(2 ** 20 + 1), 413, 'FST_ERR_CTP_BODY_TOO_LARGE'],
    ['an hour in a small file', () => bombFlac(), 422, 'ERR_AUDIO_FORMAT'],
    ['more audio than allowed', () => wav(21 * 16000), 413, 'ERR_AUDIO_TOO_LONG'],
    ['text', () => Buffer.from('hello'), 422, 'ERR_AUDIO_FORMAT'],
    ['noise', () => Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) % 251), 422, 'ERR_AUDIO_FORMAT'],
    ['a header alone', () => wav(0), 422, 'ERR_AUDIO_FORMAT'],
    ['a truncated FLAC', () => drum.subarray(0, drum.length >> 1), 422, 'ERR_AUDIO_FORMAT'],
    ['an empty body', () => new Uint8Array(0), 422, 'ERR_AUDIO_FORMAT'],
  ])('%s', async (_, body, status, code) => {
    const answer = await send('/embed', body());
    expect(answer).toMatchObject({ status, body: { error: { code } } });
    expect(answer.body.error.message.length).toBeGreaterThan(10);
  });

  it('a query that makes no sense, and no body', async () => {
    expect((await send('/embed?hop=-1', drum)).status).toBe(400);
    expect((await send('/neighbours?k=0', drum)).status).toBe(400);
    expect((await send('/neighbours?k=many', drum)).status).toBe(400);
    const none = await fetch(`${url}/embed`, { method: 'POST' });
    expect(none.status).toBe(400);
    expect(await send('/nothing', drum)).toMatchObject({ status: 404, body: { error: { code: 'NOT_FOUND' } } });
  });

  it('reads a WAV that is cut short as far as it goes', async () => {
    const { status, body } = await send('/embed', wav(8000, 16000));
    expect({ status, seconds: body.seconds }).toEqual({ status: 200, seconds: 0.5 });
  });

  it('more recordings at once than it can work on, and asks to come again', async () => {
    const long = wav(19 * 16000);
    const answers = await Promise.all(Array.from({ length: 20 }, () => send('/embed?hop=0.01', long)));
    const busy = answers.filter((a) => a.status === 503);
    expect(answers.filter((a) => a.status === 200).length).toBeGreaterThanOrEqual(limits.concurrency);
    expect(busy.length).toBeGreaterThan(0);
    expect(busy[0]!.headers.get('retry-after')).toBe('1');
    expect(busy[0]!.body.error.code).toBe('BUSY');
    expect((await send('/embed', drum)).status).toBe(200);
  });

  it('an upload that never ends', async () => {
    const { port } = app.server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    socket.write('POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: audio/wav\r\ncontent-length: 1000\r\n\r\nRIFF');
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 (408|503)/);
  });
});

describe('time', () => {
  it('is limited: the work is stopped', async () => {
    const hasty = buildService(encoder, new NeighbourIndex(encoder.dimension), { limits: { ...limits, workMs: 1 } });
    const response = await hasty.inject({
      method: 'POST',
      url: '/embed?hop=0.01',
      payload: wav(19 * 16000),
      headers: { 'content-type': 'audio/wav' },
    });
    expect(response.statusCode).toBe(503);
    await hasty.close();
  });

  it('is not spent on a client that left', async () => {
    const stop = new AbortController();
    const body = new Uint8Array(wav(19 * 16000));
    const pending = fetch(`${url}/embed?hop=0.01`, { method: 'POST', body, signal: stop.signal });
    setTimeout(() => stop.abort(), 30);
    await expect(pending).rejects.toThrow();
    await expect
      .poll(async () => ((await (await fetch(`${url}/health`)).json()) as { working: number }).working, {
        timeout: 1000,
        interval: 10,
      })
      .toBe(0);
    expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/^requests_abandoned_total [1-9]/m);
  });
});

/** A FLAC header that claims an hour, and nothing behind it. */
function bombFlac(): Buffer {
  const file = Buffer.alloc(42);
  file.write('fLaC', 0, 'latin1');
  file[4] = 0x80; // last metadata block, STREAMINFO
  file[7] = 34;
  file.writeUInt16BE(4096, 8);
  file.writeUInt16BE(4096, 10);
  // 20 bits sample rate, 3 channels - 1, 5 bits - 1, 36 samples
  file.writeUInt32BE((16000 << 12) | (15 << 4), 18);
  file.writeUInt32BE(3600 * 16000, 22);
  return file;
}
